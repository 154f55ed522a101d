package rules

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"flowmeter/meter/packet"
)

// The table of fields is well-formed: what the compiler takes for granted.
func TestFields(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range everyField() {
		if seen[f.name] {
			t.Errorf("%s stands twice", f.name)
		}
		seen[f.name] = true
		if refFields[f.name] == nil && refTunnels[f.name] == nil && f.attr&computed == 0 && f.typ != typePass {
			t.Errorf("%s: the reference cannot read it", f.name)
		}
		if f.attr&(f.attr-1) != 0 {
			t.Errorf("%s saves several attributes", f.name)
		}
		number := f.typ == typeNumber || f.typ == typeMAC || f.typ == typeName || f.typ == typeTime || f.typ == typeClock
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
		VLAN2, MPLS, TClass, TTL, FlowLabel, ICMP, Iface, SrcClass, DstClass, SrcKind, DstKind, FlowClass, FlowKind,
		DSCP, ECN, VLANPrio, Fragment, Length, TCPFlags, MSS, WindowScale, SACK, Extensions, Hour, Weekday, TunnelID} {
		if !attrHasField(a) {
			t.Errorf("no field saves attribute %#x", a)
		}
	}
}

func attrHasField(a Attr) bool {
	return len(fieldNames(func(f *field) bool { return f.attr == a })) > 0
}

// elements reads which IPFIX elements carry a field.
func elements(t *testing.T) map[string][]string {
	t.Helper()
	src, err := os.ReadFile("testdata/elements.txt")
	if err != nil {
		t.Fatal(err)
	}
	of := map[string][]string{}
	for line := range strings.Lines(string(src)) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if fieldByName(words[0]) == nil || len(words) < 2 || of[words[0]] != nil {
			t.Errorf("elements.txt: %s", line)
		}
		of[words[0]] = words[1:]
	}
	return of
}

// absences say of each thing that a field needs when it is not there. What
// follows from another is behind it.
var absences = []struct {
	need have
	when string
}{
	{portsTCP, "not TCP, or cut before the ports"}, {portsUDP, "not UDP, or cut before the ports"},
	{portsUDPLite, "not UDP-Lite, or cut before the ports"}, {portsUDPs, "not UDP or UDP-Lite, or cut before the ports"},
	{portsSCTP, "not SCTP, or cut before the ports"}, {portsDCCP, "not DCCP, or cut before the ports"},
	{ports, "no ports, or cut before them"}, {tcp, "not TCP, later fragments, cut within the header"},
	{have(packet.HasUDP), "later fragments, cut within the header"}, {payload, "its end is not known"},
	{have(packet.HasICMP), "not ICMP, later fragments, cut before it"}, {have(packet.HasICMPv6), "not ICMPv6, later fragments, cut before it"},
	{protoICMP, "not ICMP"}, {protoICMPv6, "not ICMPv6"}, {isARP, "not ARP"}, {arp4, "not ARP for IPv4, or cut"}, {have(packet.HasFragment), "whole packets"},
	{ip4, "not IPv4"}, {ip6, "not IPv6"}, {anyIP, "not IP"}, {have(packet.HasVLAN2), "fewer than two tags"},
	{have(packet.HasVLAN), "no tag"}, {have(packet.HasMPLS), "no labels"}, {mac, "no MAC addresses"}, {have(packet.HasEtherType), "no EtherType"},
}

// absent says when a field is.
func absent(t *testing.T, f *field) string {
	var when []string
	need := f.from[0].need
	if need&ofTunnel != 0 {
		return tunnelAbsent(need)
	}
	for _, a := range absences {
		if need&a.need != 0 {
			when, need = append(when, a.when), need&^a.need
		}
	}
	if need != 0 {
		t.Errorf("%s: nothing says when it is absent", f.name)
	}
	if s := f.scanned(); s != nil {
		switch s.in {
		case inTCPOptions, inIPOptions:
			when = append(when, "no such option")
		case inExtensions:
			when = append(when, "no such header")
		}
	}
	if when == nil {
		return "never"
	}
	return strings.Join(when, "; ")
}

// tunnelAbsent is absent of tunnel headers.
func tunnelAbsent(need have) string {
	switch need {
	case ofTunnel:
		return "never"
	case ofTunnel | isTunnel:
		return "nothing within that could be read"
	}
	return "no such header"
}

// everyField returns the rows of both tables.
func everyField() (all []*field) {
	for _, table := range [][]field{fields, tunnelFields} {
		for i := range table {
			all = append(all, &table[i])
		}
	}
	return all
}

// The table for the manual, docs/rules.md, comes from the same rows.
func TestFieldTable(t *testing.T) {
	carried := elements(t)
	var b strings.Builder
	b.WriteString("| name | is | saved | RFC 2722 | IPFIX | absent | note |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, f := range everyField() {
		is, save := typeNames[f.typ], ""
		if f.typ == typeNumber {
			is += fmt.Sprintf(", 0 to %d", f.max)
		}
		if f.attr != 0 {
			save = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", f.name, is, save, f.rtfm,
			strings.Join(carried[f.name], ", "), absent(t, f), f.note)
	}
	golden(t, "testdata/fields.md", b.String())
}
