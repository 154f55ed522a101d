package rules

import (
	"flowmeter/meter/packet"
)

type fieldType uint8

const (
	typeProto  fieldType = iota // stands alone: is it there?
	typeBool                    // alone: is it set? or compared with 0, 1
	typeNumber                  // 0 to max
	typeAddr                    // IPv4 and IPv6
	typeAddr4                   // IPv4
	typeAddr6                   // IPv6
	typeMAC                     // a number of 48 bits, written as a MAC address
	typeName                    // computed: a number, or a name that stands for one
	typePass                    // forward or reverse
	typeTime                    // nanoseconds since 1970
	typeClock                   // time of day, seconds
)

var typeNames = [...]string{"a protocol", "a flag", "a number", "an address", "an IPv4 address",
	"an IPv6 address", "a MAC address", "a number or name", "a pass", "a time", "a time of day"}

// A reading is one place where a field's value is found in a packet.
type reading struct {
	get  getter
	need have  // all of it must be there, else the field is absent
	scan *scan // in place of get, if there may be none, or several
}

// A field is a name that expressions can test and, with attr, save: can store.
// This table drives parser, type check, compiler and documentation.
type field struct {
	name   string
	typ    fieldType
	max    uint64    // largest number
	from   []reading // several: a test asks whether any of them fits, != whether all differ
	attr   Attr      // what save: stores, from the first reading
	varies bool      // may differ between packets of the same version, addresses, protocol and ports
	rtfm   string    // attribute of RFC 2722 App. C
	note   string    // what the name does not say
}

const (
	varies  = true // for the table below
	max8    = 1<<8 - 1
	max16   = 1<<16 - 1
	max32   = 1<<32 - 1
	maxMAC  = 1<<48 - 1
	maxTime = 1<<63 - 1
)

// of reads one value, each several.
func of(g getter, need have) []reading { return []reading{{g, need, nil}} }

func each(need have, gs ...getter) []reading {
	var rs []reading
	for _, g := range gs {
		rs = append(rs, reading{g, need, nil})
	}
	return rs
}

// is reads the presence of a layer.
func is(need have) []reading { return []reading{{0, need, nil}} }

// found reads the values that a scan finds.
func found(need have, s scan) []reading { return []reading{{0, need, &s}} }

// scanned returns the scan that finds the field's values, if there is one.
func (f *field) scanned() *scan { return f.from[0].scan }

// both reads a value of either VLAN tag.
func both(outer, inner getter) []reading {
	return []reading{{outer, have(packet.HasVLAN), nil}, {inner, have(packet.HasVLAN2), nil}}
}

// Scans of the places where options and the like stand.
func tcpOption(kind, at, size int) []reading {
	return found(tcp, scan{in: inTCPOptions, kind: kind, at: at, size: size})
}

func extension(header, at, size int, shift uint32, mask uint64) []reading {
	return found(ip6, scan{in: inExtensions, kind: header, at: at, size: size, shift: shift, mask: mask})
}

func label(get getter, shift uint32, mask uint64) []reading {
	return []reading{{get, have(packet.HasMPLS), &scan{in: inLabels, shift: shift, mask: mask}}}
}

const (
	ip4     = have(packet.HasIPv4)
	ip6     = have(packet.HasIPv6)
	arp4    = have(packet.HasARP) // of IPv4 addresses
	ports   = have(packet.HasPorts)
	tcp     = have(packet.HasTCP)
	mac     = have(packet.HasMAC)
	payload = have(packet.HasPayload)
)

// fields are all names but the variables, which each rule set makes itself.
// Whether a protocol with ports is there depends on the ports, so that it is
// the same for all packets of a five-tuple; ICMP goes by the protocol number.
var fields = []field{
	// IPv4 and IPv6 alike.
	{"src.addr", typeAddr, 0, of(getSrcAddr, anyIP), SrcAddr, false, "SourcePeerAddress", ""},
	{"dst.addr", typeAddr, 0, of(getDstAddr, anyIP), DstAddr, false, "DestPeerAddress", ""},
	{"addr", typeAddr, 0, each(anyIP, getSrcAddr, getDstAddr), 0, false, "", "either end; save src.addr, dst.addr"},
	{"src.port", typeNumber, max16, of(getSrcPort, ports), SrcPort, false, "SourceTransAddress", "of TCP, UDP, UDP-Lite, SCTP, DCCP"},
	{"dst.port", typeNumber, max16, of(getDstPort, ports), DstPort, false, "DestTransAddress", "of TCP, UDP, UDP-Lite, SCTP, DCCP"},
	{"port", typeNumber, max16, each(ports, getSrcPort, getDstPort), 0, false, "", "either end; save src.port, dst.port"},
	{"proto", typeNumber, max8, of(getProto, anyIP), Proto, false, "SourceTransType", "behind IPv6 extension headers"},
	{"src.mac", typeMAC, maxMAC, of(getSrcMAC, mac), SrcMAC, varies, "SourceAdjacentAddress", ""},
	{"dst.mac", typeMAC, maxMAC, of(getDstMAC, mac), DstMAC, varies, "DestAdjacentAddress", ""},
	{"ethertype", typeNumber, max16, of(getEtherType, have(packet.HasEtherType)), EtherType, varies, "", "behind VLAN tags"},
	{"iface", typeNumber, max32, of(getIface, 0), Iface, varies, "SourceInterface", "number within the input, from 1; 0 if the trace does not tell"},
	{"length", typeNumber, max32, of(getLength, anyIP), Length, varies, "", "IP header and payload, octets"},
	{"ttl", typeNumber, max8, of(getTTL, anyIP), TTL, varies, "", "or hop limit"},
	{"tclass", typeNumber, max8, of(getTClass, anyIP), TClass, varies, "", "type of service, traffic class"},
	{"dscp", typeNumber, 63, of(getDSCP, anyIP), DSCP, varies, "", ""},
	{"ecn", typeNumber, 3, of(getECN, anyIP), ECN, varies, "", ""},
	{"fragment", typeProto, 0, is(have(packet.HasFragment)), Fragment, varies, "", "any part of a fragmented packet; saved is 1 or 0"},
	{"extensions", typeNumber, max8, of(getExtensions, ip6), Extensions, varies, "", "IPv6 extension headers, one bit each: hop-by-hop, routing, fragment, AH, destination, mobility, HIP, Shim6"},
	{"vlan.outer", typeNumber, 4095, of(getVLAN, have(packet.HasVLAN)), VLAN, varies, "", "identifier"},
	{"vlan.inner", typeNumber, 4095, of(getVLAN2, have(packet.HasVLAN2)), VLAN2, varies, "", "identifier"},

	// Computed by the meter or by set:.
	{"class", typeName, max16, of(getClass, 0), FlowClass, false, "FlowClass", "before any set: in, out, internal, transit or none"},
	{"kind", typeName, max16, of(getKind, 0), FlowKind, false, "FlowKind", "0 before any set:"},
	{"src.class", typeName, max16, of(getSrcClass, 0), SrcClass, false, "SourceClass", "0 before any set:"},
	{"dst.class", typeName, max16, of(getDstClass, 0), DstClass, false, "DestClass", "0 before any set:"},
	{"src.kind", typeName, max16, of(getSrcKind, 0), SrcKind, false, "SourceKind", "0 before any set:"},
	{"dst.kind", typeName, max16, of(getDstKind, 0), DstKind, false, "DestKind", "0 before any set:"},
	{"pass", typePass, 1, of(getPass, 0), 0, false, "MatchingStoD", "forward or reverse"},

	// Frame and link.
	{"frame.len", typeNumber, max32, of(getFrameLen, 0), 0, varies, "", "octets on the wire"},
	{"frame.cap_len", typeNumber, max32, of(getCapLen, 0), 0, varies, "", "octets captured"},
	{"frame.time", typeTime, maxTime, of(getTime, 0), 0, varies, "", "when it was captured, UTC"},
	{"frame.time_epoch", typeTime, maxTime, of(getTime, 0), 0, varies, "", "the same"},
	{"time.of_day", typeClock, secondsPerDay - 1, of(getClock, 0), 0, varies, "", "UTC; a range may go over midnight"},
	{"time.hour", typeNumber, 23, of(getHour, 0), Hour, varies, "", "UTC"},
	{"time.weekday", typeNumber, 7, of(getWeekday, 0), Weekday, varies, "", "UTC; 1 is Monday, 7 Sunday"},
	{"eth", typeProto, 0, is(mac), 0, varies, "", "the frame has MAC addresses"},
	{"eth.src", typeMAC, maxMAC, of(getSrcMAC, mac), SrcMAC, varies, "SourceAdjacentAddress", ""},
	{"eth.dst", typeMAC, maxMAC, of(getDstMAC, mac), DstMAC, varies, "DestAdjacentAddress", ""},
	{"eth.addr", typeMAC, maxMAC, each(mac, getSrcMAC, getDstMAC), 0, varies, "", "either end; save eth.src, eth.dst"},
	{"eth.src.oui", typeNumber, 1<<24 - 1, of(getSrcOUI, mac), 0, varies, "", "vendor prefix, eth.src[0:3] as a number; save eth.src"},
	{"eth.dst.oui", typeNumber, 1<<24 - 1, of(getDstOUI, mac), 0, varies, "", "vendor prefix; save eth.dst"},
	{"eth.addr.oui", typeNumber, 1<<24 - 1, each(mac, getSrcOUI, getDstOUI), 0, varies, "", "vendor prefix, either end"},
	{"eth.type", typeNumber, max16, of(getOuterType, mac|have(packet.HasEtherType)), 0, varies, "", "before VLAN tags; save ethertype"},
	{"arp", typeProto, 0, is(isARP), 0, varies, "", ""},
	{"arp.opcode", typeNumber, max16, of(getARPOp, arp4), 0, varies, "", "1 request, 2 reply"},
	{"arp.src.proto_ipv4", typeAddr4, 0, of(getSrcAddr, arp4), SrcAddr, varies, "SourcePeerAddress", "who sends it"},
	{"arp.dst.proto_ipv4", typeAddr4, 0, of(getDstAddr, arp4), DstAddr, varies, "DestPeerAddress", "who is asked for, or answered"},
	{"vlan", typeProto, 0, is(have(packet.HasVLAN)), 0, varies, "", "save vlan.outer, vlan.inner"},
	{"vlan.id", typeNumber, 4095, both(getVLAN, getVLAN2), VLAN, varies, "", "of either tag; saved is the outer"},
	{"vlan.priority", typeNumber, 7, both(getVLANPrio, getVLAN2Prio), VLANPrio, varies, "", "of either tag; saved is the outer"},
	{"vlan.dei", typeBool, 1, both(getVLANDEI, getVLAN2DEI), 0, varies, "", "of either tag"},
	{"vlan.etype", typeNumber, max16, both(getVLANType, getVLAN2Type), 0, varies, "", "type behind either tag; save ethertype"},
	{"mpls", typeProto, 0, is(have(packet.HasMPLS)), 0, varies, "", ""},
	{"mpls.label", typeNumber, 1<<20 - 1, label(getMPLS, 12, 0), MPLS, varies, "", "of the whole stack; saved is the top"},
	{"mpls.exp", typeNumber, 7, label(0, 9, 7), 0, varies, "", "traffic class, of the whole stack"},
	{"mpls.bottom", typeBool, 1, label(0, 8, 1), 0, varies, "", "bottom of the stack"},
	{"mpls.ttl", typeNumber, max8, label(0, 0, max8), 0, varies, "", "of the whole stack"},

	// IPv4.
	{"ip", typeProto, 0, is(ip4), 0, false, "SourcePeerType", "IPv4 alone"},
	{"ip.version", typeNumber, 15, of(getVersion, anyIP), Version, false, "SourcePeerType", "4 or 6"},
	{"ip.src", typeAddr4, 0, of(getSrcAddr, ip4), SrcAddr, false, "SourcePeerAddress", ""},
	{"ip.dst", typeAddr4, 0, of(getDstAddr, ip4), DstAddr, false, "DestPeerAddress", ""},
	{"ip.addr", typeAddr4, 0, each(ip4, getSrcAddr, getDstAddr), 0, false, "", "either end; save ip.src, ip.dst"},
	{"ip.proto", typeNumber, max8, of(getProto, ip4), Proto, false, "SourceTransType", ""},
	{"ip.ttl", typeNumber, max8, of(getTTL, ip4), TTL, varies, "", ""},
	{"ip.len", typeNumber, max32, of(getLength, ip4), 0, varies, "", "header and payload, octets"},
	{"ip.dsfield", typeNumber, max8, of(getTClass, ip4), TClass, varies, "", ""},
	{"ip.dsfield.dscp", typeNumber, 63, of(getDSCP, ip4), DSCP, varies, "", ""},
	{"ip.dsfield.ecn", typeNumber, 3, of(getECN, ip4), ECN, varies, "", ""},
	{"ip.hdr_len", typeNumber, 60, found(ip4, scan{in: inIPHeader, at: 0, size: 1, mask: 15, times: 4}), 0, varies, "", "octets"},
	{"ip.opt.type", typeNumber, max8, found(ip4, scan{in: inIPOptions, kind: anyKind}), 0, varies, "", "of every option"},
	{"ip.flags", typeNumber, 7, found(ip4, scan{in: inIPHeader, at: 6, size: 1, shift: 5}), 0, varies, "", "reserved, DF, MF"},
	{"ip.checksum", typeNumber, max16, found(ip4, scan{in: inIPHeader, at: 10, size: 2}), 0, varies, "", "as it stands"},
	{"ip.id", typeNumber, max16, of(getFragID, ip4), 0, varies, "", ""},
	{"ip.flags.df", typeBool, 1, of(getDF, ip4), 0, varies, "", ""},
	{"ip.flags.mf", typeBool, 1, of(getMF, ip4), 0, varies, "", ""},
	{"ip.frag_offset", typeNumber, 1<<13 - 1, of(getFragOffset, ip4), 0, varies, "", "units of 8 octets; 0 if not fragmented"},

	// IPv6.
	{"ipv6", typeProto, 0, is(ip6), 0, false, "SourcePeerType", ""},
	{"ipv6.src", typeAddr6, 0, of(getSrcAddr, ip6), SrcAddr, false, "SourcePeerAddress", ""},
	{"ipv6.dst", typeAddr6, 0, of(getDstAddr, ip6), DstAddr, false, "DestPeerAddress", ""},
	{"ipv6.addr", typeAddr6, 0, each(ip6, getSrcAddr, getDstAddr), 0, false, "", "either end; save ipv6.src, ipv6.dst"},
	{"ipv6.nxt", typeNumber, max8, of(getProto, ip6), Proto, false, "SourceTransType", "behind extension headers"},
	{"ipv6.hlim", typeNumber, max8, of(getTTL, ip6), TTL, varies, "", ""},
	{"ipv6.plen", typeNumber, max32, of(getPayloadLen6, ip6), 0, varies, "", "all behind the fixed header, octets"},
	{"ipv6.flow", typeNumber, 1<<20 - 1, of(getFlowLabel, ip6), FlowLabel, varies, "", ""},
	{"ipv6.tclass", typeNumber, max8, of(getTClass, ip6), TClass, varies, "", ""},
	{"ipv6.tclass.dscp", typeNumber, 63, of(getDSCP, ip6), DSCP, varies, "", ""},
	{"ipv6.tclass.ecn", typeNumber, 3, of(getECN, ip6), ECN, varies, "", ""},
	{"ipv6.hopopts", typeProto, 0, extension(0, 0, 0, 0, 0), 0, varies, "", "hop-by-hop options"},
	{"ipv6.routing", typeProto, 0, extension(43, 0, 0, 0, 0), 0, varies, "", "routing header"},
	{"ipv6.routing.type", typeNumber, max8, extension(43, 2, 1, 0, 0), 0, varies, "", ""},
	{"ipv6.routing.segleft", typeNumber, max8, extension(43, 3, 1, 0, 0), 0, varies, "", "segments left"},
	{"ipv6.fraghdr", typeProto, 0, extension(44, 0, 0, 0, 0), 0, varies, "", "fragment header, also of atomic fragments"},
	{"ipv6.fraghdr.offset", typeNumber, 1<<13 - 1, extension(44, 2, 2, 3, 0), 0, varies, "", "units of 8 octets"},
	{"ipv6.fraghdr.more", typeBool, 1, extension(44, 3, 1, 0, 1), 0, varies, "", ""},
	{"ipv6.fraghdr.ident", typeNumber, max32, extension(44, 4, 4, 0, 0), 0, varies, "", ""},
	{"ipv6.dstopts", typeProto, 0, extension(60, 0, 0, 0, 0), 0, varies, "", "destination options"},

	// Transport.
	{"tcp", typeProto, 0, is(portsTCP), 0, false, "", "not of later fragments"},
	{"tcp.srcport", typeNumber, max16, of(getSrcPort, portsTCP), SrcPort, false, "SourceTransAddress", ""},
	{"tcp.dstport", typeNumber, max16, of(getDstPort, portsTCP), DstPort, false, "DestTransAddress", ""},
	{"tcp.port", typeNumber, max16, each(portsTCP, getSrcPort, getDstPort), 0, false, "", "either end; save tcp.srcport, tcp.dstport"},
	{"tcp.flags", typeNumber, 0xfff, of(getTCPFlags, tcp), TCPFlags, varies, "", "12 bits"},
	{"tcp.flags.fin", typeBool, 1, of(getFIN, tcp), 0, varies, "", ""},
	{"tcp.flags.syn", typeBool, 1, of(getSYN, tcp), 0, varies, "", ""},
	{"tcp.flags.reset", typeBool, 1, of(getRST, tcp), 0, varies, "", ""},
	{"tcp.flags.push", typeBool, 1, of(getPSH, tcp), 0, varies, "", ""},
	{"tcp.flags.ack", typeBool, 1, of(getACK, tcp), 0, varies, "", ""},
	{"tcp.flags.urg", typeBool, 1, of(getURG, tcp), 0, varies, "", ""},
	{"tcp.flags.ece", typeBool, 1, of(getECE, tcp), 0, varies, "", ""},
	{"tcp.flags.cwr", typeBool, 1, of(getCWR, tcp), 0, varies, "", ""},
	{"tcp.flags.ae", typeBool, 1, of(getAE, tcp), 0, varies, "", ""},
	{"tcp.hdr_len", typeNumber, 60, found(tcp, scan{in: inTransportHeader, at: 12, size: 1, shift: 4, times: 4}), 0, varies, "", "octets"},
	{"tcp.checksum", typeNumber, max16, found(tcp, scan{in: inTransportHeader, at: 16, size: 2}), 0, varies, "", "as it stands"},
	{"tcp.urgent_pointer", typeNumber, max16, found(tcp, scan{in: inTransportHeader, at: 18, size: 2}), 0, varies, "", ""},
	{"tcp.option_kind", typeNumber, max8, found(tcp, scan{in: inTCPOptions, kind: anyKind}), 0, varies, "", "of every option"},
	{"tcp.options.mss", typeProto, 0, tcpOption(2, 0, 0), 0, varies, "", ""},
	{"tcp.options.mss_val", typeNumber, max16, []reading{{getMSS, tcp, &mssOption}}, MSS, varies, "", "octets"},
	{"tcp.options.wscale", typeProto, 0, tcpOption(3, 0, 0), 0, varies, "", ""},
	{"tcp.options.wscale.shift", typeNumber, max8, []reading{{getWindowScale, tcp, &wscaleOption}}, WindowScale, varies, "", ""},
	{"tcp.options.sack_perm", typeProto, 0, []reading{{0, tcp, &sackOption}}, SACK, varies, "", "saved is 1 or 0"},
	{"tcp.options.sack", typeProto, 0, tcpOption(5, 0, 0), 0, varies, "", ""},
	{"tcp.options.sack.count", typeNumber, 4, found(tcp, scan{in: inTCPOptions, kind: 5, count: 8}), 0, varies, "", "blocks"},
	{"tcp.options.timestamp", typeProto, 0, tcpOption(8, 0, 0), 0, varies, "", ""},
	{"tcp.options.timestamp.tsval", typeNumber, max32, tcpOption(8, 0, 4), 0, varies, "", ""},
	{"tcp.options.timestamp.tsecr", typeNumber, max32, tcpOption(8, 4, 4), 0, varies, "", ""},
	{"tcp.window_size_value", typeNumber, max16, of(getWindow, tcp), 0, varies, "", "unscaled"},
	{"tcp.seq_raw", typeNumber, max32, of(getSeq, tcp), 0, varies, "", ""},
	{"tcp.ack_raw", typeNumber, max32, of(getAck, tcp), 0, varies, "", ""},
	{"tcp.len", typeNumber, max32, of(getPayload, tcp|payload), 0, varies, "", "payload in this packet, octets"},
	{"udp", typeProto, 0, is(portsUDP), 0, false, "", "not of later fragments"},
	{"udp.srcport", typeNumber, max16, of(getSrcPort, portsUDPs), SrcPort, false, "SourceTransAddress", "UDP and UDP-Lite"},
	{"udp.dstport", typeNumber, max16, of(getDstPort, portsUDPs), DstPort, false, "DestTransAddress", "UDP and UDP-Lite"},
	{"udp.port", typeNumber, max16, each(portsUDPs, getSrcPort, getDstPort), 0, false, "", "either end, UDP and UDP-Lite; save udp.srcport, udp.dstport"},
	{"udp.length", typeNumber, max16, found(portsUDP|have(packet.HasUDP), scan{in: inTransportHeader, at: 4, size: 2}), 0, varies, "", "header and payload, octets, as it stands"},
	{"udplite", typeProto, 0, is(portsUDPLite), 0, false, "", "not of later fragments"},
	{"sctp", typeProto, 0, is(portsSCTP), 0, false, "", "not of later fragments"},
	{"sctp.srcport", typeNumber, max16, of(getSrcPort, portsSCTP), SrcPort, false, "SourceTransAddress", ""},
	{"sctp.dstport", typeNumber, max16, of(getDstPort, portsSCTP), DstPort, false, "DestTransAddress", ""},
	{"sctp.port", typeNumber, max16, each(portsSCTP, getSrcPort, getDstPort), 0, false, "", "either end; save sctp.srcport, sctp.dstport"},
	{"dccp", typeProto, 0, is(portsDCCP), 0, false, "", "not of later fragments"},
	{"dccp.srcport", typeNumber, max16, of(getSrcPort, portsDCCP), SrcPort, false, "SourceTransAddress", ""},
	{"dccp.dstport", typeNumber, max16, of(getDstPort, portsDCCP), DstPort, false, "DestTransAddress", ""},
	{"dccp.port", typeNumber, max16, each(portsDCCP, getSrcPort, getDstPort), 0, false, "", "either end; save dccp.srcport, dccp.dstport"},
	{"icmp", typeProto, 0, is(protoICMP), 0, false, "", "later fragments too"},
	{"icmp.type", typeNumber, max8, of(getICMPType, have(packet.HasICMP)), 0, varies, "", "save icmp.typecode"},
	{"icmp.code", typeNumber, max8, of(getICMPCode, have(packet.HasICMP)), 0, varies, "", "save icmp.typecode"},
	{"icmp.typecode", typeNumber, max16, of(getICMP, have(packet.HasICMP)), ICMP, varies, "", "type*256 + code"},
	{"icmpv6", typeProto, 0, is(protoICMPv6), 0, false, "", "later fragments too"},
	{"icmpv6.type", typeNumber, max8, of(getICMPType, have(packet.HasICMPv6)), 0, varies, "", "save icmpv6.typecode"},
	{"icmpv6.code", typeNumber, max8, of(getICMPCode, have(packet.HasICMPv6)), 0, varies, "", "save icmpv6.typecode"},
	{"icmpv6.typecode", typeNumber, max16, of(getICMP, have(packet.HasICMPv6)), ICMP, varies, "", "type*256 + code"},
}

// presences say how save: stores whether something is there: of packets that could
// have it.
var presences = map[Attr]reading{
	Fragment: {getFragment, anyIP, nil},
	SACK:     {getSACK, tcp, nil},
}

// fieldByName returns the field of that name, or nil.
func fieldByName(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return tunnelField(name)
}

// fieldNames returns the names of all fields that want accepts.
func fieldNames(want func(*field) bool) []string {
	var names []string
	for _, table := range [][]field{fields, tunnelFields} {
		for i := range table {
			if want(&table[i]) {
				names = append(names, table[i].name)
			}
		}
	}
	return names
}

func (f *field) isAddr() bool { return f.typ >= typeAddr && f.typ <= typeAddr6 }
