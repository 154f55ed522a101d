package rules

import (
	"fmt"
	"strings"
	"testing"
)

// The table of fields is well-formed: what the compiler takes for granted.
func TestFields(t *testing.T) {
	seen := map[string]bool{}
	for i := range fields {
		f := &fields[i]
		if seen[f.name] {
			t.Errorf("%s stands twice", f.name)
		}
		seen[f.name] = true
		if refFields[f.name] == nil && f.attr&computed == 0 && f.typ != typePass {
			t.Errorf("%s: the reference cannot read it", f.name)
		}
		if f.attr&(f.attr-1) != 0 {
			t.Errorf("%s saves several attributes", f.name)
		}
		number := f.typ == typeNumber || f.typ == typeMAC || f.typ == typeName
		if number != (f.max > 1) || f.typ == typeProto && f.from[0].need == 0 {
			t.Errorf("%s: largest value %d, type %v", f.name, f.max, typeNames[f.typ])
		}
		if m, err := lex(f.name); err != nil || len(m) != 2 || m[0].kind != tokWord {
			t.Errorf("%s is no word", f.name)
		}
		if f.attr&computed == 0 && f.varies == refIsConstant(f.name) && f.typ != typePass {
			t.Errorf("%s: varies is %v", f.name, f.varies)
		}
	}
	for _, a := range []Attr{SrcAddr, DstAddr, SrcPort, DstPort, SrcMAC, DstMAC, Proto, Version, EtherType, VLAN,
		VLAN2, MPLS, TClass, TTL, FlowLabel, ICMP, Iface, SrcClass, DstClass, SrcKind, DstKind, FlowClass, FlowKind} {
		if !attrHasField(a) {
			t.Errorf("no field saves attribute %#x", a)
		}
	}
}

func attrHasField(a Attr) bool {
	return len(fieldNames(func(f *field) bool { return f.attr == a })) > 0
}

// The table for the manual, docs/rules.md, comes from the same rows.
func TestFieldTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("| name | is | saved | RFC 2722 | note |\n| --- | --- | --- | --- | --- |\n")
	for i := range fields {
		f := &fields[i]
		is, save := typeNames[f.typ], ""
		if f.typ == typeNumber {
			is += fmt.Sprintf(", 0 to %d", f.max)
		}
		if f.attr != 0 {
			save = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.name, is, save, f.rtfm, f.note)
	}
	golden(t, "testdata/fields.md", b.String())
}
