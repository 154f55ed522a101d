package rules

import (
	"flowmeter/meter/packet"
)

// have is a set of what a frame holds: the bits of packet.Layer, and above
// them what follows from several of its fields.
type have uint64

const (
	anyIP     have = 1 << (32 + iota)
	protoICMP      // by the protocol number, so of later fragments too
	protoICMPv6
	portsTCP // TCP whose ports are known
	portsUDP
	portsUDPLite
	portsUDPs // UDP or UDP-Lite
	portsSCTP
	portsDCCP
	isARP
)

const etherTypeARP = 0x0806

// haveOf returns what the frame holds.
func haveOf(h *packet.Headers) have {
	l := have(h.Layers)
	if h.Layers&packet.HasIP != 0 {
		return l | anyIP | haveProto(h)
	}
	if h.Layers&packet.HasEtherType != 0 && h.EtherType == etherTypeARP {
		l |= isARP
	}
	return l
}

func haveProto(h *packet.Headers) have {
	switch h.Proto {
	case packet.ProtoICMP:
		return protoICMP
	case packet.ProtoICMPv6:
		return protoICMPv6
	}
	if h.Layers&packet.HasPorts == 0 {
		return 0
	}
	switch h.Proto {
	case packet.ProtoTCP:
		return portsTCP
	case packet.ProtoUDP:
		return portsUDP | portsUDPs
	case packet.ProtoUDPLite:
		return portsUDPLite | portsUDPs
	case packet.ProtoSCTP:
		return portsSCTP
	case packet.ProtoDCCP:
		return portsDCCP
	}
	return 0
}

// A getter names one value of a packet or of the evaluation's state. The
// first stand in pairs, source before destination: seen the other way round,
// a packet's value is that of the getter with the lowest bit flipped.
type getter uint8

const (
	getSrcAddr getter = iota // read by state.addr, all others by state.number
	getDstAddr
	getSrcPort
	getDstPort
	getSrcMAC
	getDstMAC
	getSrcOUI
	getDstOUI
	endOfPairs
)

const (
	getProto getter = endOfPairs + iota
	getVersion
	getEtherType
	getOuterType
	getIface
	getLength
	getTTL
	getTClass
	getDSCP
	getECN
	getFrameLen
	getCapLen
	getVLAN
	getVLAN2
	getVLANPrio
	getVLAN2Prio
	getVLANDEI
	getVLAN2DEI
	getVLANType
	getVLAN2Type
	getTime
	getHour
	getClock
	getWeekday
	getMPLS
	getFragID
	getDF
	getMF
	getFragOffset
	getPayloadLen6
	getFlowLabel
	getTCPFlags
	getFIN // the flags in the order of their bits
	getSYN
	getRST
	getPSH
	getACK
	getURG
	getECE
	getCWR
	getAE
	getWindow
	getSeq
	getAck
	getPayload
	getICMPType
	getICMPCode
	getICMP
	getARPOp
	getFragment
	getMSS // in the frame, as are those behind it
	getWindowScale
	getSACK
	getExtensions
	endOfHeaders
)

// Values of the evaluation's state; getVar is the first variable.
const (
	getClass getter = endOfTunnels + iota
	getKind
	getSrcClass
	getDstClass
	getSrcKind
	getDstKind
	getPass
	getVar
)

func (g getter) paired() bool { return g < endOfPairs }

// way returns the getter to use in a pass that sees the packet the other way
// round (1) or as on the wire (0).
func (g getter) way(swapped uint8) getter {
	if g.paired() {
		return g ^ getter(swapped)
	}
	return g
}

const (
	ipv6HeaderLen = 40
	secondsPerDay = 24 * 60 * 60
)

// number returns the value of g, which must be there. A table: one line each.
func (s *state) number(g getter) uint64 {
	h := s.h
	switch g.way(s.swapped) {
	case getSrcPort:
		return uint64(h.SrcPort)
	case getDstPort:
		return uint64(h.DstPort)
	case getSrcMAC:
		return macNumber(&h.SrcMAC)
	case getDstMAC:
		return macNumber(&h.DstMAC)
	case getSrcOUI:
		return macNumber(&h.SrcMAC) >> 24
	case getDstOUI:
		return macNumber(&h.DstMAC) >> 24
	case getProto:
		return uint64(h.Proto)
	case getVersion:
		return uint64(h.Version)
	case getEtherType:
		return uint64(h.EtherType)
	case getOuterType:
		return s.outerType()
	case getIface:
		return uint64(h.Iface)
	case getLength:
		return uint64(h.TotalLen)
	case getTTL:
		return uint64(h.TTL)
	case getTClass:
		return uint64(h.TClass)
	case getDSCP:
		return uint64(h.TClass >> 2)
	case getECN:
		return uint64(h.TClass & 3)
	case getFrameLen:
		return uint64(h.WireLen)
	case getCapLen:
		return uint64(h.CapLen)
	case getVLAN:
		return uint64(h.VLAN[0].ID())
	case getVLAN2:
		return uint64(h.VLAN[1].ID())
	case getVLANPrio:
		return uint64(h.VLAN[0].TCI >> 13)
	case getVLAN2Prio:
		return uint64(h.VLAN[1].TCI >> 13)
	case getVLANDEI:
		return uint64(h.VLAN[0].TCI >> 12 & 1)
	case getVLAN2DEI:
		return uint64(h.VLAN[1].TCI >> 12 & 1)
	case getVLANType:
		return s.innerType()
	case getVLAN2Type:
		return uint64(h.EtherType)
	case getTime:
		return uint64(max(h.Time, 0))
	case getHour:
		return uint64(max(h.Time, 0)/1e9) % secondsPerDay / 3600
	case getClock:
		return uint64(max(h.Time, 0)/1e9) % secondsPerDay
	case getWeekday: // 1970 began on a Thursday
		return (uint64(max(h.Time, 0)/1e9)/secondsPerDay+3)%7 + 1
	case getMPLS:
		return uint64(h.MPLSLabel)
	case getFragID:
		return uint64(h.FragID)
	case getDF:
		return bit(h.DontFragment)
	case getMF:
		return bit(s.have&have(packet.HasFragment) != 0 && h.MoreFragments)
	case getFragOffset:
		return s.fragOffset()
	case getPayloadLen6:
		return uint64(max(h.TotalLen, ipv6HeaderLen) - ipv6HeaderLen)
	case getFlowLabel:
		return uint64(h.FlowLabel)
	case getTCPFlags:
		return uint64(h.TCPFlags & 0xfff)
	case getFIN, getSYN, getRST, getPSH, getACK, getURG, getECE, getCWR, getAE:
		return uint64(h.TCPFlags >> (g - getFIN) & 1)
	case getWindow:
		return uint64(h.Window)
	case getSeq:
		return uint64(h.Seq)
	case getAck:
		return uint64(h.Ack)
	case getPayload:
		return uint64(h.PayloadLen)
	case getICMPType:
		return uint64(h.ICMPType)
	case getICMPCode:
		return uint64(h.ICMPCode)
	case getICMP:
		return uint64(h.ICMPType)<<8 | uint64(h.ICMPCode)
	case getARPOp:
		return uint64(h.ARPOp)
	}
	if g < endOfHeaders {
		return s.inFrame(g)
	}
	return s.computed(g)
}

// first returns the first value that a scan finds, and whether there is one.
func (s *state) first(v *scan) (uint64, bool) {
	var buf [maxScanned]uint64
	values := s.scanned(v, buf[:0])
	if len(values) == 0 {
		return 0, false
	}
	return values[0], true
}

// Scans of what save: can store.
var (
	mssOption    = scan{in: inTCPOptions, kind: 2, size: 2}
	wscaleOption = scan{in: inTCPOptions, kind: 3, size: 1}
	sackOption   = scan{in: inTCPOptions, kind: 4}
)

// there tells whether a value that may be missing from its header is there.
func (s *state) there(g getter) (ok bool) {
	switch ok = true; g {
	case getMSS:
		_, ok = s.first(&mssOption)
	case getWindowScale:
		_, ok = s.first(&wscaleOption)
	}
	return ok
}

// inFrame returns the values that are read from the frame to be saved.
func (s *state) inFrame(g getter) (n uint64) {
	var ok bool
	switch g {
	case getFragment:
		ok = s.have&have(packet.HasFragment) != 0
	case getMSS:
		n, _ = s.first(&mssOption)
		return n
	case getWindowScale:
		n, _ = s.first(&wscaleOption)
		return n
	case getSACK:
		_, ok = s.first(&sackOption)
	case getExtensions:
		return s.extensions()
	}
	return bit(ok)
}

// ExtensionHeaders are the IPv6 extension headers by their bit of
// Key.Extensions.
var ExtensionHeaders = [8]uint8{0, 43, 44, 51, 60, 135, 139, 140}

// extensions returns the set of extension headers.
func (s *state) extensions() (set uint64) {
	for header, _, rest, ok := s.h.Extensions(s.data).Next(); ok; header, _, rest, ok = rest.Next() {
		for i, h := range ExtensionHeaders {
			if h == header {
				set |= 1 << i
			}
		}
	}
	return set
}

// v4 tells whether addresses are IPv4, those of ARP among them.
func (h have) v4() bool { return h&(ip4|arp4) != 0 }

// computed returns the values that set: changes, and those of tunnels.
func (s *state) computed(g getter) uint64 {
	if g < endOfTunnels {
		return tunnelNumber(s.nest.Tunnel, g)
	}
	key := s.key
	switch g {
	case getClass:
		if key.Saved&FlowClass == 0 {
			return uint64(s.class)
		}
		return uint64(key.Class)
	case getKind:
		return uint64(key.Kind)
	case getSrcClass:
		return uint64(key.Src.Class)
	case getDstClass:
		return uint64(key.Dst.Class)
	case getSrcKind:
		return uint64(key.Src.Kind)
	case getDstKind:
		return uint64(key.Dst.Kind)
	case getPass:
		return bit(s.second)
	}
	return uint64(s.vars[(g-getVar)%maxVars])
}

// addr returns the address of getSrcAddr or getDstAddr.
func (s *state) addr(g getter) *[16]byte {
	if g.way(s.swapped) == getSrcAddr {
		return &s.h.Src
	}
	return &s.h.Dst
}

// octets returns the octets of an address or a MAC address.
func (s *state) octets(g getter) []byte {
	switch g.way(s.swapped) {
	case getSrcMAC:
		return s.h.SrcMAC[:]
	case getDstMAC:
		return s.h.DstMAC[:]
	}
	addr := s.addr(g)
	if s.have.v4() {
		return addr[12:]
	}
	return addr[:]
}

// innerType returns what the type field of the outer VLAN tag holds.
func (s *state) innerType() uint64 {
	if s.have&have(packet.HasVLAN2) != 0 {
		return uint64(s.h.VLAN[1].TPID)
	}
	return uint64(s.h.EtherType)
}

// fragOffset returns 0 for what is no fragment.
func (s *state) fragOffset() uint64 {
	if s.have&have(packet.HasFragment) == 0 {
		return 0
	}
	return uint64(s.h.FragOffset)
}

// outerType returns what the frame's own type field holds: that of its first
// VLAN tag, if there is one.
func (s *state) outerType() uint64 {
	if s.have&have(packet.HasVLAN) != 0 {
		return uint64(s.h.VLAN[0].TPID)
	}
	return uint64(s.h.EtherType)
}

func macNumber(m *[6]byte) uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
