package rules

import (
	"regexp"
	"strings"
	"time"
)

// text checks contains and matches, of names: those that fit are known, so that
// nothing is left to be searched in packets.
func (c *checker) text(e *expr, k *cond) {
	f, l := k.field, e.items[0].lo
	switch {
	case l.kind == litBad:
		return
	case f.typ != typeName || e.mask != nil:
		c.errorf(e.pos, wanted[f.typ], "%s is %s, no text", f.name, typeNames[f.typ])
		return
	case l.kind != litName:
		c.errorf(l.pos, "write it in quotes: "+quote(l.text), "%s is no text", l.text)
		return
	}
	fits := func(name string) bool { return strings.Contains(name, l.text) }
	if e.op == "~" {
		re, err := regexp.Compile("(?i)" + l.text)
		if err != nil {
			c.errorf(l.pos, "RE2: https://github.com/google/re2/wiki/Syntax", "%s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			return
		}
		fits = re.MatchString
	}
	for _, name := range c.names.known(f.name) {
		if n, ok := c.names.lookup(f.name, name); ok && fits(name) {
			k.want.spans = append(k.want.spans, span{uint64(n), uint64(n)})
		}
	}
	if k.want.spans == nil {
		hint := "a rule of this rule set gives names: set: {" + f.name + ": …}"
		if known := c.names.known(f.name); len(known) > 0 {
			hint = "its names: " + strings.Join(known, ", ")
		}
		c.errorf(l.pos, hint, "no name of %s fits", f.name)
	}
}

// layouts of points in time, all in UTC.
var layouts = []string{"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02 15:04", "2006-01-02"}

// time returns a point in time in nanoseconds since 1970, or a time of day in
// seconds.
func (c *checker) time(f *field, l literal) (uint64, bool) {
	if f.typ == typeClock {
		for _, layout := range []string{"15:04", "15:04:05"} {
			if t, err := time.Parse(layout, l.text); err == nil && l.kind == litOctets {
				return uint64(t.Hour()*3600 + t.Minute()*60 + t.Second()), true
			}
		}
		c.mismatch(f, l, "is "+literalNames[l.kind])
		return 0, false
	}
	switch l.kind {
	case litNumber, litDecimal:
		whole, part, _ := strings.Cut(l.text, ".")
		if n, err := time.ParseDuration(whole + "." + part + "0s"); err == nil {
			return uint64(n), true
		}
	case litName:
		for _, layout := range layouts {
			if t, err := time.Parse(layout, l.text); err == nil && t.Unix() >= 0 {
				return uint64(t.UnixNano()), true
			}
		}
	}
	c.mismatch(f, l, "is "+literalNames[l.kind])
	return 0, false
}
