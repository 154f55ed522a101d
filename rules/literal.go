package rules

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

type literalKind uint8

const (
	litNumber literalKind = iota
	litAddr
	litPrefix
	litMAC
	litName  // a text in quotes
	litList  // $name
	litTruth // true, false
	litOctets
	litDecimal // a number with a fraction; text is it
	litBad     // none of these; the mistake is reported already
)

var literalNames = [...]string{"a number", "an address", "a prefix", "a MAC address", "a name", "a list", "a truth value", "octets", "a fraction"}

// A literal is one value as it stands in an expression or a set.
type literal struct {
	kind   literalKind
	pos    int
	text   string
	num    uint64 // of a number, MAC address or truth value
	prefix netip.Prefix
	octets string
}

// An item is a value, or the range from lo to hi.
type item struct {
	lo, hi literal
	ranged bool
}

// newLiteral tells by its look what the value of a token is.
func newLiteral(t token) (literal, *mistake) {
	l := literal{pos: t.pos, text: t.text}
	switch t.kind {
	case tokString:
		l.kind = litName
		return l, nil
	case tokList:
		l.kind, l.text = litList, "$"+t.text
		return l, nil
	case tokEnd:
		return l, mistakef(t.pos, "", "the expression ends where a value should stand")
	case tokSymbol:
		return l, mistakef(t.pos, "names are written in quotes", "%s stands where a value should", t.text)
	}
	if l.number() || l.network() || l.mac() || l.truth() || l.fraction() {
		return l, nil
	}
	if strings.Contains(t.text, ":") {
		if o, m := newOctets(t); m == nil {
			return o, nil
		}
	}
	return l, notAValue(t)
}

// notAValue finds words for what a token that is no value might be.
func notAValue(t token) *mistake {
	switch {
	case isProtocol(t.text):
		return mistakef(t.pos, "write "+t.text+" alone, or compare with its number", "%s is a protocol, no value", t.text)
	case fieldByName(t.text) != nil:
		return mistakef(t.pos, "compare with a value", "%s is a field; two fields cannot be compared", t.text)
	case strings.Contains(t.text, "/"):
		return mistakef(t.pos, "address/length: 0 to 32 for IPv4, 0 to 128 for IPv6", "%s is no prefix", t.text)
	case t.text[0] >= '0' && t.text[0] <= '9' || strings.Contains(t.text, ":"):
		return mistakef(t.pos, "", "%s is no number, address or MAC address", t.text)
	}
	return mistakef(t.pos, "names are written in quotes: "+quote(t.text), "%s is not a value", t.text)
}

func isProtocol(name string) bool {
	f := fieldByName(name)
	return f != nil && f.typ == typeProto
}

func (l *literal) number() bool {
	base, digits := 10, l.text
	if hex, ok := strings.CutPrefix(strings.ToLower(digits), "0x"); ok {
		base, digits = 16, hex
	} else if len(digits) > 1 && digits[0] == '0' {
		return false // octal in display filters; too easily mistaken
	}
	n, err := strconv.ParseUint(digits, base, 64)
	l.kind, l.num = litNumber, n
	return err == nil
}

func (l *literal) network() bool {
	p, ok := parsePrefix(l.text)
	l.kind, l.prefix = litPrefix, p.Masked()
	if !strings.Contains(l.text, "/") {
		l.kind = litAddr
	}
	return ok
}

func (l *literal) mac() bool {
	mac, err := net.ParseMAC(l.text)
	if err != nil || len(mac) != 6 {
		return false
	}
	l.kind, l.num = litMAC, 0
	for _, b := range mac {
		l.num = l.num<<8 | uint64(b)
	}
	return true
}

func (l *literal) truth() bool {
	l.kind, l.num = litTruth, 0
	if strings.EqualFold(l.text, "true") {
		l.num = 1
	}
	return l.num == 1 || strings.EqualFold(l.text, "false")
}

func (l *literal) fraction() bool {
	_, err := strconv.ParseFloat(l.text, 64)
	l.kind = litDecimal
	return err == nil && strings.Contains(l.text, ".") && prefixOf(l.text, func(r rune) bool { return r == '.' || r >= '0' && r <= '9' }) == l.text
}

func quote(s string) string { return strconv.Quote(s) }
