package rules

import (
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"

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
	nest   *Nest // of the packet at hand; nil for none
}

// refState is what a pass has found out.
type refState struct {
	*reference
	h        packet.Headers // as seen in this pass
	nest     *Nest          // likewise
	values   map[string]uint64
	save     map[Attr]saved
	explicit bool
	lacking  map[Attr]bool
	varies   bool
	scope    scope // of the rule that is tried
	measures Quantities
}

// match is RFC 2722 §4.3.
func (r *reference) match(h *packet.Headers) Match {
	m := Match{Class: r.class(h)}
	first := r.orient == Initiator && isReply(h) || r.orient == Perimeter && m.Class == Out
	varies := false
	for pass := range uint64(2) {
		swapped := first != (pass == 1)
		s := r.state(h, swapped, pass)
		verdict := s.verdict()
		varies = varies || s.varies
		m.Verdict, m.Constant = verdict, !varies
		if verdict == Counted {
			m.Swapped, m.Evidence = swapped, r.evidence(h, m.Class, pass)
			m.Verdict, m.Measures = s.key(&m.Key), s.measures
			for attr, sv := range s.save {
				number := !sv.field.isAddr() && attr&(SrcPort|DstPort|computed) == 0
				if m.Verdict == Counted && (sv.constant || number && sv.mask != wholeMask) {
					m.Foreign |= attr
				}
			}
			if m.Verdict == NoKey {
				m.Swapped, m.Evidence, m.Measures = false, NoEvidence, 0
			}
		}
		if verdict != NoMatch {
			return m
		}
	}
	return m
}

// refEnd is how a list of rules ended before its end.
type refEnd struct {
	do     action
	number uint8 // of doReturn
	leave  *rule // of doLeave
}

// verdict interprets the whole rule set.
func (s *refState) verdict() Verdict {
	switch end := s.rules(s.reference.rules); {
	case end == nil || end.do == doNoMatch:
		return NoMatch
	case end.do == doCount:
		return Counted
	}
	return Ignored
}

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
	s := &refState{reference: r, h: *h, nest: r.nest, values: map[string]uint64{}, save: map[Attr]saved{}, lacking: map[Attr]bool{}}
	class := r.class(h)
	if swapped {
		s.h = *reversed(h)
		if r.nest != nil {
			s.nest = reversedNest(r.nest)
		}
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

// rules returns what ends a list before its end, or nil if nothing does.
func (s *refState) rules(list []*rule) *refEnd {
	for _, r := range list {
		end := s.rule(r)
		if end != nil {
			return end
		}
	}
	return nil
}

func (s *refState) rule(r *rule) *refEnd {
	s.scope = r.scope
	if r.expr != nil && !s.eval(r.expr) {
		return s.rules(r.els)
	}
	s.effects(r)
	if end := s.call(r); end != nil {
		return end
	}
	end := s.rules(r.then)
	switch {
	case end != nil && end.leave != r:
		return end
	case r.do == doNext:
		return nil
	}
	return &refEnd{r.do, r.number, r.leave}
}

// call runs a subroutine and what on: has for the number that comes back.
func (s *refState) call(r *rule) *refEnd {
	if r.call == nil {
		return nil
	}
	end := s.rules(r.call.rules)
	if end == nil {
		return nil
	}
	if end.do != doReturn {
		return end
	}
	for _, a := range r.on {
		if a.number == end.number {
			return s.rules(a.rules)
		}
	}
	return nil
}

func (s *refState) effects(r *rule) {
	for _, q := range r.measures {
		s.measures |= map[Quantity]Quantities{PacketSize: 1, InterArrival: 2, Turnaround: 4, BitRate: 8, PacketRate: 16}[q]
	}
	s.explicit = s.explicit || r.explicit
	if r.matched.Node != nil {
		for _, sv := range s.operands(r.expr) {
			s.save[sv.field.attr] = sv
		}
	}
	for _, sv := range r.saves {
		s.varies = s.varies || !sv.constant && !refIsConstant(sv.field.name)
		attr := sv.field.attr
		there := len(s.found(sv.field.name)) > 0 || s.presence(attr)
		if sv.constant && !strings.HasPrefix(sv.field.name, "arp.") {
			there = !sv.addr.IsValid() || s.h.Layers&packet.HasIP != 0 && sv.addr.Is4() == (s.h.Version == 4)
		}
		if !there {
			if attr != SrcPort && attr != DstPort && attr != EtherType {
				s.lacking[attr] = true
			}
			continue
		}
		s.save[attr] = sv
	}
	for _, set := range r.sets {
		s.values[set.field.name] = uint64(set.value)
		if set.field.attr != 0 {
			s.save[set.field.attr] = saved{field: set.field}
		}
	}
}

// operands returns what save: matched saves for an expression that is true.
func (s *refState) operands(e *expr) (list []saved) {
	switch e.kind {
	case exprAnd:
		for _, k := range e.kids {
			list = append(list, s.operands(k)...)
		}
	case exprOr:
		for _, k := range e.kids {
			if s.eval(k) {
				return s.operands(k)
			}
		}
	case exprTest:
		f := s.field(e.name)
		if f == nil || f.attr == 0 || f.attr&computed != 0 || len(f.from) > 1 || f.scanned() != nil || e.mask != nil || e.slice != nil || e.op != "==" && e.op != "in" {
			return nil
		}
		sv := unmasked(f)
		if f.isAddr() {
			sv.bits = uint8(s.longest(e.items, s.read(e.name)[0].(netip.Addr)))
		}
		return []saved{sv}
	}
	return list
}

// longest returns the length of the longest prefix of some items that holds an
// address.
func (s *refState) longest(items []item, a netip.Addr) int {
	length := -1
	for _, it := range items {
		name := strings.TrimPrefix(it.lo.text, "$")
		switch {
		case it.lo.kind == litList && s.sets[name] != nil:
			length = max(length, s.longest(s.sets[name].items, a))
		case it.lo.kind == litList:
			for _, p := range s.nets.lists[name].prefixes {
				if p.Contains(a) {
					length = max(length, p.Bits())
				}
			}
		case it.lo.prefix.Contains(a):
			length = max(length, it.lo.prefix.Bits())
		}
	}
	return length
}

// field returns what a name means in the rule that is tried; nil for variables.
func (s *refState) field(name string) *field {
	if f := s.scope[name]; f != nil {
		return f
	}
	return fieldByName(name)
}

// meaning returns the name of what a name stands for.
func (s *refState) meaning(name string) string {
	if f := s.scope[name]; f != nil {
		return f.name
	}
	return name
}

// presence tells whether what is saved is whether something is there, and could be.
func (s *refState) presence(attr Attr) bool {
	return attr == Fragment && s.h.Layers&packet.HasIP != 0 || attr == SACK && s.h.Layers&packet.HasTCP != 0
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
	switch f := s.field(e.name); {
	case e.kind == exprTest:
		return s.test(e, values)
	case e.mask != nil:
		for _, v := range values {
			if refIsOctets(e, f) && s.refOctets(e, v) || !refIsOctets(e, f) && s.refMasked(e, v.(uint64)) != 0 {
				return true
			}
		}
		return false
	case f.typ == typeBool: // of several readings, whether any is set
		for _, v := range values {
			if v == uint64(1) {
				return true
			}
		}
		return false
	}
	return len(values) > 0
}

func (s *refState) read(name string) []any {
	name = s.meaning(name)
	if get := refFields[name]; get != nil {
		s.varies = s.varies || !refIsConstant(name)
		return get(&s.h)
	}
	if v, ok := s.readNested(name); ok {
		s.varies = true
		return v
	}
	return []any{s.values[name]}
}

func (s *refState) test(e *expr, values []any) bool {
	some, every := false, len(values) > 0
	for _, v := range values {
		fits := s.among(e, v) != (e.op == "!=")
		some, every = some || fits, every && fits
	}
	if e.all {
		return every
	}
	return some
}

func (s *refState) among(e *expr, v any) bool {
	f := s.field(e.name)
	switch {
	case refIsOctets(e, f):
		return s.refOctets(e, v)
	case e.op == "contains" || e.op == "~":
		return s.refText(e, v.(uint64))
	case strings.Contains("< <= > >=", e.op):
		return s.refOrder(e, v)
	case e.mask != nil:
		v = s.refMasked(e, v.(uint64))
	}
	for _, it := range e.items {
		if s.fits(s.meaning(e.name), it, v) {
			return true
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
	if it.ranged && field == "time.of_day" && s.literal(field, it.lo) > s.literal(field, it.hi) {
		return n >= s.literal(field, it.lo) || n <= s.literal(field, it.hi)
	}
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
	field = strings.TrimPrefix(strings.TrimPrefix(field, "outer."), "inner.")
	switch {
	case field == "time.of_day":
		n := uint64(0)
		for i, part := range strings.Split(l.text, ":") {
			two, _ := strconv.Atoi(part)
			n += uint64(two) * []uint64{3600, 60, 1}[i]
		}
		return n
	case strings.HasPrefix(field, "frame.time") && l.kind == litName:
		t, _ := time.Parse(time.DateTime, l.text)
		return uint64(t.UnixNano())
	case strings.HasPrefix(field, "frame.time"):
		r, _ := new(big.Rat).SetString(l.text)
		r.Mul(r, big.NewRat(1e9, 1))
		return new(big.Int).Div(r.Num(), r.Denom()).Uint64()
	case l.kind != litName:
		return l.num
	case field == "pass":
		return truth(l.text == "reverse")
	}
	n, _ := s.names.lookup(field, l.text)
	return uint64(n)
}
