package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
)

// readBoth compiles a rule file and prepares the reference for the same rules.
func readBoth(t testing.TB, text string) (*RuleSet, *reference) {
	t.Helper()
	rs := testSet(t, text)
	v, c := conf.Parse("test.yaml", []byte(text))
	ref := &reference{nets: DefaultNetworks(), orient: rs.Orient}
	var subs Subroutines
	v.Map(conf.Fields{
		"networks":    func(v conf.Value) { ref.nets = ParseNetworks(v) },
		"sets":        func(v conf.Value) { ref.sets = ParseSets(v, ref.nets) },
		"subroutines": func(v conf.Value) { subs = ParseSubroutines(v) },
		"rulesets": func(v conf.Value) {
			p := &reader{nets: ref.nets, sets: ref.sets, subs: subs, names: newNames(), left: maxRules, calls: newCalls()}
			v.At(v.Content[0]).Map(conf.Fields{
				"orient": func(conf.Value) {},
				"rules":  func(v conf.Value) { ref.rules = p.rules(v, 0) },
			})
			ref.names = p.names
		},
	})
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return rs, ref
}

// compare checks one packet, and what a Program says of its keys.
func compare(t *testing.T, text string, rs *RuleSet, ref *reference, h *packet.Headers) Verdict {
	t.Helper()
	got, want := match(rs, h), ref.match(h)
	if got.Verdict != Counted {
		got.Key, want.Key = Key{}, Key{}
	}
	// What is looked up is not tried in vain; checkConstant tells whether that is right.
	want.Constant = want.Constant || got.Constant
	got.Rule, got.Turned = 0, 0 // the reference does not number rules; an Explainer does
	if got != want {
		t.Fatalf("-reference +Program:\n%s\npacket %+v\nrules\n%s", cmp.Diff(want, got), h, text)
	}
	if got.Verdict == Counted && rs.Program.Conversational() {
		if k := &got.Key; k.Saved&(SrcAddr|DstAddr) != SrcAddr|DstAddr ||
			int(k.Src.AddrLen) != addrWidth(h) || int(k.Dst.AddrLen) != addrWidth(h) {
			t.Fatalf("conversational, but saved %s\nrules\n%s", show(k), text)
		}
	}
	return got.Verdict
}

func addrWidth(h *packet.Headers) int {
	if h.Version == 4 {
		return 32
	}
	return 128
}

// sameTuple makes another packet of the same five-tuple.
func sameTuple(m *maker, h *packet.Headers) *packet.Headers {
	other := m.packet()
	other.Src, other.Dst, other.Version, other.Proto = h.Src, h.Dst, h.Version, h.Proto
	other.SrcPort, other.DstPort = h.SrcPort, h.DstPort
	const same = packet.HasIP | packet.HasPorts
	other.Layers = other.Layers&^(same|packet.HasTCP|packet.HasUDP|packet.HasICMP|packet.HasICMPv6|packet.HasARP) | h.Layers&same
	other.Layers |= transports[h.Proto] & h.Layers
	return other
}

// checkTrail: whatever a Trail saw of a conversation, in either direction, it
// changes no Match.
func checkTrail(t *testing.T, text string, rs *RuleSet, h, other *packet.Headers) {
	t.Helper()
	if h.Layers&packet.HasIP == 0 {
		return
	}
	var trail Trail
	for i, p := range []*packet.Headers{h, reversed(other), other, reversed(h), h, other} {
		end := uint8(bool2int(i == 1 || i == 3))
		var got Match
		rs.Program.MatchAlong(&trail, end, p, frameOf(p), &got)
		if want := match(rs, p); got != want {
			t.Fatalf("-without +with trail:\n%s\npacket %d %+v\nrules\n%s", cmp.Diff(want, got), i, p, text)
		}
	}
}

// checkConstant: another packet of the same five-tuple and answer of Reply
// must get the same Match if it was said to be constant.
func checkConstant(t *testing.T, m *maker, text string, rs *RuleSet, h *packet.Headers) {
	t.Helper()
	a, other := match(rs, h), *sameTuple(m, h)
	checkTrail(t, text, rs, h, &other)
	if !a.Constant {
		return
	}
	b := match(rs, &other)
	if rs.Program.Reply(h) != rs.Program.Reply(&other) {
		return
	}
	a.Evidence, b.Evidence = 0, 0
	if a.Verdict != Counted {
		a.Key, b.Key = Key{}, Key{}
	}
	if a != b {
		t.Fatalf("said to be constant, but:\n%s\npackets %+v\n%+v\nrules\n%s", cmp.Diff(a, b), h, other, text)
	}
}

// checkFused: with a fused Program, both ways have the same five-tuple as key.
func checkFused(t *testing.T, text string, rs *RuleSet, h *packet.Headers) {
	t.Helper()
	a, b := match(rs, h), match(rs, reversed(h))
	if !rs.Program.Fused() || a.Verdict != Counted || b.Verdict != Counted {
		return
	}
	if a.Key.Saved&^FiveTuple != 0 || a.Key != b.Key && a.Key != b.Key.Swap() {
		t.Fatalf("fused, but the two ways get %+v and %+v\npacket %+v\nrules\n%s", a, b, h, text)
	}
}

// runSeed makes one rule file and runs packets through it.
func runSeed(t *testing.T, seed uint64, packets int) (counts tally) {
	m := newMaker(seed)
	text := m.file()
	rs, ref := readBoth(t, text)
	for _, d := range rs.Program.dispatches {
		counts.dispatches++
		counts.varying += bool2int(d.steady < len(d.tables))
		counts.tables += len(d.tables)
	}
	counts.fused, counts.conversational = bool2int(rs.Program.Fused()), bool2int(rs.Program.Conversational())
	for range packets {
		h := m.packet()
		counts.verdicts[compare(t, text, rs, ref, h)]++
		for range 4 {
			checkConstant(t, m, text, rs, h)
		}
		checkFused(t, text, rs, h)
	}
	return counts
}

// A tally shows that the random rules reach what they are to test.
type tally struct {
	verdicts              [NumVerdicts]int
	fused, conversational int

	dispatches, varying, tables int
}

func TestProgramEqualsReference(t *testing.T) {
	var sum tally
	seeds := uint64(600)
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		one := runSeed(t, seed, 30)
		for v, n := range one.verdicts {
			sum.verdicts[v] += n
		}
		sum.dispatches, sum.varying, sum.tables = sum.dispatches+one.dispatches, sum.varying+one.varying, sum.tables+one.tables
		sum.fused, sum.conversational = sum.fused+one.fused, sum.conversational+one.conversational
	}
	for v, n := range sum.verdicts[:NoRoom] {
		if n == 0 {
			t.Errorf("no packet was ever %v", Verdict(v))
		}
	}
	if least := int(seeds) / 20; sum.fused < least || sum.conversational < least {
		t.Errorf("few rule sets were fused or conversational: %+v of %d", sum, seeds)
	}
	if least := int(seeds) / 3; sum.dispatches < least || sum.varying < least/8 || sum.tables < sum.dispatches*3/2 {
		t.Errorf("few rules were looked up: %+v of %d", sum, seeds)
	}
	t.Logf("%+v", sum)
}

func FuzzProgram(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(4711))
	f.Fuzz(func(t *testing.T, seed uint64) { runSeed(t, seed, 20) })
}
