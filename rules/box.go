package rules

import (
	"net/netip"
	"reflect"
	"slices"

	"flowmeter/meter/packet"
)

// This file reasons about conditions without any packet: what they ask is cut into
// boxes, of which it can be told whether one lies within another.

// A box is what all of its constraints together are true of.
type box struct {
	need  have              // is there
	lacks []have            // of each of these, not all is there
	nums  map[getter][]span // where all of the getter's need is there: one of these numbers
	addrs map[getter]*addrSet
	other []literalCond // what boxes cannot tell
}

// addrSet is the addresses within in, or any if in is nil, but for those within
// out.
type addrSet struct{ in, out []netip.Prefix }

// A literalCond is a comparison, or its opposite.
type literalCond struct {
	cond *cond
	not  bool
}

const (
	maxBoxes = 64 // of one condition
	maxInBox = 64 // values of one comparison
)

// boxes returns boxes that together hold what a condition is true of (is false
// of, with not), exactly; nil if they would be too many. What nothing can be true
// of has no box: then ok is set, and the list empty.
func boxes(k *cond, not bool) (list []box, ok bool) {
	switch {
	case k == nil && not:
		return nil, true
	case k == nil:
		return []box{{}}, true
	case k.kind == exprNot:
		return boxes(k.kids[0], !not)
	case k.kind == exprAnd || k.kind == exprOr:
		return joined(k.kids, not, (k.kind == exprAnd) != not)
	case !k.boxable():
		return []box{{other: []literalCond{{k, not}}}}, true
	case k.kind == exprHas:
		return hasBoxes(k.field.from[0].need, not), true
	}
	return testBoxes(k, not)
}

// boxable tells whether boxes know the kind of comparison: one of whole values, that
// are in places known before the packet, and in the packet itself.
func (k *cond) boxable() bool {
	return k.field.scanned() == nil && k.field.from[0].need&elsewhere == 0 && k.octets == nil && k.mask == 0 && k.want.size() <= maxInBox
}

func joined(kids []*cond, not, all bool) ([]box, bool) {
	var list []box
	if all {
		list = []box{{}}
	}
	for _, kid := range kids {
		more, ok := boxes(kid, not)
		if !ok {
			return nil, false
		}
		if all {
			list = product(list, more)
		} else {
			list = append(list, more...)
		}
		if len(list) > maxBoxes {
			return nil, false
		}
	}
	return list, true
}

// product returns what is in a box of both lists.
func product(as, bs []box) (list []box) {
	for i := range as {
		for j := range bs {
			if both, ok := as[i].and(&bs[j]); ok {
				list = append(list, both)
			}
		}
	}
	return list
}

func hasBoxes(need have, not bool) []box {
	if !not {
		return fitting(box{need: need})
	}
	if need == 0 {
		return nil
	}
	return fitting(box{lacks: []have{need}})
}

// testBoxes is of a comparison of one field. Any value that is there may fit; or all
// of them have to, and the first must be there.
func testBoxes(k *cond, not bool) ([]box, bool) {
	var list []box
	every := k.all != not // of the readings has to be in its box
	if every {
		list = []box{{}}
	}
	for i, from := range k.field.from {
		one := []box{k.reading(from, k.not != not)}
		if first := i == 0; every && !(k.all && first) || !every && k.all && first {
			one = append(one, hasBoxes(from.need, true)...)
		}
		if every {
			list = product(list, one)
		} else {
			list = append(list, one...)
		}
	}
	return slices.DeleteFunc(list, func(b box) bool { return !b.possible() }), true
}

// reading is the box of one value that is there and wanted, or not wanted.
func (k *cond) reading(from reading, not bool) box {
	b := box{need: from.need}
	if k.field.isAddr() {
		set := &addrSet{in: append([]netip.Prefix{}, k.want.prefixes...)} // not nil: that is any
		if not {
			set = &addrSet{out: k.want.prefixes}
		}
		b.addrs = map[getter]*addrSet{from.get: set}
		return b
	}
	spans := k.want.spans
	if not {
		spans = complement(spans, k.field.max)
	}
	b.nums = map[getter][]span{from.get: spans}
	return b
}

func complement(spans []span, most uint64) (out []span) {
	from := uint64(0)
	for _, s := range spans {
		if s.lo > from {
			out = append(out, span{from, s.lo - 1})
		}
		if s.hi >= most {
			return out
		}
		from = s.hi + 1
	}
	return append(out, span{from, most})
}

func fitting(b box) []box {
	if !b.possible() {
		return nil
	}
	return []box{b}
}

// and returns what is in both boxes; false if nothing can be.
func (b *box) and(o *box) (box, bool) {
	both := box{need: b.need | o.need, lacks: append(slices.Clone(b.lacks), o.lacks...), other: append(slices.Clone(b.other), o.other...)}
	both.nums, both.addrs = map[getter][]span{}, map[getter]*addrSet{}
	for _, from := range []*box{b, o} {
		for g, spans := range from.nums {
			if had, is := both.nums[g]; is {
				spans = intersect(had, spans)
			}
			both.nums[g] = spans
		}
		for g, set := range from.addrs {
			if had := both.addrs[g]; had != nil {
				set = had.and(set)
			}
			both.addrs[g] = set
		}
	}
	return both, both.possible()
}

func intersect(a, b []span) (out []span) {
	for _, x := range a {
		for _, y := range b {
			if lo, hi := max(x.lo, y.lo), min(x.hi, y.hi); lo <= hi {
				out = append(out, span{lo, hi})
			}
		}
	}
	return out
}

func (s *addrSet) and(o *addrSet) *addrSet {
	both := &addrSet{in: s.in, out: append(slices.Clone(s.out), o.out...)}
	switch {
	case s.in == nil:
		both.in = o.in
	case o.in != nil:
		both.in = []netip.Prefix{}
		for _, p := range s.in {
			for _, q := range o.in {
				if p.Overlaps(q) {
					both.in = append(both.in, longer(p, q))
				}
			}
		}
	}
	return both
}

func longer(p, q netip.Prefix) netip.Prefix {
	if p.Bits() > q.Bits() {
		return p
	}
	return q
}

// empty tells whether no address of the family is in the set.
func (s *addrSet) empty(v4, v6 bool) bool {
	if s.in == nil {
		return false
	}
	return !slices.ContainsFunc(s.in, func(p netip.Prefix) bool {
		return (p.Addr().Is4() || !v4) && (p.Addr().Is6() || !v6) && !covers(s.out, p)
	})
}

// covers tells whether one of some prefixes holds all of another.
func covers(list []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(list, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Overlaps(p) })
}

// within tells whether all of s is in o; false if it cannot be told.
func (s *addrSet) within(o *addrSet) bool {
	if o.in != nil && (s.in == nil || slices.ContainsFunc(s.in, func(p netip.Prefix) bool { return !covers(o.in, p) && !covers(s.out, p) })) {
		return false
	}
	for _, q := range o.out { // none of these may be in s
		if covers(s.out, q) {
			continue
		}
		if s.in == nil || slices.ContainsFunc(s.in, func(p netip.Prefix) bool { return p.Overlaps(q) && !covers(s.out, p) }) {
			return false
		}
	}
	return true
}

// follow is what also is there, and what number the protocol then is.
var follow = []struct {
	has    have
	also   have
	protos []span
}{
	{ip4, anyIP, nil},
	{ip6, anyIP, nil},
	{portsTCP, anyIP | ports, []span{{packet.ProtoTCP, packet.ProtoTCP}}},
	{portsUDP, anyIP | ports | portsUDPs, []span{{packet.ProtoUDP, packet.ProtoUDP}}},
	{portsUDPLite, anyIP | ports | portsUDPs, []span{{packet.ProtoUDPLite, packet.ProtoUDPLite}}},
	{portsUDPs, anyIP | ports, []span{{packet.ProtoUDP, packet.ProtoUDP}, {packet.ProtoUDPLite, packet.ProtoUDPLite}}},
	{portsSCTP, anyIP | ports, []span{{packet.ProtoSCTP, packet.ProtoSCTP}}},
	{portsDCCP, anyIP | ports, []span{{packet.ProtoDCCP, packet.ProtoDCCP}}},
	{protoICMP, anyIP, []span{{packet.ProtoICMP, packet.ProtoICMP}}},
	{protoICMPv6, anyIP, []span{{packet.ProtoICMPv6, packet.ProtoICMPv6}}},
}

// closed returns the box with what follows from what is there.
func (b *box) closed() box {
	c := *b
	protos := []span{{0, max8}}
	if spans, is := b.nums[getProto]; is {
		protos = spans
	}
	for _, f := range follow {
		if c.need&f.has == f.has {
			c.need |= f.also
			if f.protos != nil {
				protos = intersect(protos, f.protos)
			}
		}
	}
	c.nums = map[getter][]span{}
	for g, spans := range b.nums {
		c.nums[g] = spans
	}
	if c.need&anyIP != 0 {
		c.nums[getProto] = protos
	}
	return c
}

// possible tells whether a packet may be in the box: false only if none can be.
func (b *box) possible() bool {
	c := b.closed()
	if c.need&(ip4|ip6) == ip4|ip6 || c.need&(isARP|anyIP) == isARP|anyIP {
		return false
	}
	for _, l := range c.lacks {
		if c.need&l == l {
			return false
		}
	}
	for _, spans := range c.nums {
		if len(spans) == 0 {
			return false
		}
	}
	for _, set := range c.addrs {
		if set.empty(c.need&ip4 != 0, c.need&ip6 != 0) {
			return false
		}
	}
	return !slices.ContainsFunc(c.other, func(l literalCond) bool { return c.holds(literalCond{l.cond, !l.not}) })
}

func (b *box) holds(l literalCond) bool {
	return slices.ContainsFunc(b.other, func(o literalCond) bool { return o.not == l.not && reflect.DeepEqual(o.cond, l.cond) })
}

// within tells whether all that is in b is in o; false if it cannot be told.
func (b *box) within(o *box) bool {
	c := b.closed()
	return c.inside(o)
}

// inside is within of a box that is closed.
func (c *box) inside(o *box) bool {
	if c.need&o.need != o.need {
		return false
	}
	for _, l := range o.lacks {
		if !c.lacksAll(l) {
			return false
		}
	}
	for g, spans := range o.nums {
		has, is := c.nums[g]
		if !is || !spansWithin(has, spans) {
			return false
		}
	}
	for g, set := range o.addrs {
		has := c.addrs[g]
		if has == nil {
			has = &addrSet{}
		}
		if !has.within(set) {
			return false
		}
	}
	return !slices.ContainsFunc(o.other, func(l literalCond) bool { return !c.holds(l) })
}

// lacksAll tells whether what is in the box never has all of l.
func (b *box) lacksAll(l have) bool {
	if slices.ContainsFunc(b.lacks, func(mine have) bool { return mine&l == mine }) {
		return true
	}
	with := *b
	with.need |= l
	return !with.possible()
}

func spansWithin(a, b []span) bool {
	for _, s := range a {
		if !slices.ContainsFunc(b, func(t span) bool { return t.lo <= s.lo && s.hi <= t.hi }) {
			return false
		}
	}
	return true
}

// swapped returns what the box holds, seen the other way round; false if that
// cannot be told.
func (b *box) swapped() (box, bool) {
	s := box{need: b.need, lacks: b.lacks, nums: map[getter][]span{}, addrs: map[getter]*addrSet{}}
	for g, spans := range b.nums {
		if g == getPass {
			continue
		}
		if g >= endOfHeaders {
			return s, false
		}
		s.nums[g.way(1)] = spans
	}
	for g, set := range b.addrs {
		s.addrs[g.way(1)] = set
	}
	return s, len(b.other) == 0
}
