package rules

import (
	"encoding/binary"

	"flowmeter/meter/packet"
)

// computed are the attributes that only set: puts into a key.
const computed = SrcClass | DstClass | SrcKind | DstKind | FlowClass | FlowKind

// save puts one attribute of the packet into the key.
func (s *state) save(in *instr) {
	if in.need&ofTunnel != 0 {
		s.saveTunnel(in)
		return
	}
	if s.have&in.need != in.need {
		// A protocol without ports, or a later fragment, simply has none; so a
		// frame of spanning tree has no EtherType.
		s.lacking |= in.attr &^ (SrcPort | DstPort | EtherType)
		return
	}
	switch in.attr {
	case SrcAddr:
		s.saveAddr(&s.key.Src, SrcAddr, in)
	case DstAddr:
		s.saveAddr(&s.key.Dst, DstAddr, in)
	case SrcPort:
		s.savePort(&s.key.Src, SrcPort, in)
	case DstPort:
		s.savePort(&s.key.Dst, DstPort, in)
	default:
		if !s.there(in.get) {
			s.lacking |= in.attr
			return
		}
		s.saveNumber(in.attr, s.number(in.get)&in.lo)
	}
	s.noteSaved(in)
}

// noteSaved says that an attribute is in the key, and whether it is what the
// packet has.
func (s *state) noteSaved(in *instr) {
	s.key.Saved |= in.attr
	s.foreign &^= in.attr
	if in.lo != wholeMask && in.attr&(SrcAddr|DstAddr|SrcPort|DstPort) == 0 {
		s.foreign |= in.attr
	}
}

// put puts a constant into the key. The compiler has masked it.
func (s *state) put(in *instr) {
	if s.have&in.need != in.need {
		s.lacking |= in.attr // an address of the other family
		return
	}
	k := s.key
	switch in.attr {
	case SrcAddr:
		s.putAddr(&k.Src, in)
	case DstAddr:
		s.putAddr(&k.Dst, in)
	case SrcPort:
		k.Src.Port, k.Src.PortLen = uint16(in.lo), min(in.bits, 16)
	case DstPort:
		k.Dst.Port, k.Dst.PortLen = uint16(in.lo), min(in.bits, 16)
	default:
		s.saveNumber(in.attr, in.lo)
	}
	k.Saved |= in.attr
	s.foreign |= in.attr
}

func (s *state) putAddr(e *End, in *instr) {
	binary.BigEndian.PutUint64(e.Addr[:8], in.hi)
	binary.BigEndian.PutUint64(e.Addr[8:], in.lo)
	e.AddrLen = in.bits
	s.saveVersion()
}

// saveVersion puts the IP version into the key, as addresses do. That of ARP is
// no attribute: it tells what its addresses are.
func (s *state) saveVersion() {
	s.key.Version = s.h.Version
	if s.have&anyIP != 0 {
		s.key.Saved |= Version
	}
}

// saveNumber puts what is neither address nor port into the key.
func (s *state) saveNumber(a Attr, n uint64) {
	k := s.key
	switch a {
	case SrcMAC:
		k.Src.MAC = macOf(n)
	case DstMAC:
		k.Dst.MAC = macOf(n)
	case Proto:
		k.Proto = uint8(n)
	case Version:
		k.Version = uint8(n)
	case EtherType:
		k.EtherType = uint16(n)
	case VLAN:
		k.VLAN = uint16(n)
	case VLAN2:
		k.VLAN2 = uint16(n)
	case MPLS:
		k.MPLS = uint32(n)
	case TClass:
		k.TClass = uint8(n)
	case TTL:
		k.TTL = uint8(n)
	case FlowLabel:
		k.FlowLabel = uint32(n)
	case ICMP:
		k.ICMP = uint16(n)
	case Iface:
		k.Iface = uint32(n)
	case DSCP:
		k.DSCP = uint8(n)
	case ECN:
		k.ECN = uint8(n)
	case VLANPrio:
		k.VLANPrio = uint8(n)
	case Fragment:
		k.Presence |= FragmentThere * uint8(n)
	case Length:
		k.Length = uint32(n)
	case TCPFlags:
		k.TCPFlags = uint16(n)
	case MSS:
		k.MSS = uint16(n)
	case WindowScale:
		k.WindowScale = uint8(n)
	case SACK:
		k.Presence |= SACKThere * uint8(n)
	case Extensions:
		k.Extensions = uint8(n)
	case Hour:
		k.Hour = uint8(n)
	case Weekday:
		k.Weekday = uint8(n)
	case TunnelID:
		k.TunnelID = n
	}
}

// saveAddr saves an address under its mask, and the IP version with it.
func (s *state) saveAddr(e *End, a Attr, in *instr) {
	addr := s.addr(in.get)
	if s.have.v4() {
		e.AddrLen = min(in.bits, 32)
		mask := uint32(leading(int(e.AddrLen)) >> 32)
		e.Addr = [16]byte{10: 0xff, 11: 0xff}
		binary.BigEndian.PutUint32(e.Addr[12:], binary.BigEndian.Uint32(addr[12:])&mask)
	} else {
		e.AddrLen = min(in.bits, 128)
		hi, lo := words(addr)
		n := int(e.AddrLen)
		binary.BigEndian.PutUint64(e.Addr[:8], hi&leading(min(n, 64)))
		binary.BigEndian.PutUint64(e.Addr[8:], lo&leading(max(n-64, 0)))
	}
	s.saveVersion()
	s.key.Saved |= a
}

func (s *state) savePort(e *End, a Attr, in *instr) {
	e.PortLen = min(in.bits, 16)
	e.Port = uint16(s.number(in.get)) & uint16(leading(int(e.PortLen))>>48)
	s.key.Saved |= a
}

// macOf is the reverse of macNumber.
func macOf(n uint64) [6]byte {
	return [6]byte{byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// set puts a number into a computed attribute, which is part of the key, or
// into a variable, which is not.
func (s *state) set(in *instr) {
	n := uint16(in.lo)
	s.found.changed()
	switch k := s.key; in.get {
	case getClass:
		k.Class = n
	case getKind:
		k.Kind = n
	case getSrcClass:
		k.Src.Class = n
	case getDstClass:
		k.Dst.Class = n
	case getSrcKind:
		k.Src.Kind = n
	case getDstKind:
		k.Dst.Kind = n
	default:
		s.vars[(in.get-getVar)%maxVars] = n
	}
	s.key.Saved |= in.attr
}

// count ends a pass with the packet counted, if its key could be made.
func (s *state) count() Verdict {
	if !s.explicit {
		s.saveFiveTuple()
	}
	if s.lacking&^s.key.Saved != 0 {
		return NoKey
	}
	return Counted
}

// saveFiveTuple makes the key of a rule set without save:.
func (s *state) saveFiveTuple() {
	if s.have&anyIP == 0 {
		s.lacking |= FiveTuple
		return
	}
	k, h := s.key, s.h
	k.Saved |= Version | SrcAddr | DstAddr | Proto
	k.Version, k.Proto = h.Version, h.Proto
	src, dst := &k.Src, &k.Dst
	if s.swapped == 1 {
		src, dst = dst, src
	}
	src.Addr, dst.Addr = h.Src, h.Dst
	width := uint8(128)
	if s.have&have(packet.HasIPv4) != 0 {
		width = 32
	}
	src.AddrLen, dst.AddrLen = width, width
	if s.have&have(packet.HasPorts) != 0 {
		k.Saved |= SrcPort | DstPort
		src.Port, dst.Port = h.SrcPort, h.DstPort
		src.PortLen, dst.PortLen = 16, 16
	}
}
