package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A maker makes random rule files and packets that often fit each other: both
// draw from the same few values.
type maker struct {
	*rand.Rand
	// plain files test nothing that varies within a conversation and save
	// little but the five-tuple, so that many are fused or conversational.
	plain  bool
	params []*field // of the subroutine that is being made
	inner  bool     // it is the one that calls no other
	blocks []string // that the rule being made is in
	made   int      // blocks so far
	nested bool     // files test packets within packets, too
}

func newMaker(seed uint64) *maker {
	return &maker{Rand: rand.New(rand.NewPCG(seed, 1)), plain: seed%3 == 0}
}

// field chooses a field; those with a meaning of their own more often.
func (m *maker) field() *field {
	if len(m.params) > 0 && m.IntN(2) == 0 {
		return pick(m, m.params...)
	}
	if m.nested && m.IntN(3) == 0 {
		return m.nestedField()
	}
	if m.IntN(3) == 0 {
		name := pick(m, "class", "kind", "src.addr", "dst.port", "tcp.port", "addr", "ip", "vlan.id", "pass", "zone", "hits")
		if f := fieldByName(name); f == nil {
			return &field{name: name, typ: typeName, max: max16}
		} else if !m.plain || !f.varies && f.typ != typePass {
			return f
		}
	}
	for {
		if f := &fields[m.IntN(len(fields))]; !m.plain || !f.varies && f.typ != typePass {
			return f
		}
	}
}

func pick[T any](m *maker, from ...T) T { return from[m.IntN(len(from))] }

// file makes a rule file with one rule set.
func (m *maker) file() string {
	var b strings.Builder
	b.WriteString("networks:\n  home: [10.0.0.0/8, fd00::/8]\n  labs: [10.1.2.0/24, 2001:db8::/32]\n  labs4: [10.0.0.0/8, 10.1.0.0/16]\n")
	b.WriteString("sets:\n  web: [80, 443, 8000..8100]\n  hosts: [10.1.2.3, \"fd00::1\", 8.8.0.0/16]\n")
	m.subroutines(&b)
	fmt.Fprintf(&b, "rulesets:\n- orient: %s\n  rules:\n", pick(m, orientNames...))
	names := "zone: names, hits: 7"
	if !m.plain {
		names += ", class: web, kind: web, src.kind: web, dst.kind: web, src.class: big, dst.class: big"
	}
	fmt.Fprintf(&b, "  - if: proto == 255\n    set: {%s}\n", names)
	m.rules(&b, "  ", 0)
	return b.String()
}

func (m *maker) rules(b *strings.Builder, indent string, depth int) {
	for range 1 + m.IntN(4) {
		if m.IntN(8) == 0 {
			m.alike(b, indent, depth)
		}
		m.rule(b, indent, depth)
	}
}

// subroutines makes two, of which the second calls the first. Of their
// parameters a stands for an address, p for a port and z for what set: changes.
func (m *maker) subroutines(b *strings.Builder) {
	addr := &field{name: "a", typ: typeAddr}
	port := &field{name: "p", typ: typeNumber, max: max16}
	set := &field{name: "z", typ: typeName, max: max16}
	fmt.Fprintf(b, "subroutines:\n  inner:\n    params: [a, z]\n    rules:\n")
	m.params, m.inner = []*field{addr, set}, true
	m.rules(b, "    ", 1)
	fmt.Fprintf(b, "  outer:\n    params: [p, a, z]\n    rules:\n")
	m.params, m.inner = []*field{addr, port, set}, false
	m.rules(b, "    ", 1)
	m.params = nil
}

func (m *maker) rule(b *strings.Builder, indent string, depth int) {
	fmt.Fprintf(b, "%s- %s\n", indent, m.end())
	if m.IntN(6) == 0 {
		fmt.Fprintf(b, "%s  measure: [%s, %s]\n", indent, pick(m, quantityNames...), pick(m, quantityNames...))
	}
	conditional := m.IntN(8) != 0
	text := ""
	if conditional {
		text = strings.ReplaceAll(m.expr(0), "'", "\"")
		if m.IntN(5) == 0 {
			text = m.operand() + pick(m, " && ", " || ") + m.operand()
		}
		fmt.Fprintf(b, "%s  if: '%s'\n", indent, text)
	}
	switch m.IntN(4) {
	case 0:
		fmt.Fprintf(b, "%s  save: [%s]\n", indent, strings.Join(m.savesOf(text), ", "))
	case 1:
		fmt.Fprintf(b, "%s  set: {%s: %s}\n", indent, m.target(), pick(m, "3", "0", "7"))
	}
	if depth < 2 && !m.inner && m.IntN(4) == 0 {
		m.call(b, indent, depth)
	}
	if block := depth < 2 && m.IntN(5) == 0; block || conditional && depth < 2 && m.IntN(3) == 0 {
		if block {
			m.made++
			m.blocks = append(m.blocks, fmt.Sprintf("b%d", m.made))
			fmt.Fprintf(b, "%s  block: b%d\n", indent, m.made)
		}
		fmt.Fprintf(b, "%s  then:\n", indent)
		m.rules(b, indent+"  ", depth+1)
		if block {
			m.blocks = m.blocks[:len(m.blocks)-1]
		}
	}
	if conditional && depth < 2 && m.IntN(4) == 0 {
		fmt.Fprintf(b, "%s  else:\n", indent)
		m.rules(b, indent+"  ", depth+1)
	}
}

// end makes what ends a rule.
func (m *maker) end() string {
	switch {
	case m.params != nil && m.IntN(3) == 0:
		return pick(m, "return: 1", "return: 2", "return: 9", "do: return")
	case len(m.blocks) > 0 && m.IntN(3) == 0:
		return "leave: " + pick(m, m.blocks...)
	}
	return "do: " + pick(m, "next", "next", "count", "count", "ignore", "nomatch")
}

// call makes a call of a subroutine, with what is done with its numbers.
func (m *maker) call(b *strings.Builder, indent string, depth int) {
	port, addr, set := pick(m, "src.port", "tcp.dstport"), pick(m, "src.addr", "dst.addr"), m.target()
	call := fmt.Sprintf("outer: [%s, %s, %s]", port, addr, set)
	switch {
	case m.params != nil:
		call = "inner: [a, z]"
	case m.IntN(2) == 0:
		call = fmt.Sprintf("inner: [%s, %s]", addr, set)
	}
	fmt.Fprintf(b, "%s  call: {%s}\n", indent, call)
	if m.IntN(3) == 0 {
		return
	}
	fmt.Fprintf(b, "%s  on:\n", indent)
	for _, n := range []int{1, 2}[m.IntN(2):] {
		fmt.Fprintf(b, "%s    %d:\n", indent, n)
		m.rules(b, indent+"    ", depth+1)
	}
}

// operand makes a test whose operand save: matched saves.
func (m *maker) operand() string {
	switch m.IntN(4) {
	case 0:
		return pick(m, "src.addr", "ip.dst") + pick(m, " == 10.0.0.0/8", " in {10.0.0.0/8, 10.1.2.0/24, 8.8.8.8}", " in $labs4")
	case 1:
		return "dst.addr in " + pick(m, "$home", "$labs", "$hosts", "{$home, 10.1.2.3}")
	case 2:
		return "src.port" + pick(m, " == 53", " in $web", " in {53, 80, 1024..65535}")
	}
	return "proto in {6, 17}"
}

// savesOf is saves, but for a rule with that expression.
func (m *maker) savesOf(text string) []string {
	names := m.saves()
	if m.plain {
		return names
	}
	for _, matched := range []string{"src.addr ==", "src.addr in {", "src.addr in $", "ip.dst ==", "ip.dst in ", "dst.addr in $", "dst.addr in {$", "src.port == 53", "src.port in $web", "proto in {6, 17}"} {
		if strings.HasPrefix(text, matched) && !strings.Contains(text, "..1") && m.IntN(2) == 0 {
			return append(names, "matched")
		}
	}
	if m.params != nil && m.IntN(2) == 0 {
		names = append(names, pick(m, "a", "a/24", "a/0"))
	}
	if m.nested && m.IntN(3) == 0 {
		names = append(names, pick(m, "gre.key", "vxlan.vni/8", "gtp.teid & 0xff", "{geneve.vni: 7}"))
	}
	if m.IntN(3) == 0 {
		names = append(names, pick(m, "{proto: 0}", "{src.addr: 192.0.2.0/24}", `{dst.addr/16: "fd00::1"}`, "{dst.port/8: 443, src.port: 53}",
			`{src.mac: "00:1b:21:00:00:01"}`, "tclass & 0xfc", "ipv6.flow&0x3ff", "{vlan.outer & 0xff: 300}", "{arp.dst.proto_ipv4/24: 10.1.2.3}", "arp.src.proto_ipv4/24"))
	}
	return names
}

func (m *maker) target() string {
	if m.params != nil && m.IntN(2) == 0 {
		return "z"
	}
	if m.plain {
		return pick(m, "zone", "hits")
	}
	return pick(m, "zone", "zone", "class", "class", "kind", "src.kind", "dst.kind", "src.class", "dst.class", "hits")
}

func (m *maker) saves() []string {
	if m.plain && m.IntN(8) != 0 || m.IntN(3) == 0 {
		tuple := []string{"src.addr", "dst.addr", "src.port", "dst.port", "proto"}
		return tuple[:pick(m, 5, 5, 5, 5, 5, 5, 2, 3)]
	}
	var names []string
	for range m.IntN(5) {
		var f *field
		for f == nil || f.attr == 0 || f.attr&computed != 0 {
			f = &fields[m.IntN(len(fields))]
		}
		name := f.name
		if w := maskWidth(f); w > 0 && m.IntN(2) == 0 {
			name += fmt.Sprintf("/%d", m.IntN(w+1))
		}
		names = append(names, name)
	}
	return names
}

func (m *maker) expr(depth int) string {
	if depth < 3 {
		switch m.IntN(6) {
		case 0:
			return pick(m, "!", "not ") + "(" + m.expr(depth+1) + ")"
		case 1:
			return m.expr(depth+1) + pick(m, " && ", " and ") + m.expr(depth+1)
		case 2:
			return m.expr(depth+1) + pick(m, " || ", " or ") + m.expr(depth+1)
		case 3:
			return "(" + m.expr(depth+1) + ")"
		}
	}
	return m.test()
}

func (m *maker) test() string {
	f := m.field()
	alone := f.typ != typeName && f.typ != typePass && f.typ != typeClock
	octets := widths[f.typ] > 0
	if f.typ == typeProto || alone && m.IntN(5) == 0 {
		return pick(m, "", "!") + f.name
	}
	equal := pick(m, " == ", " != ", " eq ", " ne ", " === ", " !== ", " ~= ", " any_eq ", " all_ne ")
	quantifier := ""
	if m.IntN(6) == 0 {
		quantifier, equal = pick(m, "any ", "all "), pick(m, " == ", " != ")
	}
	order := pick(m, " <= ", " >= ", " le ", " ge ")
	switch {
	case octets && m.IntN(3) == 0:
		return quantifier + m.octets(f, equal, order)
	case (f.typ == typeNumber || f.typ == typeMAC) && m.IntN(5) == 0:
		return quantifier + f.name + pick(m, " & ", " bitwise_and ") + m.mask(f) + pick(m, equal, order) + m.value(f)
	case (f.typ == typeNumber || f.typ == typeMAC) && m.IntN(8) == 0:
		return f.name + " & " + m.mask(f)
	case f.typ == typeName && f.name == "class" && m.IntN(4) == 0:
		return quantifier + pick(m, `class contains "in"`, `class matches "^(IN|out)$"`, `class ~ "a"`)
	case (f.typ == typeNumber || f.typ == typeClock || f.typ == typeTime || f.typ == typeMAC) && m.IntN(3) == 0:
		return quantifier + f.name + order + m.value(f)
	case f.isAddr() && m.IntN(6) == 0:
		return quantifier + f.name + order + m.value(f)
	case f.isAddr() && m.IntN(3) == 0, f.typ == typeNumber && f.max == max16 && m.IntN(4) == 0:
		return quantifier + f.name + pick(m, " in ", equal) + m.list(f)
	case m.IntN(2) == 0:
		return quantifier + f.name + " in {" + strings.Join(m.items(f), ", ") + "}"
	case m.IntN(8) == 0:
		return f.name + " not in {" + strings.Join(m.items(f), ", ") + "}"
	}
	return quantifier + f.name + equal + m.value(f)
}

// octets makes a test of some octets of an address.
func (m *maker) octets(f *field, equal, order string) string {
	width := widths[f.typ]
	from := m.IntN(width - 1)
	slice, size := pick(m, fmt.Sprintf("[%d:2]", from), fmt.Sprintf("[%d-%d]", from, from+1)), 2
	switch m.IntN(5) {
	case 0:
		slice, size = fmt.Sprintf("[%d]", pick(m, from, from-width)), 1
	case 1:
		slice = pick(m, "[:2]", "[-2:]", fmt.Sprintf("[%d:]", width-2))
	case 2:
		slice, size = fmt.Sprintf("[0,%d:2]", from), 3
	}
	name := f.name + slice
	if m.IntN(4) == 0 {
		name += " & " + m.some(size)
	}
	switch m.IntN(6) {
	case 0:
		return name + order + m.some(size)
	case 1:
		return name + " in {" + m.some(size) + ", " + strings.Repeat("00", size) + ".." + m.some(size) + "}"
	case 2:
		return name + " contains " + m.some(1)
	case 3:
		if f.isAddr() {
			address := m.value(&field{typ: f.typ})
			return f.name + " & " + pick(m, map[fieldType][]string{typeAddr4: {"255.0.0.255", "0.255.255.0"}, typeAddr6: {"ffff::f", "::ff"}}[f.typ]...) +
				equal + strings.Split(address, "/")[0]
		}
		return f.name + " contains " + m.some(2)
	}
	return name + equal + m.some(size)
}

// some makes so many octets.
func (m *maker) some(n int) string {
	var s []string
	for range n {
		s = append(s, pick(m, "00", "01", "0a", "02", "fd", "ff", "1b", "c0"))
	}
	return strings.Join(s, pick(m, ":", "-"))
}

func (m *maker) mask(f *field) string {
	if f.typ == typeMAC {
		return pick(m, "01:00:00:00:00:00", "00:00:00:00:00:03", "ff:ff:ff:00:00:00")
	}
	return fmt.Sprint(1 + m.Uint64N(min(f.max, 4000)))
}

func (m *maker) list(f *field) string {
	switch {
	case !f.isAddr():
		return "$web"
	case f.typ == typeAddr:
		return pick(m, "$home", "$labs", "$hosts")
	}
	return pick(m, "$home", "$labs")
}

func (m *maker) items(f *field) []string {
	var items []string
	for range 1 + m.IntN(12) {
		items = append(items, m.item(f))
	}
	return items
}

func (m *maker) item(f *field) string {
	switch {
	case f.typ == typeNumber && m.IntN(3) == 0:
		lo, hi := min(m.number(), f.max), min(m.number(), f.max)
		return fmt.Sprintf("%d..%d", min(lo, hi), max(lo, hi))
	case (f.typ == typeAddr || f.typ == typeAddr4) && m.IntN(8) == 0:
		return "10.1.2.0..10.9.0.0"
	case f.isAddr() && m.IntN(6) == 0:
		return m.list(f)
	}
	return m.value(f)
}

func (m *maker) value(f *field) string {
	switch f.typ {
	case typeBool:
		return pick(m, "0", "1", "true", "False")
	case typeNumber:
		if f.max == max16 && m.IntN(2) == 0 {
			return fmt.Sprint(pick(m, poolPort...))
		}
		if strings.Contains(f.name, "proto") || f.name == "ipv6.nxt" {
			return fmt.Sprint(pick(m, poolProto...))
		}
		return fmt.Sprintf(pick(m, "%d", "0x%x"), min(m.number(), f.max))
	case typeAddr4:
		return pick(m, append(poolAddr4, poolNet4...)...)
	case typeAddr6:
		return pick(m, append(poolAddr6, poolNet6...)...)
	case typeAddr:
		return pick(m, m.value(&field{typ: typeAddr4}), m.value(&field{typ: typeAddr6}))
	case typeMAC:
		return pick(m, poolMAC...)
	case typeTime:
		return pick(m, "0", "864000.5", `"1970-01-07 03:04:05"`)
	case typeClock:
		return pick(m, "00:00", "08:30", "12:00:01", "23:59:59")
	case typePass:
		return pick(m, `"forward"`, `"reverse"`)
	}
	return m.nameOf(f.name)
}

// nameOf returns a number, or a name that file gives to the field.
func (m *maker) nameOf(name string) string {
	switch {
	case name == "class" && m.plain:
		return pick(m, "3", `"in"`, `"out"`, `"internal"`, `"transit"`)
	case name != "zone" && m.plain:
		return pick(m, "3", "0", "7")
	}
	switch name {
	case "class":
		return pick(m, "3", `"web"`, `"in"`, `"out"`, `"internal"`, `"transit"`)
	case "src.class", "dst.class":
		return pick(m, "3", "0", `"big"`)
	case "zone":
		return pick(m, "3", "0", `"names"`)
	case "hits", "z":
		return pick(m, "3", "0", "7")
	}
	return pick(m, "3", "0", `"web"`)
}
