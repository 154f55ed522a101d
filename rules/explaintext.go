package rules

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// This file writes values of packets and keys as they are written in rules.

// texts returns the values of a field that the packet has; of a protocol, that it
// is there.
func (s *state) texts(f *field, p *Program) []string {
	var all []string
	for _, from := range f.from {
		if need := from.need; need&elsewhere == 0 {
			all = s.textOf(all, f, from, need, p)
		} else if there, ok := s.within(need); ok {
			all = there.textOf(all, f, from, need&^elsewhere, p)
		}
	}
	return all
}

func (s *state) textOf(all []string, f *field, from reading, need have, p *Program) []string {
	switch {
	case s.have&need != need:
		return all
	case from.scan != nil:
		for _, n := range s.scanned(from.scan, nil) {
			all = append(all, f.text(n, p))
		}
		return all
	case f.typ == typeProto:
		return append(all, "there")
	case f.isAddr():
		return append(all, s.address(s.addr(from.get)).String())
	}
	return append(all, f.text(s.number(from.get), p))
}

func (s *state) address(a *[16]byte) netip.Addr {
	if s.have.v4() {
		return netip.AddrFrom4([4]byte(a[12:]))
	}
	return netip.AddrFrom16(*a)
}

// text writes a number as a value of the field.
func (f *field) text(n uint64, p *Program) string {
	switch f.typ {
	case typeBool:
		return strconv.FormatBool(n != 0)
	case typeMAC:
		return macText(n)
	case typeTime:
		return time.Unix(0, int64(n)).UTC().Format("2006-01-02 15:04:05.999999999")
	case typeClock:
		return fmt.Sprintf("%02d:%02d:%02d", n/3600, n/60%60, n%60)
	case typePass:
		return [2]string{"forward", "reverse"}[n&1]
	case typeName:
		if name := f.numberName(uint16(n), p); name != "" {
			return quote(name)
		}
	}
	return strconv.FormatUint(n, 10)
}

// numberName returns the name that a number of a computed field stands for.
func (f *field) numberName(n uint16, p *Program) string {
	if f.attr == FlowClass && int(n) < len(homeNames) {
		return homeNames[n]
	}
	return p.nameOf(n)
}

func macText(n uint64) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// String writes an attribute of save: with its mask.
func (s saved) String() string {
	switch {
	case s.bits != wholeBits:
		return s.field.name + "/" + strconv.Itoa(int(s.bits))
	case s.mask != wholeMask:
		return fmt.Sprintf("%s & %#x", s.field.name, s.mask)
	}
	return s.field.name
}

// savedText writes what the key holds of one attribute, or "".
func (s *state) savedText(a Attr) string {
	k := s.key
	switch {
	case k.Saved&a == 0:
		return ""
	case a == SrcAddr:
		return s.endText(&k.Src)
	case a == DstAddr:
		return s.endText(&k.Dst)
	case a == SrcMAC:
		return macText(macNumber(&k.Src.MAC))
	case a == DstMAC:
		return macText(macNumber(&k.Dst.MAC))
	}
	return strconv.FormatUint(k.number(a), 10)
}

// endText writes an address, with its length if it is masked.
func (s *state) endText(e *End) string {
	a := s.address(&e.Addr)
	if int(e.AddrLen) == a.BitLen() {
		return a.String()
	}
	return netip.PrefixFrom(a, int(e.AddrLen)).String()
}

// number returns what the key holds of a numeric attribute of packets.
func (k *Key) number(a Attr) uint64 {
	switch a {
	case SrcPort:
		return uint64(k.Src.Port)
	case DstPort:
		return uint64(k.Dst.Port)
	case Proto:
		return uint64(k.Proto)
	case Version:
		return uint64(k.Version)
	case EtherType:
		return uint64(k.EtherType)
	case VLAN:
		return uint64(k.VLAN)
	case VLAN2:
		return uint64(k.VLAN2)
	case MPLS:
		return uint64(k.MPLS)
	case TClass:
		return uint64(k.TClass)
	case TTL:
		return uint64(k.TTL)
	case FlowLabel:
		return uint64(k.FlowLabel)
	case ICMP:
		return uint64(k.ICMP)
	case Fragment:
		return uint64(k.Presence & FragmentThere / FragmentThere)
	case SACK:
		return uint64(k.Presence & SACKThere / SACKThere)
	case DSCP:
		return uint64(k.DSCP)
	case ECN:
		return uint64(k.ECN)
	case VLANPrio:
		return uint64(k.VLANPrio)
	case Length:
		return uint64(k.Length)
	case TCPFlags:
		return uint64(k.TCPFlags)
	case MSS:
		return uint64(k.MSS)
	case WindowScale:
		return uint64(k.WindowScale)
	case Extensions:
		return uint64(k.Extensions)
	case Hour:
		return uint64(k.Hour)
	case Weekday:
		return uint64(k.Weekday)
	case TunnelID:
		return k.TunnelID
	}
	return uint64(k.Iface)
}

// attrNames returns the first name of each attribute.
func attrNames(as Attr) []string {
	var names []string
	for i := range fields {
		if a := fields[i].attr; a&as != 0 {
			names = append(names, fields[i].name)
			as &^= a
		}
	}
	return names
}
