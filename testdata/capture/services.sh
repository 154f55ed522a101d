# The servers, and how processes are started and ended; sourced by capture.sh.
# shellcheck shell=bash

# spawn starts a long-running command in a namespace; stop_all ends it. Its
# output is kept in $WORK/NAME.log: spawn NAME NS COMMAND...
spawn() {
	local name=$1 ns=$2
	shift 2
	# No function here: $! has to be the program, not a shell around it.
	ip netns exec "$NETNS-$ns" "$@" </dev/null >"$WORK/$name.log" 2>&1 &
}

# stop ends processes that spawn started, by their ids.
stop() {
	local pid
	for pid in "$@"; do
		kill -TERM "$pid" 2>/dev/null || true
	done
	for pid in "$@"; do
		timeout 5 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

# stop_all ends what still runs of them; asking for the jobs, not remembering
# ids, never meets a stranger who was given one again.
stop_all() {
	local running
	mapfile -t running <<<"$(jobs -pr)"
	[[ -z ${running[0]} ]] || stop "${running[@]}"
}

# wait_for waits up to ten seconds until a command succeeds.
wait_for() {
	local i
	for ((i = 0; i < 100; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "capture.sh: gave up waiting for: $*" >&2
	return 1
}

# start_capture and stop_capture bracket the traffic of one trace:
# start_capture FILE NS DEVICE [OPTION...]
declare -a CAPTURES=()
start_capture() {
	local file=$1 ns=$2 dev=$3
	shift 3
	spawn "tcpdump-$dev" "$ns" tcpdump -i "$dev" -w "$file" -n -U -s 0 -Z root \
		--immediate-mode "$@"
	CAPTURES+=($!)
	wait_for grep -q 'listening on' "$WORK/tcpdump-$dev.log"
}

stop_capture() {
	sleep 0.5
	stop "${CAPTURES[@]}"
	CAPTURES=()
}

start_services() {
	start_nginx
	start_unbound
	start_sshd
	wait_for in_ns client curl -sf -o /dev/null "http://$WEB4/"
	wait_for in_ns client dig +time=1 +tries=1 "@$DNS4" www.example.net
}

start_nginx() {
	local web=$WORK/web
	mkdir -p "$web/root" "$web/tmp"
	# nginx's workers run as another user.
	chmod 755 "$WORK"
	chown www-data "$web/tmp"
	echo '<html><body>Hello.</body></html>' >"$web/root/index.html"
	head -c 30000 /dev/zero | tr '\0' 'x' >"$web/root/large"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
		-subj /CN=www.example.net -addext subjectAltName=DNS:www.example.net \
		-keyout "$web/key.pem" -out "$web/cert.pem" 2>/dev/null
	cat >"$web/nginx.conf" <<-END
		daemon off;
		user www-data;
		worker_processes 1;
		pid $web/pid;
		error_log stderr;
		events { worker_connections 64; }
		http {
			access_log off;
			reset_timedout_connection on;
			client_body_temp_path $web/tmp;
			server {
				listen 80;
				listen [::]:80;
				listen 443 ssl http2;
				listen [::]:443 ssl http2;
				ssl_certificate $web/cert.pem;
				ssl_certificate_key $web/key.pem;
				root $web/root;
				location /slow { alias $web/root/large; limit_rate 4k; }
				location /reset { return 444; }
				location /upload { client_max_body_size 1m; return 204; }
			}
		}
	END
	spawn nginx server nginx -c "$web/nginx.conf"
}

start_unbound() {
	local text
	text=$(head -c 240 /dev/zero | tr '\0' 't')
	{
		cat <<-END
			server:
			    directory: "$WORK"
			    chroot: ""
			    username: ""
			    pidfile: "$WORK/unbound.pid"
			    use-syslog: no
			    interface: $DNS4
			    interface: $DNS6
			    access-control: 0.0.0.0/0 allow
			    access-control: ::/0 allow
			    hide-identity: yes
			    hide-version: yes
			    module-config: "iterator"
			    local-zone: "." static
			    local-data: ". 3600 IN SOA ns.example.net. hostmaster.example.net. 1 3600 900 86400 300"
			    local-data: "www.example.net. 300 IN A $WEB4"
			    local-data: "www.example.net. 300 IN AAAA $WEB6"
			    local-data: "far.example.net. 300 IN A $FAR4"
			    local-data: "example.net. 300 IN MX 10 mail.example.net."
			    local-data-ptr: "$WEB4 300 www.example.net"
		END
		# More than fits in a datagram, so that the client comes back over TCP.
		for i in 1 2 3 4 5 6 7 8; do
			echo "    local-data: 'large.example.net. 300 IN TXT \"$i$text\"'"
		done
	} >"$WORK/unbound.conf"
	spawn unbound server unbound -d -c "$WORK/unbound.conf"
}

start_sshd() {
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$WORK/hostkey"
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$WORK/userkey"
	chmod 600 "$WORK"/*key
	mkdir -p /run/sshd
	spawn sshd server /usr/sbin/sshd -D -e -f /dev/null \
		-o "ListenAddress=$WEB4" -o "ListenAddress=$WEB6" \
		-o "HostKey=$WORK/hostkey" -o "AuthorizedKeysFile=$WORK/userkey.pub" \
		-o "PidFile=$WORK/sshd.pid" -o StrictModes=no -o UsePAM=yes \
		-o PermitRootLogin=prohibit-password -o PrintMotd=no -o DebianBanner=no
	# The other way in: a machine outside logs in to one at home.
	spawn sshd-guest guest /usr/sbin/sshd -D -e -f /dev/null \
		-o ListenAddress=192.168.20.2 \
		-o "HostKey=$WORK/hostkey" -o "AuthorizedKeysFile=$WORK/userkey.pub" \
		-o "PidFile=$WORK/sshd-guest.pid" -o StrictModes=no -o UsePAM=yes \
		-o PermitRootLogin=prohibit-password -o PrintMotd=no -o DebianBanner=no
}
