# The network of the traces; sourced by capture.sh.
#
#   client 192.168.10.2, fd00:10::2 ── lan   ┐
#                                            router ── wan ── server
#   guest  192.168.20.2, fd00:20::2 ── guest ┘
#
# The server has 203.0.113.10 (web, ssh, sip), 203.0.113.53 (DNS) and
# 198.51.100.10 (a second site), and 2001:db8:113::10, ::53, 2001:db8:198::10.
# Addresses are of the documentation ranges of RFC 5737 and RFC 3849, MACs are
# locally administered: nothing of the machine that captures gets in.
# shellcheck shell=bash

readonly NETNS="meter$$"
readonly WEB4=203.0.113.10 WEB6=2001:db8:113::10
readonly DNS4=203.0.113.53 DNS6=2001:db8:113::53
readonly FAR4=198.51.100.10 FAR6=2001:db8:198::10

# in_ns runs a command in one of our namespaces: in_ns client ping …
in_ns() {
	local ns=$1
	shift
	ip netns exec "$NETNS-$ns" "$@"
}

# wire joins two namespaces: wire NS DEVICE MAC NS DEVICE MAC
wire() {
	ip link add "$2" netns "$NETNS-$1" address "$3" type veth \
		peer name "$5" netns "$NETNS-$4" address "$6"
	plain "$1" "$2"
	plain "$4" "$5"
}

# plain brings a device up with all offloads off, so that packets have on the
# wire the sizes and checksums that the other side gets.
plain() {
	in_ns "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null
	in_ns "$1" ip link set dev "$2" up
}

# address gives a device addresses: address NS DEVICE PREFIX...
address() {
	local ns=$1 dev=$2 a
	shift 2
	for a in "$@"; do
		if [[ $a == *:* ]]; then
			in_ns "$ns" ip address add "$a" dev "$dev" nodad
		else
			in_ns "$ns" ip address add "$a" dev "$dev"
		fi
	done
}

# gateway sets the default routes: gateway NS IPV4 IPV6
gateway() {
	in_ns "$1" ip route add default via "$2"
	in_ns "$1" ip -6 route add default via "$3"
}

add_namespace() {
	ip netns add "$NETNS-$1"
	in_ns "$1" ip link set lo up
}

make_network() {
	local ns
	for ns in client guest router server; do
		add_namespace "$ns"
	done
	in_ns router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	wire client eth0 02:00:00:00:10:02 router lan 02:00:00:00:10:01
	wire guest eth0 02:00:00:00:20:02 router guest 02:00:00:00:20:01
	wire server eth0 02:00:00:00:71:10 router wan 02:00:00:00:71:01
	address client eth0 192.168.10.2/24 fd00:10::2/64
	address guest eth0 192.168.20.2/24 fd00:20::2/64
	address router lan 192.168.10.1/24 fd00:10::1/64
	address router guest 192.168.20.1/24 fd00:20::1/64
	address router wan 203.0.113.1/24 2001:db8:113::1/64
	address server eth0 "$WEB4/24" "$DNS4/24" "$FAR4/32" "$WEB6/64"
	# Not preferred: a server that is bound to no address answers from $WEB6.
	in_ns server ip address add "$DNS6/64" dev eth0 nodad preferred_lft 0
	in_ns server ip address add "$FAR6/128" dev eth0 nodad preferred_lft 0
	gateway client 192.168.10.1 fd00:10::1
	gateway guest 192.168.20.1 fd00:20::1
	gateway server 203.0.113.1 2001:db8:113::1
	in_ns router ip route add "$FAR4/32" via "$WEB4"
	in_ns router ip -6 route add "$FAR6/128" via "$WEB6"
	# Two destinations that the router refuses, one that it drops silently.
	in_ns router ip route add prohibit 198.51.100.66/32
	in_ns router ip route add unreachable 198.51.100.67/32
	in_ns router ip route add blackhole 198.51.100.68/32
	in_ns router ip -6 route add prohibit 2001:db8:198::66/128
	# Link-local addresses and multicast groups settle before the first trace.
	sleep 3
}

remove_network() {
	local ns
	for ns in $(ip netns list | awk -v p="$NETNS-" 'index($1, p) == 1 { print $1 }'); do
		ip netns pids "$ns" | xargs -r kill -KILL || true
		ip netns delete "$ns" || true
	done
}
