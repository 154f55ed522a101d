# Tagged and tunnelled links; sourced by capture.sh. They are made by Open
# vSwitch with its userspace datapath, so the kernel needs neither VLAN, MPLS
# nor GRE devices.
#
#   left: link, over ── trunk ══ trunk ── link, over :right
#
# Both namespaces run a switch of their own. The bridge `link` carries the wire
# and has 192.168.30.x, the bridge `over` has 10.40.0.x and reaches its twin
# through a tunnel between the addresses of `link`.
# shellcheck shell=bash

make_switches() {
	in_ns left true 2>/dev/null && return
	add_namespace left
	add_namespace right
	wire left trunk 02:00:00:00:30:20 right trunk 02:00:00:00:30:21
	# The wire itself says nothing; only what the switches send is on it.
	in_ns left sysctl -qw net.ipv6.conf.trunk.disable_ipv6=1
	in_ns right sysctl -qw net.ipv6.conf.trunk.disable_ipv6=1
	# Room for tags, labels and tunnels around inner packets of full size.
	in_ns left ip link set dev trunk mtu 1700
	in_ns right ip link set dev trunk mtu 1700
	make_switch left 2
	make_switch right 3
}

# make_switch starts the switch of a side and its two bridges: make_switch NS N
make_switch() {
	local ns=$1 n=$2 dir=$WORK/$1
	mkdir -p "$dir"
	ovsdb-tool create "$dir/conf.db" /usr/share/openvswitch/vswitch.ovsschema
	spawn "ovsdb-$ns" "$ns" env OVS_RUNDIR="$dir" ovsdb-server "$dir/conf.db" \
		--unixctl="$dir/db.ctl" --remote="punix:$dir/db.sock"
	wait_for test -S "$dir/db.sock"
	vsctl "$ns" --no-wait init
	spawn "vswitchd-$ns" "$ns" env OVS_RUNDIR="$dir" ovs-vswitchd \
		--unixctl="$dir/switch.ctl" "unix:$dir/db.sock"
	vsctl "$ns" set Open_vSwitch . other_config:vlan-limit=2
	make_bridge "$ns" link "02:00:00:00:30:0$n" "192.168.30.$n/24" "fd00:30::$n/64"
	make_bridge "$ns" over "02:00:00:00:40:0$n" "10.40.0.$n/24" "fd00:40::$n/64"
	vsctl "$ns" add-port link trunk
	spawn "web-$ns" "$ns" socat TCP6-LISTEN:8080,ipv6only=0,fork,reuseaddr \
		SYSTEM:"head -c 20000 /dev/zero"
}

# make_bridge NS NAME MAC IPV4 IPV6
make_bridge() {
	vsctl "$1" add-br "$2" -- set bridge "$2" datapath_type=netdev "other-config:hwaddr=$3"
	vsctl "$1" set interface "$2" mtu_request=1500
	plain "$1" "$2"
	address "$1" "$2" "$4" "$5"
}

vsctl() {
	local ns=$1
	shift
	in_ns "$ns" ovs-vsctl --timeout=20 "--db=unix:$WORK/$ns/db.sock" "$@"
}

# talk makes the same small traffic over whatever is set up: talk IPV4 IPV6
talk() {
	quiet ip netns exec "$NETNS-left" ping -q -n -c 3 -i 0.2 -W 1 "$1"
	quiet ip netns exec "$NETNS-left" ping -q -n -c 3 -i 0.2 -W 1 "$2"
	quiet ip netns exec "$NETNS-left" socat -u "TCP4:$1:8080" OPEN:/dev/null
	quiet ip netns exec "$NETNS-left" socat -u "TCP6:[$2]:8080" OPEN:/dev/null
}

# dot1q makes the link carry one 802.1Q tag.
dot1q() {
	vsctl left set port link tag=10
	vsctl right set port link tag=10
}

# qinq makes it carry the customer's tag 10 inside the provider's 200 (802.1ad).
qinq() {
	untagged
	both_switches <<-END
		in_port=LOCAL actions=push_vlan:0x8100,set_field:4106->vlan_vid,push_vlan:0x88a8,set_field:4296->vlan_vid,output:trunk
		in_port=trunk,dl_vlan=200 actions=pop_vlan,resubmit(,1)
		table=1,dl_vlan=10 actions=pop_vlan,output:LOCAL
	END
}

# mpls makes it carry IP under two labels.
mpls() {
	untagged
	both_switches <<-END
		priority=2,in_port=LOCAL,ip actions=push_mpls:0x8847,set_field:100->mpls_label,push_mpls:0x8847,set_field:200->mpls_label,output:trunk
		priority=2,in_port=LOCAL,icmp6,icmp_type=135 actions=output:trunk
		priority=2,in_port=LOCAL,icmp6,icmp_type=136 actions=output:trunk
		priority=1,in_port=LOCAL,ipv6 actions=push_mpls:0x8847,set_field:600->mpls_label,output:trunk
		priority=2,in_port=trunk,mpls,mpls_label=200 actions=pop_mpls:0x8847,pop_mpls:0x0800,output:LOCAL
		priority=2,in_port=trunk,mpls,mpls_label=600 actions=pop_mpls:0x86dd,output:LOCAL
		priority=0 actions=NORMAL
	END
}

untagged() {
	vsctl left clear port link tag
	vsctl right clear port link tag
	echo 'actions=NORMAL' | both_switches
}

# both_switches sets the forwarding rules that it reads on both `link` bridges.
both_switches() {
	local rules ns
	rules=$(cat)
	for ns in left right; do
		in_ns "$ns" ovs-ofctl -O OpenFlow13 replace-flows "unix:$WORK/$ns/link.mgmt" - <<<"$rules"
	done
}

# tunnel joins the two `over` bridges: tunnel TYPE LEFT RIGHT [OPTION...]
tunnel() {
	local type=$1 left=$2 right=$3
	shift 3
	vsctl left --if-exists del-port tun0 -- add-port over tun0 -- \
		set interface tun0 "type=$type" "options:local_ip=$left" "options:remote_ip=$right" "$@"
	vsctl right --if-exists del-port tun0 -- add-port over tun0 -- \
		set interface tun0 "type=$type" "options:local_ip=$right" "options:remote_ip=$left" "$@"
}
