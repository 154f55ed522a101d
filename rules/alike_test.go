package rules

import (
	"fmt"
	"strings"
)

// alike makes many rules that test the same few fields, so that they are
// looked up; between them stand rules that are not.
func (m *maker) alike(b *strings.Builder, indent string, depth int) {
	var of []*field
	for range 1 + m.IntN(3) {
		of = append(of, m.lookedUp())
	}
	for range 8 + m.IntN(30) {
		if m.IntN(12) == 0 {
			m.rule(b, indent, min(depth+1, 2))
			continue
		}
		fmt.Fprintf(b, "%s- do: %s\n", indent, pick(m, "next", "next", "next", "next", "count", "ignore", "nomatch"))
		fmt.Fprintf(b, "%s  if: '%s'\n", indent, strings.ReplaceAll(m.alikeExpr(of), "'", "\""))
		switch m.IntN(6) {
		case 0, 1:
			fmt.Fprintf(b, "%s  set: {%s: %s}\n", indent, m.target(), pick(m, "3", "0", "7"))
		case 2:
			if m.plain {
				break
			}
			fmt.Fprintf(b, "%s  save: [%s]\n", indent, strings.Join(m.saves(), ", "))
		case 3:
			fmt.Fprintf(b, "%s  else:\n", indent)
			m.rule(b, indent+"  ", 2)
		}
	}
}

// lookedUp chooses a field that rules can be looked up by.
func (m *maker) lookedUp() *field {
	for {
		name := pick(m, "src.addr", "dst.addr", "addr", "ip.src", "ipv6.dst", "tcp.dstport", "udp.port", "dst.port", "src.port", "port", "proto", "class", "zone")
		f := fieldByName(name)
		switch {
		case m.IntN(3) == 0:
			f = m.field()
		case f == nil:
			f = &field{name: name, typ: typeName, max: max16}
		}
		if f.typ != typeProto {
			return f
		}
	}
}

// alikeExpr makes an expression with a test of one of the fields in it.
func (m *maker) alikeExpr(of []*field) string {
	one := func() string {
		f := pick(m, of...)
		switch {
		case f.isAddr() && m.IntN(4) == 0, f.typ == typeNumber && f.max == max16 && m.IntN(6) == 0:
			return f.name + " in " + m.list(f)
		case m.IntN(3) == 0:
			return f.name + " in {" + strings.Join(m.items(f)[:1], ", ") + "}"
		case f.typ == typeNumber && m.IntN(8) == 0:
			return f.name + pick(m, " <= ", " >= ") + m.value(f)
		case m.IntN(12) == 0:
			return f.name + " != " + m.value(f)
		}
		return f.name + " == " + m.value(f)
	}
	switch m.IntN(8) {
	case 0:
		return one() + " && " + m.test()
	case 1:
		return m.test() + " && " + one()
	case 2:
		return one() + " && " + one()
	case 3:
		return one() + " || " + one()
	case 4:
		return "(" + one() + " || " + one() + " || " + one() + ") && " + m.test()
	}
	return one()
}
