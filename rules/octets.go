package rules

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// An octetRange is what stands between the commas of a slice.
type octetRange struct {
	off   int // below 0: from the end
	size  int
	toEnd bool // size is all that follows
}

// maxOctets bounds what a slice takes together.
const maxOctets = 32

const sliceForms = "[i:n] is n octets from i, [i-j] from i to j, [i] one, [:n] the first n, [i:] all from i"

// ranges reads the text of a slice.
func (p *parser) ranges(t token) []octetRange {
	var list []octetRange
	for part := range strings.SplitSeq(t.text, ",") {
		r, ok := parseRange(strings.TrimSpace(part))
		if !ok {
			p.fail(mistakef(t.pos, sliceForms, "[%s] is no slice", t.text))
		}
		list = append(list, r)
	}
	return list
}

func parseRange(s string) (octetRange, bool) {
	if off, size, ok := strings.Cut(s, ":"); ok {
		i, iok := offset(off)
		n, err := strconv.Atoi(size)
		switch {
		case off == "" && size == "":
			return octetRange{}, false
		case size == "":
			return octetRange{off: i, toEnd: true}, iok
		}
		return octetRange{off: i, size: n}, (iok || off == "") && err == nil && n > 0
	}
	if at := strings.LastIndexByte(s, '-'); at > 0 {
		i, iok := offset(s[:at])
		j, jok := offset(s[at+1:])
		return octetRange{off: i, size: j - i + 1}, iok && jok && i >= 0 && j >= i
	}
	i, ok := offset(s)
	return octetRange{off: i, size: 1}, ok
}

// offset reads a place in a field; all fields are shorter than 100 octets.
func offset(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n > -100 && n < 100
}

// of returns the places that a range takes of so many octets, from and to; it
// is false if it does not lie within them.
func (r octetRange) of(octets int) (from, to int, ok bool) {
	if from = r.off; from < 0 {
		from += octets
	}
	if to = from + r.size; r.toEnd {
		to = octets
	}
	return from, to, from >= 0 && from < to && to <= octets
}

// newOctets reads octets, each of two hexadecimal digits, with :, - or . between
// them or nothing; one alone may have one digit or stand as 0x2f.
func newOctets(t token) (literal, *mistake) {
	text := strings.TrimPrefix(strings.ToLower(t.text), "0x")
	if len(text) == 1 {
		text = "0" + text
	}
	l := literal{kind: litOctets, pos: t.pos, text: t.text}
	for rest := text; rest != ""; {
		n, err := strconv.ParseUint(rest[:min(2, len(rest))], 16, 8)
		if err != nil || len(rest) < 2 || len(l.octets) == maxOctets {
			return l, mistakef(t.pos, "write octets as 00:1b:21", "%s is no octets", t.text)
		}
		l.octets += string([]byte{byte(n)})
		if rest = rest[2:]; len(rest) > 1 && strings.IndexByte(":-.", rest[0]) >= 0 {
			rest = rest[1:]
		}
	}
	return l, nil
}

// An octetTest is a test of the octets of an address or a part of it.
type octetTest struct {
	ranges [][2]int // from, to
	mask   []byte   // of what the ranges take together; nil: whole
	spans  []octetSpan
	part   []byte // contained in it; nil: one of spans is wanted
}

// An octetSpan is the octets from lo to hi, both included, in octet order.
type octetSpan struct{ lo, hi []byte }

// wants tells whether the test looks for these octets.
func (t *octetTest) wants(b []byte) bool {
	var buf [maxOctets]byte
	n := 0
	for _, r := range t.ranges {
		n += copy(buf[n:], b[r[0]:r[1]])
	}
	picked := buf[:n]
	for i, m := range t.mask {
		picked[i] &= m
	}
	if t.part != nil {
		return bytes.Contains(picked, t.part)
	}
	for i := range t.spans {
		if s := &t.spans[i]; bytes.Compare(s.lo, picked) <= 0 && bytes.Compare(picked, s.hi) <= 0 {
			return true
		}
	}
	return false
}

func (t *octetTest) equal(o *octetTest) bool {
	return slices.Equal(t.ranges, o.ranges) && bytes.Equal(t.mask, o.mask) && bytes.Equal(t.part, o.part) &&
		(t.part == nil) == (o.part == nil) && slices.EqualFunc(t.spans, o.spans, func(a, b octetSpan) bool {
		return bytes.Equal(a.lo, b.lo) && bytes.Equal(a.hi, b.hi)
	})
}
