package rules

import (
	"fmt"
	"slices"
	"strings"
)

// number returns the number that a literal stands for in a field.
func (c *checker) number(f *field, l literal) (uint64, bool) {
	switch {
	case f.typ == typePass && l.kind == litName, f.typ == typeName && l.kind == litName:
		return c.name(f, l)
	case f.typ == typeMAC && l.kind == litMAC, f.typ == typeBool && l.kind == litTruth:
		return l.num, true
	case f.typ == typeTime || f.typ == typeClock:
		return c.time(f, l)
	case l.kind != litNumber || f.typ == typeMAC || f.typ == typePass:
		c.mismatch(f, l, "is "+literalNames[l.kind])
		return 0, false
	case l.num > f.max:
		c.errorf(l.pos, "", "%s is out of range: %s is 0 to %d", l.text, f.name, f.max)
		return 0, false
	}
	return l.num, true
}

// name returns the number of a name that set: gives to the field somewhere.
func (c *checker) name(f *field, l literal) (uint64, bool) {
	known := []string{"forward", "reverse"}
	if f.typ == typePass {
		i := slices.Index(known, l.text)
		if i >= 0 {
			return uint64(i), true
		}
	} else {
		if n, ok := c.names.lookup(f.name, l.text); ok {
			return uint64(n), true
		}
		known = c.names.known(f.name)
	}
	hint := didYouMean(l.text, known)
	if hint == "" && len(known) > 0 && len(known) <= 8 {
		hint = "one of: " + strings.Join(known, ", ")
	}
	if hint == "" {
		hint = fmt.Sprintf("a rule of this rule set gives it: set: {%s: %s}", f.name, l.text)
	}
	c.errorf(l.pos, hint, "%s is never %q", f.name, l.text)
	return 0, false
}

// wanted shows how the values of each type are written.
var wanted = [...]string{
	typeBool: "write 0 or 1", typeNumber: "write a number: 443, 0x1f",
	typeAddr: "write 10.0.0.1, 10.0.0.0/8, fd00::/8 or $home", typeAddr4: "write 10.0.0.1, 10.0.0.0/8 or $home",
	typeAddr6: "write 2001:db8::1, fd00::/8 or $home", typeMAC: "write 00:1b:21:3c:9d:f8",
	typeTime: `write "2026-11-22 10:54:14" or seconds since 1970`, typeClock: "write 08:00 or 17:59:59",
	typeName: `write a number or a name in quotes: "web"`, typePass: `write "forward" or "reverse"`,
}

func (c *checker) mismatch(f *field, l literal, is string) {
	text, hint := l.text, wanted[f.typ]
	if l.kind == litName {
		text = quote(text)
		if isProtocol(l.text) {
			hint = "write its number, or in a condition " + l.text + " alone"
		}
	}
	c.errorf(l.pos, hint, "%s is %s, but %s %s", f.name, typeNames[f.typ], text, is)
}
