package rules

import (
	"net/netip"
	"strings"

	"flowmeter/meter/packet"
)

// This file is the slow and obvious interpreter that Programs are compared
// with. It walks the rules as they were parsed, reads a packet through its own
// table of fields, sees it the other way round by exchanging its ends, and
// keeps its state in a map.

// reference is one rule set to interpret.
type reference struct {
	rules  []*rule
	nets   *Networks
	sets   Sets
	names  *names
	orient Orient
}

// refState is what a pass has found out.
type refState struct {
	*reference
	h        packet.Headers // as seen in this pass
	values   map[string]uint64
	save     map[Attr]saved
	explicit bool
	lacking  map[Attr]bool
	varies   bool
}

// match is RFC 2722 §4.3.
func (r *reference) match(h *packet.Headers) Match {
	m := Match{Class: r.class(h)}
	first := r.orient == Initiator && isReply(h) || r.orient == Perimeter && m.Class == Out
	varies := false
	for pass := range uint64(2) {
		swapped := first != (pass == 1)
		s := r.state(h, swapped, pass)
		verdict := s.rules(r.rules)
		varies = varies || s.varies
		if verdict == nil {
			verdict = ptr(NoMatch)
		}
		m.Verdict, m.Constant = *verdict, !varies
		if *verdict == Counted {
			m.Swapped, m.Evidence = swapped, r.evidence(h, m.Class, pass)
			m.Verdict = s.key(&m.Key)
			if m.Verdict == NoKey {
				m.Swapped, m.Evidence = false, NoEvidence
			}
		}
		if *verdict != NoMatch {
			return m
		}
	}
	return m
}

func ptr(v Verdict) *Verdict { return &v }

func (r *reference) class(h *packet.Headers) Class {
	if h.Layers&packet.HasIP == 0 {
		return NoClass
	}
	home := func(b [16]byte) bool {
		a := refAddr(h, b)
		for _, p := range r.nets.lists["home"].prefixes {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}
	group := func(b [16]byte) bool {
		a := refAddr(h, b)
		return a.IsMulticast() && !a.Is4In6() || a.String() == "255.255.255.255"
	}
	src, dst := home(h.Src), home(h.Dst)
	if group(h.Dst) {
		dst = src
	} else if group(h.Src) {
		src = dst
	}
	switch {
	case src && dst:
		return Internal
	case src:
		return Out
	case dst:
		return In
	}
	return Transit
}

func isReply(h *packet.Headers) bool {
	switch {
	case h.Layers&packet.HasTCP != 0:
		return h.TCPFlags&packet.SYN != 0 && h.TCPFlags&packet.ACK != 0
	case h.Layers&packet.HasICMP != 0:
		return h.ICMPType == 0 || h.ICMPType == 14 || h.ICMPType == 16 || h.ICMPType == 18 || h.ICMPType == 43
	case h.Layers&packet.HasICMPv6 != 0:
		return h.ICMPType == 129 || h.ICMPType == 140 || h.ICMPType == 161
	}
	return false
}

func isRequest(h *packet.Headers) bool {
	switch {
	case h.Layers&packet.HasICMP != 0:
		return h.ICMPType == 8 || h.ICMPType == 13 || h.ICMPType == 15 || h.ICMPType == 17 || h.ICMPType == 42
	case h.Layers&packet.HasICMPv6 != 0:
		return h.ICMPType == 128 || h.ICMPType == 139 || h.ICMPType == 160
	}
	return false
}

func (r *reference) evidence(h *packet.Headers, c Class, pass uint64) Evidence {
	icmp := h.Layers&(packet.HasICMP|packet.HasICMPv6) != 0
	switch {
	case pass == 1:
		return EvidenceRule
	case r.orient == Perimeter && (c == In || c == Out):
		return EvidencePerimeter
	case r.orient == Initiator && h.Layers&packet.HasTCP != 0 && isReply(h):
		return EvidenceSYNACK
	case r.orient == Initiator && h.Layers&packet.HasTCP != 0 && h.TCPFlags&packet.SYN != 0:
		return EvidenceSYN
	case r.orient == Initiator && icmp && (isReply(h) || isRequest(h)):
		return EvidenceICMP
	}
	return EvidenceFirst
}

// state begins a pass.
func (r *reference) state(h *packet.Headers, swapped bool, pass uint64) *refState {
	s := &refState{reference: r, h: *h, values: map[string]uint64{}, save: map[Attr]saved{}, lacking: map[Attr]bool{}}
	class := r.class(h)
	if swapped {
		s.h = *reversed(h)
		switch class {
		case In:
			class = Out
		case Out:
			class = In
		}
	}
	s.values["pass"], s.values["class"] = pass, uint64(class)
	return s
}

// rules returns how a list ends the pass, or nil if it does not.
func (s *refState) rules(list []*rule) *Verdict {
	for _, r := range list {
		body := r.then
		if r.expr != nil && !s.eval(r.expr) {
			if end := s.rules(r.els); end != nil {
				return end
			}
			continue
		}
		s.effects(r)
		if end := s.rules(body); end != nil {
			return end
		}
		switch r.do {
		case doCount:
			return ptr(Counted)
		case doIgnore:
			return ptr(Ignored)
		case doNoMatch:
			return ptr(NoMatch)
		}
	}
	return nil
}

func (s *refState) effects(r *rule) {
	s.explicit = s.explicit || r.explicit
	for _, sv := range r.saves {
		s.varies = s.varies || !refIsConstant(sv.field.name)
		attr := sv.field.attr
		if len(refFields[sv.field.name](&s.h)) == 0 {
			if attr != SrcPort && attr != DstPort {
				s.lacking[attr] = true
			}
			continue
		}
		s.save[attr] = sv
	}
	for _, set := range r.sets {
		s.values[set.field.name] = uint64(set.value)
		if set.field.attr != 0 {
			s.save[set.field.attr] = saved{set.field, 0}
		}
	}
}

func refIsConstant(name string) bool {
	for _, c := range refConstant {
		if c == name {
			return true
		}
	}
	return false
}

func (s *refState) eval(e *expr) bool {
	switch e.kind {
	case exprNot:
		return !s.eval(e.kids[0])
	case exprAnd:
		for _, k := range e.kids {
			if !s.eval(k) {
				return false
			}
		}
		return true
	case exprOr:
		for _, k := range e.kids {
			if s.eval(k) {
				return true
			}
		}
		return false
	}
	values := s.read(e.name)
	if e.kind == exprHas {
		if f := fieldByName(e.name); f.typ == typeBool {
			return len(values) > 0 && values[0] == uint64(1)
		}
		return len(values) > 0
	}
	return s.test(e, values)
}

func (s *refState) read(name string) []any {
	if get := refFields[name]; get != nil {
		s.varies = s.varies || !refIsConstant(name)
		return get(&s.h)
	}
	return []any{s.values[name]}
}

func (s *refState) test(e *expr, values []any) bool {
	if e.op == "!=" {
		for _, v := range values {
			if s.among(e, v) {
				return false
			}
		}
		return len(values) > 0
	}
	for _, v := range values {
		if s.among(e, v) {
			return true
		}
	}
	return false
}

func (s *refState) among(e *expr, v any) bool {
	for _, it := range e.items {
		switch e.op {
		case "==", "!=", "in":
			if s.fits(e.name, it, v) {
				return true
			}
		case "<":
			return v.(uint64) < it.lo.num
		case "<=":
			return v.(uint64) <= it.lo.num
		case ">":
			return v.(uint64) > it.lo.num
		case ">=":
			return v.(uint64) >= it.lo.num
		}
	}
	return false
}

func (s *refState) fits(field string, it item, v any) bool {
	if it.lo.kind == litList {
		return s.inList(field, strings.TrimPrefix(it.lo.text, "$"), v)
	}
	if a, ok := v.(netip.Addr); ok {
		if it.ranged {
			return a.BitLen() == it.lo.prefix.Addr().BitLen() && it.lo.prefix.Addr().Compare(a) <= 0 && a.Compare(it.hi.prefix.Addr()) <= 0
		}
		return it.lo.prefix.Contains(a)
	}
	n := v.(uint64)
	if it.ranged {
		return s.literal(field, it.lo) <= n && n <= s.literal(field, it.hi)
	}
	return s.literal(field, it.lo) == n
}

func (s *refState) inList(field, name string, v any) bool {
	if set := s.sets[name]; set != nil {
		for _, it := range set.items {
			if s.fits(field, it, v) {
				return true
			}
		}
		return false
	}
	for _, p := range s.nets.lists[name].prefixes {
		if p.Contains(v.(netip.Addr)) {
			return true
		}
	}
	return false
}

func (s *refState) literal(field string, l literal) uint64 {
	switch {
	case l.kind != litName:
		return l.num
	case field == "pass":
		return truth(l.text == "reverse")
	}
	n, _ := s.names.lookup(field, l.text)
	return uint64(n)
}

// key makes the key from what was saved, or says that it cannot be made.
func (s *refState) key(k *Key) Verdict {
	*k = Key{}
	if !s.explicit {
		for _, name := range []string{"src.addr", "dst.addr", "src.port", "dst.port", "proto"} {
			f := fieldByName(name)
			if len(refFields[name](&s.h)) > 0 {
				s.save[f.attr] = saved{f, wholeBits}
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
	switch attr {
	case SrcAddr:
		refEndAddr(&k.Src, refAddr(&s.h, s.h.Src), sv.bits)
	case DstAddr:
		refEndAddr(&k.Dst, refAddr(&s.h, s.h.Dst), sv.bits)
	case SrcPort:
		refEndPort(&k.Src, s.h.SrcPort, sv.bits)
	case DstPort:
		refEndPort(&k.Dst, s.h.DstPort, sv.bits)
	case SrcMAC:
		k.Src.MAC = s.h.SrcMAC
	case DstMAC:
		k.Dst.MAC = s.h.DstMAC
	default:
		s.putNumber(k, attr, sv)
	}
	if attr == SrcAddr || attr == DstAddr {
		k.Saved |= Version
		k.Version = s.h.Version
	}
}

func (s *refState) putNumber(k *Key, attr Attr, sv saved) {
	h := &s.h
	given := uint16(s.values[sv.field.name])
	switch attr {
	case SrcClass:
		k.Src.Class = given
	case DstClass:
		k.Dst.Class = given
	case SrcKind:
		k.Src.Kind = given
	case DstKind:
		k.Dst.Kind = given
	case FlowClass:
		k.Class = given
	case FlowKind:
		k.Kind = given
	case Proto:
		k.Proto = h.Proto
	case Version:
		k.Version = h.Version
	case EtherType:
		k.EtherType = h.EtherType
	case VLAN:
		k.VLAN = h.VLAN[0].TCI & 0xfff
	case VLAN2:
		k.VLAN2 = h.VLAN[1].TCI & 0xfff
	case MPLS:
		k.MPLS = h.MPLSLabel
	case TClass:
		k.TClass = h.TClass
	case TTL:
		k.TTL = h.TTL
	case FlowLabel:
		k.FlowLabel = h.FlowLabel
	case ICMP:
		k.ICMP = uint16(h.ICMPType)<<8 + uint16(h.ICMPCode)
	case Iface:
		k.Iface = h.Iface
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
