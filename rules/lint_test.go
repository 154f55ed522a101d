package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestLint says what is found in rules that cannot be meant.
func TestLint(t *testing.T) {
	for _, tt := range []struct{ rules, want string }{
		{`
- if: tcp.dstport == 80 && udp
  do: count`, "2:3: no packet can match this rule: its conditions exclude each other"},
		{`
- if: src.addr == 10.0.0.0/8 && src.addr in {192.168.0.0/16, 11.0.0.0/8}
  do: count
- if: '!(tcp or udp)'
  then:
    - {if: dst.port == 53, set: {kind: a}}
    - {if: proto == 17 && udp, do: ignore}
  do: count`, `2:3: no packet can match this rule: its conditions exclude each other
7:7: no packet that comes here can match this rule: its conditions and those of the rules around it exclude each other`},
		{`
- {if: 'src.addr == 10.0.0.0/8', do: count}
- {if: 'ip.src in {10.1.0.0/16, 10.2.3.4} && tcp', do: count}
- {if: 'ip.src == 11.0.0.0/8 && tcp', do: count}`, "3:3: no packet is left for this rule: test.yaml:2 has taken them all (remove it, or put it above that rule)"},
		{`
- {if: tcp, do: count}
- {if: udp, do: nomatch}
- {if: 'tcp.dstport in {1..1000} || udp && src.port == 5', do: count}
- {if: 'tcp || sctp', do: count}`, "4:3: no packet is left for this rule: test.yaml:3 has taken them all (remove it, or put it above that rule)"},
		{`
- {if: dst.port == 53, do: count}
- do: ignore`, "3:3: what goes back from what test.yaml:2 counts is ignored here (write do: nomatch for packets the other way, so that they are tried the other way round)"},
		{`
- {if: dst.port == 53, do: count}
- {if: src.port == 53, do: nomatch}
- do: ignore`, ""},
		{`
- {if: '!ip && !ipv6', do: ignore}
- {if: 'port == 53', save: [src.addr, dst.addr], do: count}
- {if: 'tcp.port == 80', do: ignore}
- {if: kind == 3, do: ignore}
- do: count`, ""},
		{`
- {if: kind == 3, set: {kind: 2}, then: [{if: kind == 2, set: {kind: 1}}]}
- {if: kind == 3, do: ignore}
- {if: udp, set: {kind: 3}}
- {if: kind == 3, do: count}
- {if: tcp, then: [{if: 'dst.port == 1', do: count}]}
- {if: 'tcp && dst.port == 1', do: count}
- do: count`, ""},
		{`
subroutines:
  known:
    params: [a]
    rules:
      - {if: 'a == 10.0.0.0/8 && tcp && udp', return: 1}
      - {if: a == 10.0.0.0/8, return: 1}
      - {if: 'a == 10.1.0.0/16', return: 2}
      - {if: tcp, return: 3}
      - {if: 'tcp && a == 11.0.0.0/8', return: 4}
      - {if: udp, return: 5}
rulesets:
- rules:
  - {if: tcp, call: {known: [src.addr]}}
  - {if: 'tcp && dst.addr == 13.0.0.0/8', call: {known: [dst.addr]}}
  - do: count`, `6:9: no packet can match this rule: its conditions exclude each other
8:9: no packet is left for this rule: test.yaml:7 has taken them all (remove it, or put it above that rule)
10:9: no packet is left for this rule: test.yaml:9 has taken them all (remove it, or put it above that rule)
11:9: no packet that comes here can match this rule: its conditions and those of the rules around it exclude each other`},
	} {
		var got []string
		for _, e := range testSet(t, tt.rules).Lint() {
			got = append(got, strings.TrimPrefix(e.Error(), "test.yaml:"))
		}
		if text := strings.Join(got, "\n"); text != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.rules, text, tt.want)
		}
	}
}

// TestLintIsRight: random packets never match a rule of which it is said that none
// can, and an expression is true of a packet if and only if this is in one of its boxes.
func TestLintIsRight(t *testing.T) {
	said, tests := 0, 0
	for seed := range uint64(150) {
		m := newMaker(seed)
		rs := testSet(t, m.file())
		never := map[Place]bool{}
		for _, e := range rs.Lint() {
			if strings.HasPrefix(e.Msg, "no packet") {
				never[Place{e.File, e.Line, e.Col}] = true
			}
		}
		said += len(never)
		e := rs.Program.Explain()
		cuts := map[*cond][2]cut{}
		visit(rs.Program.source, func(r *rule) {
			if r.cond != nil {
				yes, ok := boxes(r.cond, false)
				no, ok2 := boxes(r.cond, true)
				cuts[r.cond] = [2]cut{{yes, ok}, {no, ok2}}
			}
		})
		for range 20 {
			h := m.packet()
			for _, p := range e.Packet(h, frameOf(h), nil).Passes {
				for _, try := range p.Tries {
					if try.True && never[try.At] {
						t.Fatalf("%v matched, of which it is said that none can: %s\n%v", try.At, try.If, rs.Lint())
					}
				}
			}
			s := state{h: h, data: frameOf(h), have: haveOf(h), key: &Key{}}
			for k, c := range cuts {
				tests += bool2int(inItsBoxes(t, e, &s, k, c))
			}
		}
	}
	if said < 5 || tests < 1000 {
		t.Errorf("%d rules said never to match, %d expressions true: this tests little", said, tests)
	}
}

// cut is what boxes returned.
type cut struct {
	list []box
	ok   bool
}

// inItsBoxes tells whether a condition is true of a packet, and checks that its boxes say so.
func inItsBoxes(t *testing.T, e *Explainer, s *state, k *cond, cuts [2]cut) bool {
	t.Helper()
	w := tracer{Explainer: e, s: s}
	yes := w.cond(k, &Try{}, &[]*cond{})
	for i, cut := range cuts {
		not, list, ok := i == 1, cut.list, cut.ok
		in := slices.ContainsFunc(list, func(b box) bool { return w.in(&b) })
		if ok && in != (yes != not) {
			t.Fatalf("is %v, in its boxes (not: %v) %v: %v", yes, not, in, list)
		}
		for i := range min(len(list), 6) {
			for j := range min(len(list), 6) {
				if list[i].within(&list[j]) && w.in(&list[i]) && !w.in(&list[j]) {
					t.Fatalf("a packet in %+v, not in %+v", list[i], list[j])
				}
			}
		}
	}
	return yes
}

// in tells whether the packet is in a box.
func (w *tracer) in(b *box) bool {
	s := w.s
	if s.have&b.need != b.need || slices.ContainsFunc(b.lacks, func(l have) bool { return s.have&l == l }) {
		return false
	}
	for g, spans := range b.nums {
		if !inSpans(spans, s.number(g)) {
			return false
		}
	}
	for g, set := range b.addrs {
		holds := func(p netip.Prefix) bool { return p.Contains(s.address(s.addr(g))) }
		if set.in != nil && !slices.ContainsFunc(set.in, holds) || slices.ContainsFunc(set.out, holds) {
			return false
		}
	}
	return !slices.ContainsFunc(b.other, func(l literalCond) bool { return w.test(l.cond) == l.not })
}

// TestLintOfManyRules ends in time.
func TestLintOfManyRules(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "- {if: 'src.addr == 10.%d.%d.0/24 && tcp.dstport in {1..%d}', do: count}\n", i/250, i%250, 1+i)
	}
	b.WriteString("- {if: 'src.addr == 10.0.7.7 && tcp.dstport == 8', do: count}\n")
	found := testSet(t, b.String()).Lint()
	for _, e := range found {
		if strings.HasPrefix(e.Msg, "no packet") && e.Line != 3001 {
			t.Error(e)
		}
	}
}

// TestList reads a compiled Program.
func TestList(t *testing.T) {
	var b strings.Builder
	testSet(t, `
subroutines: {near: {params: [a], rules: [{if: a == 10.0.0.0/8, return: 1}]}}
rulesets:
- rules:
  - {if: 'tcp && tcp.dstport in {80, 443..450}', save: [src.addr/24, dst.port], set: {kind: web, seen: 1}, do: count}
  - {if: 'ip.src != 10.1.0.0/16 && seen != 2', call: {near: [dst.addr]}, on: {1: [{do: ignore}]}}
`).Program.List(&b)
	const want = `    0  has tcp                                               yes 1, no 8
    1  test tcp.dstport in {80, 443..450}                    yes 2, no 8
    2  save
    3  save src.addr/24
    4  save dst.port
    5  set kind = 256
    6  set variable 0 = 1
    7  count                                                 test.yaml:5
`
	for _, text := range []string{"tcp.flags & 0x12 == 2", "tcp.option_kind == 8", "eth.src[0:3] == 00:1b:21", "outer.tcp.dstport == 7", "vxlan.vni == 3"} {
		testSet(t, "[{if: '"+text+"', do: count}]").Program.List(&b)
	}
	for _, line := range []string{"test tcp.flags & 0x12 in {2}", "test tcp.option_kind in {8}", "test octets of src.mac", "in the outermost packet, test tcp.dstport in {7}", "test vxlan.vni"} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no %s in\n%s", line, b.String())
		}
	}
	if got := b.String(); !strings.HasPrefix(got, want) || strings.Count(got, "\n") < 20 {
		t.Errorf("got\n%s", got)
	}
}

// TestUnbounded finds keys that anybody can make many of.
func TestUnbounded(t *testing.T) {
	for text, want := range map[string]string{
		`[{if: 'dst.addr in $home', save: dst.addr, do: count}, {if: 'class == "out"', save: src.addr, do: count}, {save: src.addr/24, do: count}]`: "",
		`[{if: 'dst.addr in $home', save: src.addr, do: count}, {save: dst.addr, do: count}]`:                                                       "src.addr test.yaml:1",
		`[{if: 'dst.addr in $home', then: [{save: dst.addr, do: count}], else: [{if: tcp, save: ip.dst, do: count}]}]`:                              "ip.dst test.yaml:1",
		`[{do: count}]`: "",
	} {
		got := ""
		if u := testSet(t, text).Unbounded(); u != nil {
			got = u.Name + " " + u.At.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
