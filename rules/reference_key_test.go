package rules

import (
	"net/netip"

	"flowmeter/meter/packet"
)

// This file is the part of the reference interpreter that makes keys.

// key makes the key from what was saved, or says that it cannot be made.
func (s *refState) key(k *Key) Verdict {
	*k = Key{}
	if !s.explicit {
		for _, name := range []string{"src.addr", "dst.addr", "src.port", "dst.port", "proto"} {
			f := fieldByName(name)
			if len(refFields[name](&s.h)) > 0 {
				s.save[f.attr] = unmasked(f)
			} else if f.attr&(SrcPort|DstPort) == 0 {
				return NoKey
			}
		}
	}
	for attr := range s.lacking {
		if _, ok := s.save[attr]; !ok {
			return NoKey
		}
	}
	for attr, sv := range s.save {
		s.put(k, attr, sv)
	}
	return Counted
}

func (s *refState) put(k *Key, attr Attr, sv saved) {
	k.Saved |= attr
	h := &s.h
	src, dst := refAddr(h, h.Src), refAddr(h, h.Dst)
	srcPort, dstPort := h.SrcPort, h.DstPort
	if sv.constant {
		src, dst, srcPort, dstPort = sv.addr, sv.addr, uint16(sv.num), uint16(sv.num)
	}
	switch attr {
	case SrcAddr:
		refEndAddr(&k.Src, src, sv.bits)
	case DstAddr:
		refEndAddr(&k.Dst, dst, sv.bits)
	case SrcPort:
		refEndPort(&k.Src, srcPort, sv.bits)
	case DstPort:
		refEndPort(&k.Dst, dstPort, sv.bits)
	case SrcMAC, DstMAC:
		s.putMAC(k, attr, sv)
	case SrcClass, DstClass, SrcKind, DstKind, FlowClass, FlowKind:
		putComputed(k, attr, uint16(s.values[sv.field.name]))
	case Version:
		k.Version = h.Version
	default:
		n := sv.num
		switch there := s.found(sv.field.name); {
		case sv.constant:
		case attr == Fragment || attr == SACK:
			n = uint64(min(len(there), 1))
		default:
			n = there[0].(uint64) & sv.mask
		}
		putNumber(k, attr, n)
	}
	if attr == SrcAddr || attr == DstAddr {
		k.Version = s.h.Version
		if s.h.Layers&packet.HasIP != 0 {
			k.Saved |= Version
		}
	}
}

func (s *refState) putMAC(k *Key, attr Attr, sv saved) {
	n := sv.num
	if !sv.constant {
		n = refFields[sv.field.name](&s.h)[0].(uint64) & sv.mask
	}
	to := &k.Src.MAC
	if attr == DstMAC {
		to = &k.Dst.MAC
	}
	for i := range to {
		to[i] = byte(n >> (40 - 8*i))
	}
}

func putComputed(k *Key, attr Attr, n uint16) {
	switch attr {
	case SrcClass:
		k.Src.Class = n
	case DstClass:
		k.Dst.Class = n
	case SrcKind:
		k.Src.Kind = n
	case DstKind:
		k.Dst.Kind = n
	case FlowClass:
		k.Class = n
	case FlowKind:
		k.Kind = n
	}
}

func putNumber(k *Key, attr Attr, n uint64) {
	switch attr {
	case Proto:
		k.Proto = uint8(n)
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
	default:
		putHeader(k, attr, n)
	}
}

func putHeader(k *Key, attr Attr, n uint64) {
	switch attr {
	case DSCP:
		k.DSCP = uint8(n)
	case ECN:
		k.ECN = uint8(n)
	case VLANPrio:
		k.VLANPrio = uint8(n)
	case Fragment:
		k.Presence += uint8(n)
	case SACK:
		k.Presence += 2 * uint8(n)
	case Length:
		k.Length = uint32(n)
	case TCPFlags:
		k.TCPFlags = uint16(n)
	case MSS:
		k.MSS = uint16(n)
	case WindowScale:
		k.WindowScale = uint8(n)
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

func refEndAddr(e *End, a netip.Addr, bits uint8) {
	n := min(int(bits), a.BitLen())
	masked := netip.PrefixFrom(a, n).Masked().Addr()
	e.Addr, e.AddrLen = masked.As16(), uint8(n)
}

func refEndPort(e *End, port uint16, bits uint8) {
	n := min(bits, 16)
	for i := n; i < 16; i++ {
		port &^= 1 << (15 - i)
	}
	e.Port, e.PortLen = port, n
}
