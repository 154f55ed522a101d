package rules

import (
	"fmt"
	"testing"

	"flowmeter/meter/packet"
)

// TestExplainerSaysWhatTheProgramSays: random rules and packets.
func TestExplainerSaysWhatTheProgramSays(t *testing.T) {
	for seed := range uint64(400) {
		m := newMaker(seed)
		rs := testSet(t, m.file())
		e := rs.Program.Explain()
		for range 50 {
			sameAsProgram(t, rs, e, m.packet())
		}
	}
}

func sameAsProgram(t *testing.T, rs *RuleSet, e *Explainer, h *packet.Headers) {
	t.Helper()
	want := match(rs, h)
	x := e.Packet(h, frameOf(h), nil)
	got := x.Match
	got.Constant = want.Constant
	if want.Verdict != Counted { // then the key is not valid
		got.Key, want.Key = Key{}, Key{}
	}
	if got != want {
		t.Fatalf("explained %+v\nmatched  %+v\n%v", got, want, x.Passes)
	}
	last := x.Passes[len(x.Passes)-1]
	if last.Verdict != want.Verdict || last.Decided < 0 && last.Verdict != NoMatch {
		t.Fatalf("verdict %v, but the last pass ended with %+v", want.Verdict, last)
	}
}

// TestKeyNumbers: what is shown of a key is what was saved.
func TestKeyNumbers(t *testing.T) {
	for i := range fields {
		f := &fields[i]
		if f.attr&(SrcAddr|DstAddr|SrcPort|DstPort|SrcMAC|DstMAC|Version|computed) != 0 || f.attr == 0 {
			continue
		}
		k := Key{Saved: f.attr, Iface: 99}
		n := min(f.max, 5)
		if putNumber(&k, f.attr, n); k.number(f.attr) != n {
			t.Errorf("%s: %d, want %d", f.name, k.number(f.attr), n)
		}
	}
}

// TestExplanation reads one explanation as a person does.
func TestExplanation(t *testing.T) {
	rs := testSet(t, `
- if: udp.dstport == 53 && (src.addr in $home || vlan.id == 7)
  save: [src.addr/24, dst.addr, vlan.id]
  set: {kind: names, seen: 3}
  measure: [packet_size, turnaround]
  then:
    - if: class == "in"
      do: ignore
  do: count
- if: '!tcp'
  do: nomatch
`)
	x := rs.Program.Explain().Packet(udpPacket("8.8.8.8", 53, "10.1.2.3", 9), nil, nil)
	got := ""
	for _, p := range x.Passes {
		got += fmt.Sprintf("swapped %v %v: %v %d %v\n", p.Swapped, p.Class, p.Verdict, p.Decided, p.Lacking)
		for _, try := range p.Tries {
			got += fmt.Sprintf("%d %v %v %v %v %v %v %s\n", try.Depth, try.At, try.True, try.Tests, try.Saved, try.Set, try.Asks, try.Does)
		}
	}
	const want = `swapped false in: nomatch 1 []
0 test.yaml:2 false [{udp.dstport [9] false}] [] [] [] 
0 test.yaml:10 true [{tcp [] false}] [] [] [] nomatch
swapped true out: no_key 0 [vlan.outer]
0 test.yaml:2 true [{udp.dstport [53] true} {src.addr [10.1.2.3] true}] [{src.addr/24 10.1.2.0/24} {dst.addr 8.8.8.8} {vlan.id }] [{kind "names"} {seen 3}] [packet_size turnaround] count
1 test.yaml:7 false [{class ["out"] false}] [] [] [] 
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestExplainerOfNests: the same of packets within packets.
func TestExplainerOfNests(t *testing.T) {
	for seed := range uint64(300) {
		m := newMaker(seed)
		m.plain, m.nested = false, true
		rs := testSet(t, m.file())
		e := rs.Program.Explain()
		for range 30 {
			n := m.nest()
			var want Match
			rs.Program.MatchNest(n.Outer, frameOf(n.Outer), n, &want)
			got := e.Packet(n.Outer, frameOf(n.Outer), n).Match
			got.Constant = want.Constant
			if want.Verdict != Counted {
				got.Key, want.Key = Key{}, Key{}
			}
			if got != want {
				t.Fatalf("explained %+v\nmatched  %+v", got, want)
			}
		}
	}
}
