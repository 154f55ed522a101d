//go:build integration

package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"flowmeter/meter/packet"
)

// A displayMaker makes expressions that the meter and Wireshark both read, over
// all of what they share: operators in each spelling, sets and ranges, masks,
// slices, contains, quantifiers, negation, and every field that both have. The
// values are those of the traces, so that much of it is true of some packets.
type displayMaker struct {
	*rand.Rand
	theirs map[string]bool // names of fields and protocols
	fields []*field
	seen   map[*field][]uint64     // numbers
	addrs  map[*field][]netip.Addr // addresses
}

// maxSeen bounds the values of a field that are kept.
const maxSeen = 400

// newDisplayMaker takes the fields that Wireshark has too.
func newDisplayMaker(seed uint64, theirs map[string]bool, frames []*traceFrame) *displayMaker {
	m := &displayMaker{Rand: rand.New(rand.NewPCG(seed, 2)), theirs: theirs, seen: map[*field][]uint64{}, addrs: map[*field][]netip.Addr{}}
	for i := range fields {
		if f := &fields[i]; theirs[f.name] && f.name != "ethertype" && f.typ != typeName && f.typ != typePass { // ethertype is a protocol there
			m.fields = append(m.fields, f)
		}
	}
	for _, i := range m.Perm(len(frames)) {
		if frames[i].out <= packet.Truncated {
			m.see(frames[i])
		}
	}
	return m
}

func (m *displayMaker) see(f *traceFrame) {
	s := &state{h: &f.h, data: f.data, have: haveOf(&f.h), key: &Key{}}
	for _, fd := range m.fields {
		for _, r := range fd.from {
			switch {
			case s.have&r.need != r.need || len(m.seen[fd])+len(m.addrs[fd]) > maxSeen:
			case fd.typ == typeProto:
			case r.scan != nil:
				var buf [maxScanned]uint64
				m.seen[fd] = append(m.seen[fd], s.scanned(r.scan, buf[:0])...)
			case fd.isAddr():
				a := netip.AddrFrom16(*s.addr(r.get))
				if s.have.v4() {
					a = a.Unmap()
				}
				m.addrs[fd] = append(m.addrs[fd], a)
			default:
				m.seen[fd] = append(m.seen[fd], s.number(r.get))
			}
		}
	}
}

func one[T any](m *displayMaker, from ...T) T { return from[m.IntN(len(from))] }

// expr makes an expression of some tests; first is the field of one of them.
func (m *displayMaker) expr(first *field) string {
	e := m.negated(first)
	for range m.IntN(3) {
		op := one(m, " && ", " and ", " || ", " or ")
		other := m.negated(m.fields[m.IntN(len(m.fields))])
		switch m.IntN(4) {
		case 0:
			e = "(" + e + ")" + op + other
		case 1:
			e = other + op + "(" + e + ")"
		case 2:
			e = one(m, "!(", "not (") + e + op + other + ")"
		default:
			e += op + other
		}
	}
	return e
}

func (m *displayMaker) negated(f *field) string {
	if m.IntN(5) == 0 {
		return one(m, "!", "not ") + m.test(f)
	}
	return m.test(f)
}

var (
	equals  = []string{"==", "!=", "===", "!==", "eq", "ne", "any_eq", "all_eq", "any_ne", "all_ne", "~="}
	orders  = []string{"<", "<=", ">", ">=", "lt", "le", "gt", "ge"}
	certain = []string{"==", "!=", "eq", "ne"} // go with any and all
)

// test makes one test of a field.
func (m *displayMaker) test(f *field) string {
	if f.typ == typeProto || f.typ != typeBool && m.IntN(10) == 0 {
		return f.name
	}
	if f.typ == typeBool {
		return f.name + " " + one(m, "==", "!=", "eq", "ne") + " " + one(m, "0", "1")
	}
	quantifier, equal := "", one(m, equals...)
	if m.IntN(6) == 0 {
		quantifier, equal = one(m, "any ", "all "), one(m, certain...)
	}
	name := quantifier + f.name
	kind := m.IntN(8)
	switch {
	case kind < 2 && widths[f.typ] > 0:
		return m.slice(f, quantifier, equal)
	case kind == 2 && f.typ == typeMAC:
		return f.name + " contains " + m.octets(m.bytes(f)[m.IntN(5):][:1])
	case kind == 2 && f.typ == typeNumber:
		mask := m.mask(f)
		return fmt.Sprintf("%s %s %#x %s %d", name, one(m, "&", "bitwise_and"), mask, equal, m.number(f)&mask)
	case kind == 3 && f.typ == typeNumber:
		return fmt.Sprintf("%s & %d", f.name, m.mask(f))
	case kind == 3 && f.typ == typeAddr4: // Wireshark 4.0 forgets what it masks of IPv6
		return m.masked(f, name, equal)
	case kind < 5:
		return name + " " + m.order(f, m.value(f))
	case kind == 5 && f.typ != typeTime:
		return f.name + one(m, " in ", " not in ") + m.set(f)
	case kind == 6 && f.isAddr():
		return fmt.Sprintf("%s %s %s/%d", name, equal, m.value(f), 1+m.IntN(8*widths[f.typ]))
	}
	return name + " " + equal + " " + m.value(f)
}

// order compares; what can never be true is refused here, and no mistake there.
func (m *displayMaker) order(f *field, value string) string {
	switch value {
	case "0", "0x0", "0.000000000", "0.0.0.0", "::", fmt.Sprint(f.max), fmt.Sprintf("%#x", f.max), "ff:ff:ff:ff:ff:ff", "ff-ff-ff-ff-ff-ff":
		return one(m, "<= ", ">= ", "le ", "ge ") + value
	}
	return one(m, orders...) + " " + value
}

// mask makes one that fits the field there too, where lengths have 16 bits.
func (m *displayMaker) mask(f *field) uint64 { return 1 + m.Uint64N(min(f.max, 1<<m.IntN(16))) }

func (m *displayMaker) number(f *field) uint64 {
	if seen := m.seen[f]; len(seen) > 0 && m.IntN(6) != 0 {
		return min(one(m, seen...)+uint64(m.IntN(6)/5), f.max)
	}
	return m.Uint64N(min(f.max, 2000) + 1)
}

func (m *displayMaker) value(f *field) string {
	switch {
	case f.isAddr() && len(m.addrs[f]) > 0:
		return one(m, m.addrs[f]...).String()
	case f.isAddr():
		return map[fieldType]string{typeAddr4: "10.0.0.1", typeAddr6: "fe80::1"}[f.typ]
	case f.typ == typeMAC:
		return m.octets(refBytes(m.number(f)))
	case f.typ == typeTime && f.name == "frame.time":
		return `"` + time.Unix(0, int64(m.number(f))).UTC().Format("2006-01-02 15:04:05.000000000") + `"`
	case f.typ == typeTime:
		n := m.number(f)
		return fmt.Sprintf("%d.%09d", n/1e9, n%1e9)
	}
	return fmt.Sprintf(one(m, "%d", "%d", "%#x"), m.number(f))
}

func (m *displayMaker) set(f *field) string {
	var items []string
	for range 1 + m.IntN(5) {
		item := m.value(f)
		if m.IntN(3) == 0 && f.typ == typeNumber {
			lo, hi := m.number(f), m.number(f)
			item = fmt.Sprintf("%d..%d", min(lo, hi), max(lo, hi))
		}
		if a := m.addrs[f]; m.IntN(3) == 0 && len(a) > 0 {
			ends := []netip.Addr{one(m, a...), one(m, a...)}
			slices.SortFunc(ends, netip.Addr.Compare)
			item = ends[0].String() + " .. " + ends[1].String()
		}
		items = append(items, item)
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// bytes returns the octets of a value that was seen.
func (m *displayMaker) bytes(f *field) []byte {
	if a := m.addrs[f]; len(a) > 0 {
		return one(m, a...).AsSlice()
	}
	return refBytes(m.number(f))
}

func (m *displayMaker) octets(b []byte) string {
	var s []string
	for _, o := range b {
		s = append(s, fmt.Sprintf("%02x", o))
	}
	if len(s) == 1 && m.theirs[s[0]] {
		return "0x" + s[0] // ff and fc are protocols there
	}
	return strings.Join(s, one(m, ":", ":", "-"))
}

// slice makes a test of a slice in each of the forms.
func (m *displayMaker) slice(f *field, quantifier, equal string) string {
	width := widths[f.typ]
	b := m.bytes(f)
	if len(b) != width {
		b = make([]byte, width)
	}
	i := m.IntN(width - 1)
	n := 1 + m.IntN(min(width-i, 3))
	text, part := fmt.Sprintf("[%d:%d]", i, n), b[i:i+n]
	switch m.IntN(6) {
	case 0:
		if n == 1 {
			n, part = 2, b[i:i+2] // [2-2] is none there
		}
		text = fmt.Sprintf("[%d-%d]", i, i+n-1)
	case 1:
		text, part = fmt.Sprintf("[%d]", i), b[i:i+1]
	case 2:
		text, part = fmt.Sprintf("[:%d]", n), b[:n]
	case 3:
		text, part = fmt.Sprintf("[%d:]", width-n), b[width-n:]
	case 4:
		text, part = fmt.Sprintf("[0,%d:%d]", i, n), append([]byte{b[0]}, b[i:i+n]...)
	}
	switch m.IntN(6) {
	case 0:
		return f.name + text
	case 1:
		return f.name + text + " contains " + m.octets(part[:1])
	case 2:
		return quantifier + f.name + text + " " + one(m, "<=", ">=", "le", "ge") + " " + m.octets(part)
	}
	return quantifier + f.name + text + " " + equal + " " + m.octets(part)
}

// masked makes a test of some bits of an address.
func (m *displayMaker) masked(f *field, name, equal string) string {
	mask := make([]byte, widths[f.typ])
	for i := range mask {
		mask[i] = one[byte](m, 0, 0xff, 0x0f, 1)
	}
	mask[len(mask)-1] |= 1
	b := m.bytes(f)
	if len(b) != len(mask) {
		b = make([]byte, len(mask))
	}
	b = slices.Clone(b)
	for i := range b {
		b[i] &= mask[i]
	}
	text := func(b []byte) string { a, _ := netip.AddrFromSlice(b); return a.String() }
	if m.IntN(4) == 0 {
		return f.name + " & " + text(mask)
	}
	return name + " & " + text(mask) + " " + equal + " " + text(b)
}
