# One function a trace: the programs whose packets it holds; sourced by
# capture.sh. What a program prints is of no interest here, and some of them
# are meant to fail.
# shellcheck shell=bash

# quiet runs a client with a bound in time and hides output and status.
quiet() { timeout 20 "$@" </dev/null >/dev/null 2>&1 || true; }
client() { quiet ip netns exec "$NETNS-client" "$@"; }
guest() { quiet ip netns exec "$NETNS-guest" "$@"; }
server() { quiet ip netns exec "$NETNS-server" "$@"; }

trace_http_tls() {
	start_capture "$HERE/http-tls.pcap" router lan
	client curl "http://$WEB4/" "http://$WEB4/large" "http://$WEB4/missing"
	client curl "http://[$WEB6]/large"
	client curl -X POST --data-binary "@$WORK/web/root/large" "http://$WEB4/upload"
	client curl -k "https://$WEB4/large" "https://$WEB4/"
	client curl -k --http1.1 "https://[$WEB6]/large"
	client curl -k --parallel "https://[$WEB6]/" "https://$FAR4/" "http://$FAR4/large"
	stop_capture
}

trace_dns() {
	local s
	start_capture "$HERE/dns.pcap" router lan
	for s in "$DNS4" "$DNS6"; do
		client dig "@$s" www.example.net A
		client dig "@$s" www.example.net AAAA
		client dig "@$s" example.net MX
		client dig "@$s" missing.example.net A
		client dig "@$s" -x "$WEB4"
		client dig "@$s" +noedns www.example.net A
		client dig "@$s" +bufsize=512 large.example.net TXT
		client dig "@$s" +bufsize=4096 +notcp large.example.net TXT
		client dig "@$s" +tcp www.example.net A +keepopen far.example.net A
	done
	client dig +time=1 +tries=2 @198.51.100.68 www.example.net A
	stop_capture
}

trace_iperf3() {
	spawn iperf3 server iperf3 -s --forceflush
	wait_for grep -q listening "$WORK/iperf3.log"
	start_capture "$HERE/iperf3.pcap" router lan
	client iperf3 -c "$WEB4" -n 100K
	client iperf3 -c "$WEB4" -n 100K -R -P 2
	client iperf3 -c "$WEB6" -n 100K -R
	client iperf3 -c "$WEB4" -u -b 400K -l 1000 -t 1
	client iperf3 -c "$WEB6" -u -b 400K -l 1000 -t 1 -R
	stop_capture
}

# login runs a command over ssh: login NS ADDRESS COMMAND
login() {
	quiet ip netns exec "$NETNS-$1" ssh -F /dev/null -i "$WORK/userkey" -o BatchMode=yes \
		-o IdentitiesOnly=yes -o UserKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=no "root@$2" "$3"
}

trace_ssh() {
	start_capture "$HERE/ssh.pcap" router lan
	login client "$WEB4" 'echo hello'
	login client "$WEB6" 'head -c 30000 /dev/zero'
	stop_capture
}

trace_ping_traceroute() {
	start_capture "$HERE/ping-traceroute.pcap" router lan
	client ping -n -c 3 -i 0.2 "$WEB4"
	client ping -n -c 3 -i 0.2 "$WEB6"
	client ping -n -c 2 -i 0.2 -s 1400 "$FAR4"
	client ping -n -c 1 -W 1 -t 1 "$WEB4"
	client ping -n -c 1 -W 1 198.51.100.66
	client ping -n -c 1 -W 1 198.51.100.67
	client ping -n -c 1 -W 1 2001:db8:198::66
	client traceroute -n -q 1 -w 1 -m 4 "$WEB4"
	client traceroute -n -q 1 -w 1 -m 4 -I "$WEB4"
	client traceroute -n -q 1 -w 1 -m 4 -T -p 80 "$WEB4"
	client traceroute -n -q 1 -w 1 -m 4 "$WEB6"
	client traceroute -n -q 1 -w 1 -m 4 -I "$WEB6"
	client dig +time=1 +tries=1 "@$FAR4" www.example.net
	client dig +time=1 +tries=1 "@$FAR6" www.example.net
	stop_capture
}

# vlan: one tag, then two, then MPLS labels.
trace_vlan() {
	make_switches
	start_capture "$HERE/vlan.pcap" left trunk
	local tags
	for tags in dot1q qinq mpls; do
		"$tags"
		talk 192.168.30.3 fd00:30::3
	done
	stop_capture
	untagged
}

# tunnel: Ethernet in GRE, VXLAN and Geneve, over IPv4 and IPv6; then IPv4 and
# IPv6 straight in IPv4.
trace_tunnel() {
	make_switches
	start_capture "$HERE/tunnel.pcap" left trunk
	local left4=192.168.30.2 right4=192.168.30.3 left6=fd00:30::2 right6=fd00:30::3
	tunnel gre "$left4" "$right4"
	talk 10.40.0.3 fd00:40::3
	tunnel gre "$left6" "$right6" options:key=7 # with a key
	talk 10.40.0.3 fd00:40::3
	tunnel vxlan "$left4" "$right4" options:key=42
	talk 10.40.0.3 fd00:40::3
	tunnel geneve "$left6" "$right6" options:key=43
	talk 10.40.0.3 fd00:40::3
	ip_in_ip 4 10.41.0.2/24 10.41.0.3/24
	ip_in_ip 41 fd00:41::2/64 fd00:41::3/64
	talk 10.41.0.3 fd00:41::3
	stop_capture
}

# erspan-gtp: what switches mirror, in ERSPAN of types II and III; IP in GTP-U, of
# which Open vSwitch 3.1 sends but does not take back: nobody answers.
trace_erspan_gtp() {
	make_switches
	start_capture "$HERE/erspan-gtp.pcap" left trunk
	local left4=192.168.30.2 right4=192.168.30.3 left6=fd00:30::2 right6=fd00:30::3
	tunnel erspan "$left4" "$right4" options:key=100 options:erspan_ver=1 options:erspan_idx=3
	talk 10.40.0.3 fd00:40::3
	tunnel erspan "$left6" "$right6" options:key=101 options:erspan_ver=2 options:erspan_dir=1 options:erspan_hwid=4
	talk 10.40.0.3 fd00:40::3
	tunnel gtpu "$left4" "$right4" options:key=1234
	over_gtp
	talk 10.40.0.3 fd00:40::3
	stop_capture
}

# over_gtp has the `over` bridges send IP into the tunnel, which carries no
# Ethernet: they know each other's MAC addresses.
over_gtp() {
	local ns own n
	for ns in left right; do
		own=2 n=3
		[[ $ns == left ]] || own=3 n=2
		in_ns "$ns" ip neigh replace "10.40.0.$n" lladdr "02:00:00:00:40:0$n" dev over nud permanent
		in_ns "$ns" ip neigh replace "fd00:40::$n" lladdr "02:00:00:00:40:0$n" dev over nud permanent
		in_ns "$ns" ovs-ofctl -O OpenFlow15 replace-flows "unix:$WORK/$ns/over.mgmt" - <<-END
			in_port=LOCAL,ip actions=output:tun0
			in_port=LOCAL,ipv6 actions=output:tun0
			in_port=tun0 actions=set_field:02:00:00:00:40:0$own->eth_dst,output:LOCAL
		END
	done
}

# ip_in_ip makes a tunnel of an IP protocol between both sides with socat's raw
# sockets: ip_in_ip PROTOCOL LEFT RIGHT
ip_in_ip() {
	spawn "ip$1-left" left socat "TUN,tun-name=ip$1,iff-no-pi,iff-up" "IP4-DATAGRAM:192.168.30.3:$1"
	spawn "ip$1-right" right socat "TUN,tun-name=ip$1,iff-no-pi,iff-up" "IP4-DATAGRAM:192.168.30.2:$1"
	wait_for in_ns left ip link show "ip$1"
	wait_for in_ns right ip link show "ip$1"
	address left "ip$1" "$2"
	address right "ip$1" "$3"
}

trace_fragments() {
	spawn echo4 server socat -b 9000 "UDP4-RECVFROM:7000,bind=$WEB4,fork" PIPE
	spawn echo6 server socat -b 9000 "UDP6-RECVFROM:7000,bind=[$WEB6],fork" PIPE
	head -c 5000 /dev/zero >"$WORK/datagram"
	head -c 1460 /dev/zero >"$WORK/datagram-1460"
	# The router has to fragment, too: its way out is narrower than the LAN.
	wan_mtu 1400
	start_capture "$WORK/1.pcap" router lan
	send "$WORK/datagram" "UDP4:$WEB4:7000"
	send "$WORK/datagram" "UDP6:[$WEB6]:7000" # too big for the way, which it learns
	send "$WORK/datagram" "UDP6:[$WEB6]:7000"
	client ping -n -c 2 -i 0.2 -s 4000 -W 1 -M dont "$WEB4"
	client ping -n -c 2 -i 0.2 -s 4000 -W 1 "$WEB6"
	client ping -n -c 2 -i 0.2 -s 1460 -W 1 -M "do" "$FAR4"
	stop_capture
	start_capture "$WORK/2.pcap" router wan
	send "$WORK/datagram" "UDP4:$WEB4:7000"
	send "$WORK/datagram-1460" "UDP4:$WEB4:7000,setsockopt-int=0:10:0"
	client ping -n -c 2 -i 0.2 -s 4000 -W 1 "$WEB6"
	stop_capture
	wan_mtu 1500
	mergecap -F pcap -w "$HERE/fragments.pcap" "$WORK/1.pcap" "$WORK/2.pcap"
}

# wan_mtu sets the MTU of both ends of the wire to the server.
wan_mtu() {
	in_ns router ip link set dev wan mtu "$1"
	in_ns server ip link set dev eth0 mtu "$1"
}

# send sends a file as one datagram and waits a second for the answer:
# send FILE ADDRESS
send() {
	timeout 5 ip netns exec "$NETNS-client" socat -t 1 -b 9000 - "$2" <"$1" >/dev/null 2>&1 || true
}

trace_reset() {
	start_capture "$HERE/reset.pcap" router lan
	client curl --max-time 3 "http://$WEB4:81/" # nobody listens
	client curl --max-time 3 "http://[$WEB6]:81/"
	client curl --max-time 3 "http://$WEB4/reset" # reset by the server
	client curl --max-time 3 "http://[$WEB6]/reset"
	client curl --max-time 1 --limit-rate 1k "http://$WEB4/large" # by the client
	client curl --max-time 1 --limit-rate 1k "http://[$WEB6]/large"
	client curl --max-time 0.5 "http://$WEB4/slow" # FIN before all has come
	client curl --max-time 3 http://198.51.100.68/ # no answer at all
	client curl --max-time 3 http://198.51.100.66/ # refused by the router
	stop_capture
}

trace_sip() {
	spawn sipp-uas server sipp -sn uas -i "$WEB4" -p 5060 -mp 6000 -rtp_echo -nostdin -timeout 60
	sleep 1
	start_capture "$HERE/sip.pcap" router lan
	# The scenario plays pcap/g711a.pcap of its working folder as RTP.
	mkdir -p "$WORK/sipp/pcap"
	cp /usr/share/sip-tester/*.pcap "$WORK/sipp/pcap/"
	(cd "$WORK/sipp" && client sipp -sn uac_pcap "$WEB4:5060" -i 192.168.10.2 -p 5060 -mp 6000 -m 1 -deadcall_wait 0 -nostdin)
	stop_capture
}

# usrsctp is SCTP as a program, so the kernel needs none.
trace_sctp() {
	local bin=/usr/lib/usrsctp
	spawn sctp-server server "$bin/tsctp" -L "$WEB4" -p 5001
	sleep 1
	start_capture "$HERE/sctp.pcap" router lan
	client timeout 10 "$bin/tsctp" -L 192.168.10.2 -n 60 -l 1000 -p 5001 "$WEB4"
	stop_capture
}

# any: the cooked headers of Linux, as `tcpdump -i any` writes them; each
# packet that the router forwards is there twice.
trace_any() {
	start_capture "$HERE/any-sll2.pcap" router any
	small_mix
	stop_capture
	start_capture "$HERE/any-sll.pcap" router any -y LINUX_SLL
	small_mix
	stop_capture
}

# short: cut by a snaplen that leaves Ethernet, IPv6 and 8 octets of what follows.
trace_short() {
	start_capture "$HERE/short.pcap" router lan -s 62
	small_mix
	client ping -n -c 2 -i 0.2 -s 1400 "$WEB4"
	stop_capture
}

small_mix() {
	client ping -n -c 1 "$WEB4"
	client ping -n -c 1 "$WEB6"
	client dig "@$DNS4" www.example.net
	client dig "@$DNS6" www.example.net
	client curl "http://$WEB4/" "http://[$WEB6]/"
}

# office: two interfaces of the router in one pcapng with nanoseconds: the LAN
# and the guests' net. What goes between the two nets is there twice.
trace_office() {
	start_capture "$WORK/lan.pcap" router lan --time-stamp-precision=nano
	start_capture "$WORK/guest.pcap" router guest --time-stamp-precision=nano
	office_mix
	stop_capture
	mergecap -F pcapng -I none -w "$WORK/office.pcapng" "$WORK/lan.pcap" "$WORK/guest.pcap"
	nameless "$WORK/office.pcapng" >"$HERE/office.pcapng"
}

# nameless drops the options of a pcapng's section header, which name the system
# that wrote it; all else stays.
nameless() {
	perl -0777 -ne '
		my ($type, $length, $rest) = unpack "VVa16", $_;
		print pack("VV", $type, 28), $rest, pack("V", 28), substr($_, $length);
	' "$1"
}

office_mix() {
	client dig "@$DNS4" www.example.net
	client curl -k "https://$WEB4/large"
	guest dig "@$DNS6" www.example.net AAAA
	guest curl "http://[$WEB6]/large"
	client ping -n -c 3 -i 0.2 192.168.20.2
	client ping -n -c 3 -i 0.2 fd00:20::2
	login client 192.168.20.2 'echo hello'
	login server 192.168.20.2 'echo hello'
	server ping -n -c 2 -i 0.2 192.168.10.2
	guest traceroute -n -q 1 -w 1 -m 4 "$FAR4"
	guest curl -k "https://$FAR4/" "http://$WEB4/"
	login client "$WEB4" 'head -c 20000 /dev/zero'
	server curl --max-time 2 http://192.168.10.2:8080/
}
