package srl

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// A value is what stands for the octets of an attribute or a mask. How many
// octets it has is known where its attribute is (RFC 2723 Appendix B).
type value struct {
	pos    pos
	text   string
	octets []byte // of the fields, the first ones of the attribute; nil if single
	single bool   // one decimal field, which fills the attribute
	num    uint64 // of single
	char   bool   // a character constant; single too
	v6     bool   // an IPv6 address
}

// An operand is a value with a mask; without one, all bits count.
type operand struct {
	value value
	width int    // of /width; -1 without
	mask  *value // of &mask; nil without
}

// newValue reads a token.
func newValue(t token, errs *mistakes) value {
	v := value{pos: t.pos, text: t.text}
	switch t.kind {
	case tokInt:
		v.single = true
		n, err := strconv.ParseUint(t.text, 10, 64)
		if v.num = n; err != nil {
			errs.add(t.pos, "", "%s is too large", t.text)
		}
	case tokChar:
		v.single, v.char, v.num = true, true, uint64(t.text[0])
	case tokValue:
		if a, err := netip.ParseAddr(t.text); err == nil && a.Is6() {
			octets := a.As16()
			v.v6, v.octets = true, octets[:]
			return v
		}
		v.octets = fields(t, errs)
	case tokBad: // said already
	default:
		hint := "write a number, fields joined by . - or !, or 'W'"
		if t.kind == tokIdent && !keywords[t.text] && attributes[t.text] == nil {
			hint = "write a number, or say above what it is: define " + t.text + " = 1;"
		}
		errs.add(t.pos, hint, "%s stands where a value should", shown(t))
	}
	return v
}

// fields reads the fields of a value. What joins a field to the next says how
// it is written and how wide it is; the last is like the one before it.
func fields(t token, errs *mistakes) []byte {
	var octets []byte
	rest, sep := t.text, byte(0)
	for rest != "" {
		end := strings.IndexAny(rest, ".-!")
		field := rest
		if end >= 0 {
			field, sep, rest = rest[:end], rest[end], rest[end+1:]
		} else {
			rest = ""
		}
		base, bits := 10, 8
		switch sep {
		case '-':
			base = 16
		case '!':
			bits = 16
		}
		n, err := strconv.ParseUint(field, base, bits)
		if err != nil || end >= 0 && rest == "" {
			errs.add(t.pos, ". joins decimal octets, - hexadecimal ones, ! decimal numbers of two octets", "%s is no value", t.text)
			return nil
		}
		if bits == 16 {
			octets = append(octets, byte(n>>8))
		}
		octets = append(octets, byte(n))
	}
	return octets
}

// fill returns the value as size octets.
func (v *value) fill(size int) ([]byte, bool) {
	out := make([]byte, size)
	if !v.single {
		return out, copy(out, v.octets) == len(v.octets)
	}
	var whole [8]byte
	binary.BigEndian.PutUint64(whole[:], v.num)
	if size >= 8 {
		copy(out[size-8:], whole[:])
		return out, true
	}
	copy(out, whole[8-size:])
	return out, v.num>>(8*size) == 0
}

// resolved is an operand as octets of its attribute.
type resolved struct {
	value, mask []byte
	width       int // leading bits of mask, if it has no others; else -1
}

// resolve gives an operand its octets. What is wrong is said of the place
// where it stands, once: a parameter may stand for several attributes.
func (o *operand) resolve(a *attribute, errs *mistakes) (r resolved, ok bool) {
	size := a.size
	if a.class == peerAddress && (o.value.v6 || len(o.value.octets) > 4 || o.mask != nil && len(o.mask.octets) > 4) {
		size = 16
	}
	if r.value, ok = o.value.fill(size); !ok {
		errs.once(o.value.pos, "", "%s is too long: %s has %s", o.value.text, a.name, plural(size, "octet"))
		return r, false
	}
	if r.mask, ok = o.maskOf(a, size, errs); !ok {
		return r, false
	}
	r.width = leading(r.mask)
	for i, m := range r.mask {
		if r.value[i]&^m != 0 {
			errs.once(o.value.pos, o.maskHint(a), "%s has bits that its mask leaves out: this is never true", o.value.text)
			return r, false
		}
	}
	return r, true
}

func (o *operand) maskHint(a *attribute) string {
	if a.size > 1 && o.value.single && !o.value.char {
		return "one field fills the whole attribute: write " + o.value.text + ".0"
	}
	return ""
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

func (o *operand) maskOf(a *attribute, size int, errs *mistakes) ([]byte, bool) {
	if o.mask != nil {
		m, ok := o.mask.fill(size)
		if !ok {
			errs.once(o.mask.pos, "", "the mask %s is too long: %s has %s", o.mask.text, a.name, plural(size, "octet"))
		}
		return m, ok
	}
	bits := 8 * size
	if o.width >= 0 {
		bits = o.width
	}
	if bits > 8*size {
		errs.once(o.value.pos, "", "/%d is too wide: %s has %d bits", o.width, a.name, 8*size)
		return nil, false
	}
	return prefixMask(bits, size), true
}

func prefixMask(bits, size int) []byte {
	m := make([]byte, size)
	for i := range bits {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// leading returns how many bits a mask of leading bits has, or -1.
func leading(mask []byte) int {
	n := 0
	for n < 8*len(mask) && mask[n/8]&(0x80>>(n%8)) != 0 {
		n++
	}
	for i := n; i < 8*len(mask); i++ {
		if mask[i/8]&(0x80>>(i%8)) != 0 {
			return -1
		}
	}
	return n
}

// number returns octets as a number.
func number(b []byte) (n uint64) {
	for _, octet := range b {
		n = n<<8 | uint64(octet)
	}
	return n
}
