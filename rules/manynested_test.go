package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/packet"
)

// manyNested makes n rules about what tunnels carry and what carries them.
func manyNested(r *rand.Rand, n int) string {
	tests := []func() string{
		func() string { return fmt.Sprintf("vxlan.vni == %d", r.IntN(2*n)) },
		func() string { return fmt.Sprintf("outer.src.addr == 10.0.%d.%d", r.IntN(4), r.IntN(256)) },
		func() string {
			return fmt.Sprintf("inner.dst.addr in {10.1.%d.0/28, 10.1.0.%d}", r.IntN(4), r.IntN(256))
		},
		func() string {
			return fmt.Sprintf("tunnel.depth == 1 && inner.port == %d && gre.key in {%d..%d}", r.IntN(200), r.IntN(n), n+r.IntN(n))
		},
		func() string { return fmt.Sprintf("inner.src.port in {%d..%d}", r.IntN(200), 200+r.IntN(9)) },
	}
	var b strings.Builder
	b.WriteString("rulesets:\n- rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {if: '%s', set: {kind: %d}, do: %s}\n", tests[r.IntN(len(tests))](), i%256, []string{"next", "next", "ignore", "count"}[r.IntN(4)])
	}
	return b.String() + "  - do: count\n"
}

// someNest makes a packet in a tunnel, of values that manyNested tests.
func someNest(r *rand.Rand, n int) *Nest {
	addr := func(net int) string { return fmt.Sprintf("10.%d.%d.%d", net, r.IntN(4), r.IntN(256)) }
	return &Nest{
		Outer: udpPacket(addr(0), uint16(r.IntN(9)), addr(0), 4789),
		Inner: tcpPacket(addr(1), uint16(r.IntN(200)), addr(1), uint16(r.IntN(200)), 0),
		Tunnel: &packet.Tunnel{Depth: uint8(r.IntN(3)), Has: packet.TunnelSet(r.IntN(1 << 10)),
			VXLANVNI: r.Uint32N(uint32(2 * n)), GREKey: r.Uint32N(uint32(2 * n))},
	}
}

// TestManyNested: many rules about tunnels are looked up, and say what they say one
// by one.
func TestManyNested(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	verdicts := map[Verdict]int{}
	for range 40 {
		n := 60 + r.IntN(200)
		text := manyNested(r, n)
		rs, ref := readBoth(t, text)
		if len(rs.Program.dispatches) != 1 {
			t.Fatal("nothing is looked up")
		}
		for range 100 {
			nest := someNest(r, n)
			h, got := nest.Outer, Match{}
			rs.Program.MatchNest(h, nil, nest, &got)
			got.Rule, got.Turned = 0, 0 // as in compare
			ref.nest = nest
			want := ref.match(h)
			if got.Verdict != Counted {
				got.Key, want.Key = Key{}, Key{}
			}
			want.Constant = want.Constant || got.Constant // as in compare
			if got != want {
				t.Fatalf("-reference +Program:\n%s\npacket %+v\nin %+v %+v\nrules\n%s", cmp.Diff(want, got), h, nest.Inner, nest.Tunnel, text)
			}
			verdicts[got.Verdict]++
		}
	}
	if verdicts[Counted] < 100 || verdicts[Ignored] < 100 {
		t.Errorf("%v: this tests little", verdicts)
	}
}

// BenchmarkNested compares rules about tunnels with one of them.
func BenchmarkNested(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			var text strings.Builder
			for i := range n {
				fmt.Fprintf(&text, "- {if: 'vxlan.vni == %d', do: ignore}\n", i)
			}
			rs := testSet(b, text.String()+"- do: count\n")
			r := rand.New(rand.NewPCG(1, 1))
			var nests [64]*Nest
			for i := range nests {
				nests[i] = someNest(r, 1<<20)
				nests[i].Tunnel.Has |= packet.HasVXLAN
			}
			var m Match
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				nest := nests[i%len(nests)]
				rs.Program.MatchNest(nest.Outer, nil, nest, &m)
			}
		})
	}
}
