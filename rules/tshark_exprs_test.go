//go:build integration

package rules

// tsharkExprs mean the same here and in display filters.
var tsharkExprs = []string{
	"ip", "ipv6", "tcp", "udp", "sctp", "arp", "vlan", "!ip", "not (ip or ipv6)",
	"ip.src == 192.168.0.0/16", "ip.addr == 192.168.0.0/16 && !tcp", "ip.addr != 192.168.0.0/16", "ipv6.src == fe80::/10",
	"ipv6.dst == ff00::/8 || ip.dst == 224.0.0.0/4", "ip.src in {192.168.0.0 .. 192.168.255.255}",
	"ip.proto == 17", "ip.ttl < 64", "ip.ttl >= 64", "ip.len > 500", "ip.flags.df == 1", "ip.flags.mf == 1",
	"ip.frag_offset > 0", "ip.frag_offset == 185", "ip.id == 0", "ip.dsfield.dscp != 0", "ip.dsfield.ecn == 2", "ip.version == 6",
	"ipv6.hlim == 255", "ipv6.plen > 100", "ipv6.flow != 0",
	"tcp.port == 443", "tcp.port != 443", "!(tcp.port == 443)", "tcp.srcport in {80, 443, 5000..6000}", "tcp.dstport > 1024",
	"tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.flags.reset == 1", "tcp.flags.fin == 1 or tcp.flags.reset == True",
	"tcp.flags == 0x012", "tcp.window_size_value < 1000", "tcp.len == 0", "tcp.len > 1000", "tcp.ack_raw == 0",
	"tcp and not tcp.flags.push == 1", "tcp.flags.push != 1 && tcp.flags.ack eq 1",
	"udp.port == 53", "udp.dstport == 53 and frame.len gt 80", "udp.length > 100", "udp.srcport ne 53", "udp.port in {53, 5060}",
	"sctp.port == 5001", "icmp.type == 8", "icmp.type in {0, 8} && icmp.code == 0", "icmpv6.type == 135",
	"frame.len <= 60", "frame.len > 1000 && ip", "eth.type == 0x0806", "eth.type == 0x8100", "eth.dst == ff:ff:ff:ff:ff:ff", "eth.addr != ff:ff:ff:ff:ff:ff",
	"vlan.id == 10", "vlan.id != 99", "vlan.id > 0 && tcp", "vlan.priority == 0", "ip && (udp || tcp) && !vlan",
}
