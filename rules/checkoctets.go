package rules

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// This file checks tests of the octets of addresses: slices, contains, masks of
// IP addresses, and their order.

// widths are the octets of each type that has them.
var widths = map[fieldType]int{typeMAC: 6, typeAddr4: 4, typeAddr6: 16}

// isOctets tells whether an expression looks at the octets of its field.
func (c *checker) isOctets(e *expr, f *field) bool {
	return e.slice != nil || e.op == "contains" && f.typ != typeName || e.mask != nil && f.isAddr()
}

// octets checks a test of octets.
func (c *checker) octets(e *expr, k *cond) {
	f, t := k.field, &octetTest{}
	width := c.sliced(e, f, t)
	if width == 0 {
		return
	}
	k.octets = t
	if e.mask != nil {
		mask, ok := c.octetsOf(f, e, *e.mask, width)
		if t.mask = mask; !ok {
			return
		}
	}
	switch {
	case e.kind == exprHas:
		t.spans = []octetSpan{{make([]byte, width), make([]byte, width)}}
	case e.op == "contains":
		c.contains(e, f, t, width)
	case e.op == "~":
		c.errorf(e.pos, "write "+f.name+" contains 00:1b, or compare a slice", "%s is no text", f.name)
	default:
		for _, it := range e.items {
			c.octetItem(e, f, it, t, width)
		}
	}
}

// sliced works out which octets are meant and how many they are; 0 if it is an
// error.
func (c *checker) sliced(e *expr, f *field, t *octetTest) int {
	all := widths[f.typ]
	if f.typ == typeAddr {
		c.errorf(e.pos, "write ip.* or ipv6.*", "%s may have 4 octets or 16", f.name)
		return 0
	}
	if all == 0 {
		c.errorf(e.pos, "octets are taken of addresses; of numbers write & and a mask", "%s is %s", f.name, typeNames[f.typ])
		return 0
	}
	ranges, width := e.slice, 0
	if ranges == nil {
		ranges = []octetRange{{size: all}}
	}
	for _, r := range ranges {
		from, to, ok := r.of(all)
		if width += to - from; !ok || width > maxOctets {
			c.errorf(e.pos, sliceForms, "%s has octets 0 to %d: the slice does not lie within them", f.name, all-1)
			return 0
		}
		t.ranges = append(t.ranges, [2]int{from, to})
	}
	return width
}

// octetsOf returns the octets that a value stands for, as many as width.
func (c *checker) octetsOf(f *field, e *expr, l literal, width int) ([]byte, bool) {
	b := []byte(l.octets)
	switch {
	case l.kind == litBad:
		return nil, false
	case e.slice == nil && f.isAddr() && l.kind == litAddr && c.addr(f, l):
		b = l.prefix.Addr().AsSlice()
	case l.kind != litOctets || e.slice == nil && f.isAddr():
		if l.kind == litAddr && f.isAddr() {
			return nil, false // of the other family; said already
		}
		c.errorf(l.pos, "write octets as 00:1b:21", "octets are compared, but %s is %s", l.text, literalNames[l.kind])
		return nil, false
	}
	if len(b) != width {
		c.errorf(l.pos, "write as many as are compared", "%s has %d octets, not %d", l.text, len(b), width)
	}
	return b, len(b) == width
}

func (c *checker) contains(e *expr, f *field, t *octetTest, width int) {
	l := e.items[0].lo
	switch {
	case l.kind == litBad:
	case f.isAddr() && e.slice == nil:
		c.errorf(e.pos, "compare with a prefix, or write "+f.name+"[0:] contains …", "an address contains nothing")
	case l.kind != litOctets:
		c.errorf(l.pos, "write octets as 00:1b:21", "octets are compared, but %s is %s", l.text, literalNames[l.kind])
	case len(l.octets) > width:
		c.errorf(l.pos, "", "%s has %d octets: more than %s", l.text, len(l.octets), f.name)
	default:
		t.part = []byte(l.octets)
	}
}

// octetItem adds one value or range.
func (c *checker) octetItem(e *expr, f *field, it item, t *octetTest, width int) {
	if it.lo.kind == litList {
		set := c.sets[strings.TrimPrefix(it.lo.text, "$")]
		if set == nil {
			c.errorf(it.lo.pos, "octets stand in sets:", "no list %s of octets", it.lo.text)
			return
		}
		for _, one := range set.items {
			one.lo.pos, one.hi.pos = it.lo.pos, it.lo.pos
			c.octetItem(e, f, one, t, width)
		}
		return
	}
	lo, ok := c.octetsOf(f, e, it.lo, width)
	hi := lo
	if it.ranged && ok {
		hi, ok = c.octetsOf(f, e, it.hi, width)
	}
	if !ok || !c.rising(it, bytes.Compare(lo, hi) <= 0) {
		return
	}
	s, ok := octetOrder(e.op, octetSpan{lo, hi}, width)
	if !ok {
		c.errorf(e.pos, "", "%s %s %s is never true", e.name, e.op, it.lo.text)
		return
	}
	t.spans = append(t.spans, s)
}

// octetOrder widens a value to all that are below or above it; it is false if
// there are none.
func octetOrder(op string, s octetSpan, width int) (octetSpan, bool) {
	least, most := make([]byte, width), bytes.Repeat([]byte{0xff}, width)
	switch op {
	case "<":
		return octetSpan{least, step(s.lo, -1)}, !bytes.Equal(s.lo, least)
	case "<=":
		return octetSpan{least, s.lo}, true
	case ">":
		return octetSpan{step(s.lo, 1), most}, !bytes.Equal(s.lo, most)
	case ">=":
		return octetSpan{s.lo, most}, true
	}
	return s, true
}

// step returns the octets before or after b; those of all zeros come around.
func step(b []byte, by int) []byte {
	b = slices.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		b[i] += byte(by)
		if by > 0 && b[i] != 0 || by < 0 && b[i] != 0xff {
			break
		}
	}
	return b
}

// orderAddrs turns <, <=, > and >= of an address into prefixes of its family.
func (c *checker) orderAddrs(e *expr, k *cond) {
	l := e.items[0].lo
	if l.kind == litBad || !c.addr(k.field, l) {
		return
	}
	first, last := l.prefix.Addr(), lastAddr(l.prefix)
	whole := netip.PrefixFrom(first, 0).Masked()
	lo, hi := whole.Addr(), lastAddr(whole)
	switch e.op {
	case "<":
		hi = first.Prev()
	case "<=":
		hi = last
	case ">":
		lo = last.Next()
	case ">=":
		lo = first
	}
	if !lo.IsValid() || !hi.IsValid() {
		c.errorf(e.pos, "", "%s %s %s is never true", e.name, e.op, l.text)
		return
	}
	k.want.prefixes = rangePrefixes(lo, hi)
}
