package srl

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"flowmeter/rules"
)

// This file writes random rule tables of the engine as rules, with no SRL
// between them. A variable pc is the number of the rule to be executed next:
// rule n is executed if pc is not beyond it. The variable act is the number of
// a rule whose test is left out, v1 that of the attribute that is assigned. Jumps
// only go forward, so there are no subroutines; these, and PopTo, are compared by
// way of SRL.

// choice is an attribute with what tables test and save of it.
type choice struct {
	attr   int
	name   string
	values []string // as rules have them; 10.1.0.0/16 has a mask
	masks  []string // behind the name, in save:
}

var choices = []choice{
	{9, "src.addr", []string{"10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "8.8.8.8"}, []string{"", "/24", "/8"}},
	{19, "dst.addr", []string{"10.1.2.3", "10.1.0.0/16", "10.0.0.0/8", "192.168.4.7"}, []string{"", "/24", "/8"}},
	{12, "src.port", []string{"80", "53", "443"}, []string{"", "/6"}},
	{22, "dst.port", []string{"80", "53", "1024"}, []string{"", "/6"}},
	{11, "proto", []string{"6", "17", "1"}, []string{"", "/4"}},
	{39, "src.kind", []string{"7", "9"}, nil},
	{41, "kind", []string{"7", "9"}, nil},
}

func (c *choice) isAddress() bool { return strings.HasSuffix(c.name, "addr") }

func (c *choice) computed() bool { return c.attr >= 36 }

// octets returns a value and its mask.
func (c *choice) octets(text string) (value, mask octets16) {
	if c.isAddress() {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a := netip.MustParseAddr(text)
			p = netip.PrefixFrom(a, 32)
		}
		return fixed(p.Addr().AsSlice()), fixed(prefixMask(p.Bits(), 4))
	}
	size := 1
	if strings.HasSuffix(c.name, "port") {
		size = 2
	}
	v := newValue(token{kind: tokInt, text: text}, &mistakes{})
	b, _ := v.fill(size)
	return fixed(b), fixed(prefixMask(8*size, size))
}

// saveMask returns the octets of a mask behind a name.
func (c *choice) saveMask(text string) octets16 {
	size := map[bool]int{true: 16, false: 1}[c.isAddress()]
	if strings.HasSuffix(c.name, "port") {
		size = 2
	}
	bits := 8 * size
	fmt.Sscanf(text, "/%d", &bits)
	return fixed(prefixMask(bits, size))
}

// randomTable makes rules both ways.
func (m *maker) randomTable() (table []pmeRule, yaml string) {
	var b strings.Builder
	b.WriteString("rulesets:\n- orient: first\n  rules:\n  - {save: [], set: {pc: 0, act: 0, v1: 0}}\n")
	n := 3 + m.IntN(12)
	for i := 1; i <= n; i++ {
		r, text := m.randomRule(i, n)
		table = append(table, r)
		fmt.Fprintf(&b, "  - if: pc in {0..%d}\n    then:\n%s", i, text)
	}
	return table, b.String()
}

// randomRule makes rule i of n.
func (m *maker) randomRule(i, n int) (pmeRule, string) {
	ops := []opcode{opIgnore, opNoMatch, opCount, opCount, opCountPkt, opAssign, opAssignAct, opGoto, opGotoAct,
		opPushRuleTo, opPushRuleToAct, opPushPktTo, opPushPktToAct, opPushPktTo, opPushRuleTo}
	r := pmeRule{op: pick(m, ops...), param: min(i+1+m.IntN(4), n+1), constant: true}
	if m.IntN(3) == 0 && r.op <= opCountPkt {
		r.op = opGoto // so that tables do not end too soon
	}
	if r.op == opAssign || r.op == opAssignAct {
		to := pick(m, choices[:2]...)
		r.attr, r.value = attrV1, octets16{byte(to.attr)}
		// What is masked to nothing equals no attribute's number; but a
		// variable that holds none is Null.
		return r, ruleText(&r, i, "v1 == 0", []string{fmt.Sprintf("set: {v1: %d}", to.attr)})
	}
	packet := r.op == opPushPktTo || r.op == opPushPktToAct || r.op == opCountPkt
	c := pick(m, choices...)
	for packet && c.computed() {
		c = pick(m, choices...)
	}
	switch {
	case m.IntN(6) == 0 && !packet:
		return r, ruleText(&r, i, "act in {0..255}", nil)
	case c.isAddress() && m.IntN(2) == 0:
		return m.indirect(r, i, packet)
	}
	text, mask := pick(m, c.values...), ""
	if packet {
		mask = pick(m, c.masks...)
	}
	test, save := c.fill(&r, packet, text, mask)
	r.attr = c.attr
	return r, ruleText(&r, i, test, save)
}

// indirect makes a rule whose attribute is that which v1 holds.
func (m *maker) indirect(r pmeRule, i int, packet bool) (pmeRule, string) {
	text, mask := pick(m, choices[0].values...), pick(m, choices[0].masks...)
	tests, saves := []string{"v1 == 0"}, []string(nil)
	for _, c := range choices[:2] {
		test, save := c.fill(&r, packet, text, mask)
		held := fmt.Sprintf("v1 == %d", c.attr)
		tests = append(tests, held+" && "+test)
		for _, s := range save {
			saves = append(saves, "if: "+held+"\n        "+s)
		}
	}
	r.attr = attrV1
	return r, ruleText(&r, i, strings.Join(tests, " || "), saves)
}

// fill gives a rule of the attribute its value and mask, and returns its test
// and what it saves, as rules have them.
func (c *choice) fill(r *pmeRule, packet bool, text, mask string) (test string, save []string) {
	if packet { // the value is 0 by custom, and the test seldom made
		r.mask, r.value = c.saveMask(mask), octets16{}
		return c.zeroTest(mask), []string{"save: [" + c.name + mask + "]"}
	}
	r.value, r.mask = c.octets(text)
	switch pushes := r.op == opPushRuleTo || r.op == opPushRuleToAct || r.op == opCount; {
	case pushes && c.computed():
		save = []string{"set: {" + c.name + ": " + text + "}"}
	case pushes:
		save = []string{"save: [{" + c.name + ": " + text + "}]"}
	}
	return c.name + " == " + text, save
}

// zeroTest writes attribute & mask = 0. No address here has so many zeros.
func (c *choice) zeroTest(mask string) string {
	width := map[bool]int{true: 16, false: 8}[strings.HasSuffix(c.name, "port")]
	if c.isAddress() {
		return "!" + c.name
	}
	bits := width
	fmt.Sscanf(mask, "/%d", &bits)
	return fmt.Sprintf("%s in {0..%d} || !%s", c.name, 1<<(width-bits)-1, c.name)
}

// ruleText writes a rule: what it does is done if its test is left out or true.
func ruleText(r *pmeRule, i int, test string, saves []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    - if: act == %d || %s\n", i, test)
	sets := map[opcode]string{opGotoAct: "act", opAssignAct: "act", opPushRuleToAct: "act", opPushPktToAct: "act"}
	next := fmt.Sprintf("{pc: %d, act: 0}", r.param)
	if sets[r.op] != "" {
		next = fmt.Sprintf("{pc: %d, act: %d}", r.param, r.param)
	}
	b.WriteString("      then:\n")
	for _, s := range saves {
		fmt.Fprintf(&b, "      - %s\n", s)
	}
	end := map[opcode]string{opIgnore: "ignore", opNoMatch: "nomatch", opCount: "count", opCountPkt: "count"}[r.op]
	if end != "" {
		fmt.Fprintf(&b, "      - do: %s\n", end)
	} else {
		fmt.Fprintf(&b, "      - set: %s\n", next)
	}
	return b.String()
}

// TestTablesEqualEngine: random rule tables say of random packets what the same
// tables say as rules.
func TestTablesEqualEngine(t *testing.T) {
	seeds := *programsFlag
	if testing.Short() {
		seeds = 800
	}
	executed, verdicts := map[opcode]bool{}, map[rules.Verdict]int{}
	for seed := range seeds {
		runTable(t, seed, 50, executed, verdicts)
	}
	for _, op := range []opcode{opIgnore, opNoMatch, opCount, opCountPkt, opAssign, opAssignAct, opGoto, opGotoAct, opPushRuleTo, opPushRuleToAct, opPushPktTo, opPushPktToAct} {
		if !executed[op] {
			t.Errorf("opcode %d was never executed", op)
		}
	}
	for _, v := range []rules.Verdict{rules.Counted, rules.Ignored, rules.NoMatch, rules.NoKey} {
		if verdicts[v] < int(seeds)/4 {
			t.Errorf("%d packets were %v: %v", verdicts[v], v, verdicts)
		}
	}
	t.Logf("%d tables: %v", seeds, verdicts)
}

func runTable(t *testing.T, seed uint64, packets int, executed map[opcode]bool, verdicts map[rules.Verdict]int) {
	t.Helper()
	m := newMaker(seed)
	table, yaml := m.randomTable()
	p := &pair{src: fmt.Sprintf("%+v", table), yaml: yaml, table: table, program: ruleSet(t, yaml).Program,
		zeros: map[rules.Key]rules.Attr{}, executed: executed}
	for range packets {
		verdicts[p.compare(t, m.packet())]++
	}
}

func FuzzTables(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { runTable(t, seed, 20, map[opcode]bool{}, map[rules.Verdict]int{}) })
}
