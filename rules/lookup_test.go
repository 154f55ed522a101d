package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"flowmeter/meter/conf"
)

// TestManyAlike: rules whose values overlap in many ways, so that a packet has
// long chains of candidates, say what they say one by one.
func TestManyAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	addr := func() string { return fmt.Sprintf("10.%d.%d.%d", r.IntN(2), r.IntN(2), r.IntN(256)) }
	tests := []func(i int) string{
		func(int) string { return fmt.Sprintf("src.addr == %s/%d", addr(), r.IntN(33)) },
		func(int) string { return fmt.Sprintf("src.addr in {%s, %s/%d}", addr(), addr(), 8+r.IntN(25)) },
		func(int) string { return fmt.Sprintf("port in {%d..%d, %d}", r.IntN(99), 99+r.IntN(99), r.IntN(200)) },
		func(i int) string { return fmt.Sprintf("dst.port <= %d && src.port != %d", i, r.IntN(200)) },
		func(int) string { return fmt.Sprintf("dst.port == %d || src.addr == %s", r.IntN(200), addr()) },
		func(int) string { return fmt.Sprintf("tcp.seq_raw in {%d..%d}", r.IntN(1<<20), 1<<20+r.Int64N(1<<31)) },
		func(int) string { return fmt.Sprintf("zone == %d", r.IntN(6)) },
		func(int) string { return fmt.Sprintf("src.mac == 00:00:00:00:00:%02x", r.IntN(256)) },
	}
	for seed := range 60 {
		var b strings.Builder
		b.WriteString("rulesets:\n- orient: first\n  rules:\n")
		mix := tests[r.IntN(len(tests)):]
		for i := range 40 + r.IntN(200) {
			fmt.Fprintf(&b, "  - {if: '%s', set: {%s}, do: %s}\n", mix[r.IntN(len(mix))](i),
				[]string{fmt.Sprintf("kind: %d", i%256), fmt.Sprintf("zone: %d", i%7)}[r.IntN(2)],
				[]string{"next", "next", "next", "ignore", "count"}[max(0, r.IntN(300)-295)])
		}
		text := b.String() + "  - do: count\n"
		rs, ref := readBoth(t, text)
		if len(rs.Program.dispatches) != 1 {
			t.Fatalf("seed %d: nothing is looked up", seed)
		}
		for range 50 {
			h := tcpPacket(addr(), uint16(r.IntN(200)), addr(), uint16(r.IntN(200)), 0)
			h.Seq, h.SrcMAC[5] = r.Uint32N(1<<31), byte(r.IntN(256))
			compare(t, text, rs, ref, h)
			other := *h
			other.Seq, other.SrcMAC[5] = r.Uint32N(1<<31), byte(r.IntN(256))
			checkTrail(t, text, rs, h, &other)
		}
	}
}

// TestLookedUpVaries: a packet that no rule holds was looked at all the same.
func TestLookedUpVaries(t *testing.T) {
	text := ""
	for i := range 20 {
		text += fmt.Sprintf("- {if: 'ttl == %d', do: ignore}\n", i)
	}
	rs := testSet(t, text+"- do: count\n")
	if len(rs.Program.dispatches) == 0 || rs.Program.dispatches[0].steady != 0 {
		t.Fatal("nothing is looked up")
	}
	if m := match(rs, udpPacket("10.0.0.1", 1, "10.0.0.2", 2)); m.Constant || m.Verdict != Counted {
		t.Errorf("%+v", m)
	}
}

// TestSpanPrefixes: the prefixes of a span hold its numbers and no others.
func TestSpanPrefixes(t *testing.T) {
	for _, width := range []int{8, 16, 32, 64} {
		most := ^uint64(0) >> (64 - width)
		for _, s := range []span{{0, 0}, {0, most}, {most, most}, {1, most}, {0, most - 1}, {3, 200}, {128, 255}, {77, 78}} {
			var all []netip.Prefix
			s.prefixes(width, func(p netip.Prefix) { all = append(all, p) })
			if len(all) > 2*width {
				t.Errorf("%d of %d bits: %d prefixes", s, width, len(all))
			}
			for _, n := range []uint64{0, 1, 2, 3, 76, 77, 78, 79, 127, 128, 200, 201, 255, most - 1, most} {
				holding := 0
				for _, p := range all {
					holding += bool2int(p.Contains(numberAddr(n, width)))
				}
				if want := bool2int(s.lo <= n && n <= s.hi); holding != want {
					t.Errorf("%d of %d bits: %d is in %d of %v", s, width, n, holding, all)
				}
			}
		}
	}
	if numberAddr(256, 8).IsValid() {
		t.Error("a number that is too large has an address")
	}
}

// overlapping makes n rules whose values overlap and nest as much as they can,
// of which some use the same lists.
func overlapping(n int) string {
	var b strings.Builder
	b.WriteString("networks:\n  some: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]\nrulesets:\n- rules:\n")
	for i := range n {
		cond := []string{
			fmt.Sprintf("udp.port in {%d..60000, %d}", i%30000, 60000+i%5000),
			fmt.Sprintf("src.addr == 10.%d.%d.%d/%d", i>>16, i>>8&255, i&255, 8+i%25),
			fmt.Sprintf("dst.addr in $some && tcp.dstport == %d", i%65536),
			fmt.Sprintf("tcp.seq_raw >= %d", i*1000),
			fmt.Sprintf("dst.addr in {2001:db8::%x, 2001:db8::/%d}", i%65536, 32+i%96),
		}[i%5]
		fmt.Fprintf(&b, "  - {if: '%s', do: ignore}\n", cond)
	}
	return b.String()
}

// TestMemoryIsLinear: ten times the rules take ten times the memory, however
// they overlap.
func TestMemoryIsLinear(t *testing.T) {
	var each []int64
	for _, n := range []int{2000, 20_000} {
		text := overlapping(n)
		v, _ := conf.Parse("f", []byte(text))
		before := heap()
		sets, _ := ParseFile(v, DefaultNetworks())
		each = append(each, (heap()-before)/int64(n))
		runtime.KeepAlive(v)
		if len(sets[0].Program.dispatches) != 1 {
			t.Error("nothing is looked up")
		}
	}
	t.Logf("%d octets a rule, then %d", each[0], each[1])
	if each[1] > each[0]*3/2 || each[1] > 8<<10 {
		t.Errorf("%d octets a rule of 2000, %d of 20000", each[0], each[1])
	}
}

// TestLookedUpTwice: rules that are called a second time are looked up anew.
func TestLookedUpTwice(t *testing.T) {
	var text strings.Builder
	text.WriteString("subroutines:\n  hosts:\n    rules:\n")
	for i := range 20 {
		fmt.Fprintf(&text, "    - {if: 'src.addr == 10.0.0.%d && zone == 1', do: count}\n", i)
	}
	text.WriteString("rulesets:\n- rules:\n  - {call: hosts}\n  - {set: {zone: 1}}\n  - {call: hosts}\n  - {do: ignore}\n")
	rs := testSet(t, text.String())
	if len(rs.Program.dispatches) != 1 {
		t.Fatal("nothing is looked up")
	}
	for host, want := range map[string]Verdict{"10.0.0.15": Counted, "10.0.0.30": Ignored} {
		if m := match(rs, udpPacket(host, 1, "8.8.8.8", 2)); m.Verdict != want {
			t.Errorf("%s: %v, want %v", host, m.Verdict, want)
		}
	}
}
