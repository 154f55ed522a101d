package rules

import (
	"net/netip"
	"strings"

	"flowmeter/meter/packet"
)

// refFields says how each field is read; nil means absent. Values are uint64
// or netip.Addr.
var refFields = map[string]func(h *packet.Headers) []any{
	"src.addr": addrs(0, true, false), "dst.addr": addrs(0, false, true), "addr": addrs(0, true, true),
	"ip.src": addrs(4, true, false), "ip.dst": addrs(4, false, true), "ip.addr": addrs(4, true, true),
	"ipv6.src": addrs(6, true, false), "ipv6.dst": addrs(6, false, true), "ipv6.addr": addrs(6, true, true),
	"src.port": portsOf(true, false), "dst.port": portsOf(false, true), "port": portsOf(true, true),
	"tcp.srcport": portsOf(true, false, 6), "tcp.dstport": portsOf(false, true, 6), "tcp.port": portsOf(true, true, 6),
	"udp.srcport": portsOf(true, false, 17, 136), "udp.dstport": portsOf(false, true, 17, 136), "udp.port": portsOf(true, true, 17, 136),
	"sctp.srcport": portsOf(true, false, 132), "sctp.dstport": portsOf(false, true, 132), "sctp.port": portsOf(true, true, 132),
	"dccp.srcport": portsOf(true, false, 33), "dccp.dstport": portsOf(false, true, 33), "dccp.port": portsOf(true, true, 33),
	"tcp": portsOf(true, false, 6), "udp": portsOf(true, false, 17), "udplite": portsOf(true, false, 136),
	"sctp": portsOf(true, false, 132), "dccp": portsOf(true, false, 33),

	"src.mac": macs(true, false), "dst.mac": macs(false, true),
	"eth.src": macs(true, false), "eth.dst": macs(false, true), "eth.addr": macs(true, true), "eth": macs(true, true),
	"iface":         num(0, func(h *packet.Headers) any { return uint64(h.Iface) }),
	"frame.len":     num(0, func(h *packet.Headers) any { return uint64(h.WireLen) }),
	"frame.cap_len": num(0, func(h *packet.Headers) any { return uint64(h.CapLen) }),
	"ethertype":     num(packet.HasEtherType, func(h *packet.Headers) any { return uint64(h.EtherType) }),
	"eth.type": num(packet.HasEtherType|packet.HasMAC, func(h *packet.Headers) any {
		if h.Layers&packet.HasVLAN != 0 {
			return uint64(h.VLAN[0].TPID)
		}
		return uint64(h.EtherType)
	}),
	"arp": func(h *packet.Headers) []any {
		if h.Layers&packet.HasIP == 0 && h.Layers&packet.HasEtherType != 0 && h.EtherType == 0x806 {
			return []any{uint64(1)}
		}
		return nil
	},
	"arp.opcode":         num(packet.HasARP, func(h *packet.Headers) any { return uint64(h.ARPOp) }),
	"arp.src.proto_ipv4": num(packet.HasARP, func(h *packet.Headers) any { return netip.AddrFrom16(h.Src).Unmap() }),
	"arp.dst.proto_ipv4": num(packet.HasARP, func(h *packet.Headers) any { return netip.AddrFrom16(h.Dst).Unmap() }),
	"fragment":           num(packet.HasFragment, func(h *packet.Headers) any { return uint64(1) }),
	"vlan":               num(packet.HasVLAN, func(h *packet.Headers) any { return uint64(1) }),
	"vlan.outer":         num(packet.HasVLAN, func(h *packet.Headers) any { return uint64(h.VLAN[0].TCI % 4096) }),
	"vlan.inner":         num(packet.HasVLAN2, func(h *packet.Headers) any { return uint64(h.VLAN[1].TCI % 4096) }),
	"vlan.id":            vlans(func(tci uint16) uint64 { return uint64(tci % 4096) }), "vlan.priority": vlans(func(tci uint16) uint64 { return uint64(tci / 8192) }),
	"vlan.dei": vlans(func(tci uint16) uint64 { return uint64(tci / 4096 % 2) }),
	"vlan.etype": func(h *packet.Headers) (out []any) {
		for i, tag := range []packet.Layer{packet.HasVLAN, packet.HasVLAN2} {
			if h.Layers&tag != 0 && i == 0 && h.Layers&packet.HasVLAN2 != 0 {
				out = append(out, uint64(h.VLAN[1].TPID))
			} else if h.Layers&tag != 0 {
				out = append(out, uint64(h.EtherType))
			}
		}
		return out
	},
	"mpls":             num(packet.HasMPLS, func(h *packet.Headers) any { return uint64(1) }),
	"eth.src.oui":      changed(macs(true, false), func(n uint64) uint64 { return n / (1 << 24) }),
	"eth.dst.oui":      changed(macs(false, true), func(n uint64) uint64 { return n / (1 << 24) }),
	"eth.addr.oui":     changed(macs(true, true), func(n uint64) uint64 { return n / (1 << 24) }),
	"frame.time":       num(0, func(h *packet.Headers) any { return uint64(refTime(h).UnixNano()) }),
	"frame.time_epoch": num(0, func(h *packet.Headers) any { return uint64(refTime(h).UnixNano()) }),
	"time.of_day": num(0, func(h *packet.Headers) any {
		hour, minute, second := refTime(h).Clock()
		return uint64(hour*3600 + minute*60 + second)
	}),
	"time.hour":        num(0, func(h *packet.Headers) any { return uint64(refTime(h).Hour()) }),
	"time.weekday":     num(0, func(h *packet.Headers) any { return uint64(refTime(h).Weekday()+6)%7 + 1 }),
	"ipv6.tclass.dscp": ipNum(6, func(h *packet.Headers) uint64 { return uint64(h.TClass / 4) }),
	"ipv6.tclass.ecn":  ipNum(6, func(h *packet.Headers) uint64 { return uint64(h.TClass % 4) }),

	"ip": num(packet.HasIPv4, func(h *packet.Headers) any { return uint64(1) }), "ipv6": num(packet.HasIPv6, func(h *packet.Headers) any { return uint64(1) }),
	"proto": ipNum(0, func(h *packet.Headers) uint64 { return uint64(h.Proto) }), "ip.proto": ipNum(4, func(h *packet.Headers) uint64 { return uint64(h.Proto) }),
	"ipv6.nxt": ipNum(6, func(h *packet.Headers) uint64 { return uint64(h.Proto) }),
	"length":   ipNum(0, func(h *packet.Headers) uint64 { return uint64(h.TotalLen) }), "ip.len": ipNum(4, func(h *packet.Headers) uint64 { return uint64(h.TotalLen) }),
	"ttl": ipNum(0, func(h *packet.Headers) uint64 { return uint64(h.TTL) }), "ip.ttl": ipNum(4, func(h *packet.Headers) uint64 { return uint64(h.TTL) }),
	"ipv6.hlim": ipNum(6, func(h *packet.Headers) uint64 { return uint64(h.TTL) }),
	"tclass":    ipNum(0, func(h *packet.Headers) uint64 { return uint64(h.TClass) }), "ip.dsfield": ipNum(4, func(h *packet.Headers) uint64 { return uint64(h.TClass) }),
	"ipv6.tclass": ipNum(6, func(h *packet.Headers) uint64 { return uint64(h.TClass) }),
	"dscp":        ipNum(0, func(h *packet.Headers) uint64 { return uint64(h.TClass / 4) }), "ip.dsfield.dscp": ipNum(4, func(h *packet.Headers) uint64 { return uint64(h.TClass / 4) }),
	"ecn": ipNum(0, func(h *packet.Headers) uint64 { return uint64(h.TClass % 4) }), "ip.dsfield.ecn": ipNum(4, func(h *packet.Headers) uint64 { return uint64(h.TClass % 4) }),
	"ip.version":  ipNum(0, func(h *packet.Headers) uint64 { return uint64(h.Version) }),
	"ip.id":       ipNum(4, func(h *packet.Headers) uint64 { return uint64(h.FragID) }),
	"ip.flags.df": ipNum(4, func(h *packet.Headers) uint64 { return truth(h.DontFragment) }),
	"ip.flags.mf": ipNum(4, func(h *packet.Headers) uint64 {
		return truth(h.Layers&packet.HasFragment != 0 && h.MoreFragments)
	}),
	"ip.frag_offset": ipNum(4, func(h *packet.Headers) uint64 {
		if h.Layers&packet.HasFragment == 0 {
			return 0
		}
		return uint64(h.FragOffset)
	}),
	"ipv6.plen": ipNum(6, func(h *packet.Headers) uint64 {
		if h.TotalLen < 40 {
			return 0
		}
		return uint64(h.TotalLen) - 40
	}),
	"ipv6.flow": ipNum(6, func(h *packet.Headers) uint64 { return uint64(h.FlowLabel) }),

	"tcp.flags":     num(packet.HasTCP, func(h *packet.Headers) any { return uint64(h.TCPFlags % 4096) }),
	"tcp.flags.fin": tcpFlag(packet.FIN), "tcp.flags.syn": tcpFlag(packet.SYN), "tcp.flags.reset": tcpFlag(packet.RST),
	"tcp.flags.push": tcpFlag(packet.PSH), "tcp.flags.ack": tcpFlag(packet.ACK), "tcp.flags.urg": tcpFlag(packet.URG),
	"tcp.flags.ece": tcpFlag(packet.ECE), "tcp.flags.cwr": tcpFlag(packet.CWR), "tcp.flags.ae": tcpFlag(packet.AE),
	"tcp.window_size_value": num(packet.HasTCP, func(h *packet.Headers) any { return uint64(h.Window) }),
	"tcp.seq_raw":           num(packet.HasTCP, func(h *packet.Headers) any { return uint64(h.Seq) }),
	"tcp.ack_raw":           num(packet.HasTCP, func(h *packet.Headers) any { return uint64(h.Ack) }),
	"tcp.len":               num(packet.HasTCP|packet.HasPayload, func(h *packet.Headers) any { return uint64(h.PayloadLen) }),
	"icmp":                  protocol(1), "icmpv6": protocol(58),
	"icmp.type":       num(packet.HasICMP, func(h *packet.Headers) any { return uint64(h.ICMPType) }),
	"icmp.code":       num(packet.HasICMP, func(h *packet.Headers) any { return uint64(h.ICMPCode) }),
	"icmp.typecode":   num(packet.HasICMP, func(h *packet.Headers) any { return 256*uint64(h.ICMPType) + uint64(h.ICMPCode) }),
	"icmpv6.type":     num(packet.HasICMPv6, func(h *packet.Headers) any { return uint64(h.ICMPType) }),
	"icmpv6.code":     num(packet.HasICMPv6, func(h *packet.Headers) any { return uint64(h.ICMPCode) }),
	"icmpv6.typecode": num(packet.HasICMPv6, func(h *packet.Headers) any { return 256*uint64(h.ICMPType) + uint64(h.ICMPCode) }),
}

func init() { addScanned(refFields) }

// refConstant are the fields that all packets of a five-tuple have in common.
var refConstant = strings.Fields(`src.addr dst.addr addr ip.src ip.dst ip.addr ipv6.src ipv6.dst ipv6.addr
	src.port dst.port port tcp.srcport tcp.dstport tcp.port udp.srcport udp.dstport udp.port sctp.srcport
	sctp.dstport sctp.port dccp.srcport dccp.dstport dccp.port tcp udp udplite sctp dccp ip ipv6 proto
	ip.proto ipv6.nxt ip.version icmp icmpv6`)

func num(need packet.Layer, get func(*packet.Headers) any) func(*packet.Headers) []any {
	return func(h *packet.Headers) []any {
		if h.Layers&need != need {
			return nil
		}
		return []any{get(h)}
	}
}

// ipNum reads a field of IP version 4, 6 or, with 0, any.
func ipNum(version uint8, get func(*packet.Headers) uint64) func(*packet.Headers) []any {
	return func(h *packet.Headers) []any {
		if h.Layers&packet.HasIP == 0 || version != 0 && version != h.Version {
			return nil
		}
		return []any{get(h)}
	}
}

func tcpFlag(bit uint16) func(*packet.Headers) []any {
	return num(packet.HasTCP, func(h *packet.Headers) any { return truth(h.TCPFlags&bit != 0) })
}

func protocol(n uint8) func(*packet.Headers) []any {
	return func(h *packet.Headers) []any {
		if h.Layers&packet.HasIP == 0 || h.Proto != n {
			return nil
		}
		return []any{uint64(1)}
	}
}

func addrs(version uint8, src, dst bool) func(*packet.Headers) []any {
	return func(h *packet.Headers) (out []any) {
		if h.Layers&packet.HasIP == 0 || version != 0 && version != h.Version {
			return nil
		}
		if src {
			out = append(out, refAddr(h, h.Src))
		}
		if dst {
			out = append(out, refAddr(h, h.Dst))
		}
		return out
	}
}

func refAddr(h *packet.Headers, a [16]byte) netip.Addr {
	if h.Version == 4 {
		return netip.AddrFrom16(a).Unmap()
	}
	return netip.AddrFrom16(a)
}

func portsOf(src, dst bool, protos ...uint8) func(*packet.Headers) []any {
	return func(h *packet.Headers) (out []any) {
		ok := len(protos) == 0
		for _, p := range protos {
			ok = ok || p == h.Proto
		}
		if h.Layers&packet.HasIP == 0 || h.Layers&packet.HasPorts == 0 || !ok {
			return nil
		}
		if src {
			out = append(out, uint64(h.SrcPort))
		}
		if dst {
			out = append(out, uint64(h.DstPort))
		}
		return out
	}
}

func macs(src, dst bool) func(*packet.Headers) []any {
	return func(h *packet.Headers) (out []any) {
		if h.Layers&packet.HasMAC == 0 {
			return nil
		}
		for i, m := range [][6]byte{h.SrcMAC, h.DstMAC} {
			var n uint64
			for _, b := range m {
				n = n*256 + uint64(b)
			}
			if i == 0 && src || i == 1 && dst {
				out = append(out, n)
			}
		}
		return out
	}
}

func vlans(get func(uint16) uint64) func(*packet.Headers) []any {
	return func(h *packet.Headers) (out []any) {
		for i, l := range []packet.Layer{packet.HasVLAN, packet.HasVLAN2} {
			if h.Layers&l != 0 {
				out = append(out, get(h.VLAN[i].TCI))
			}
		}
		return out
	}
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
