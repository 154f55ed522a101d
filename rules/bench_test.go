package rules

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"flowmeter/meter/packet"
)

// manyRules makes a rule file whose first n-1 rules match nothing common: a
// mixture of ports, prefixes and sets.
func manyRules(n int) string {
	var b strings.Builder
	for i := range n - 1 {
		switch i % 3 {
		case 0:
			fmt.Fprintf(&b, "- {if: tcp.dstport == %d, do: count}\n", 10000+i%50000)
		case 1:
			fmt.Fprintf(&b, "- {if: src.addr == 100.%d.%d.0/24, do: count}\n", 64+i/256%64, i%256)
		case 2:
			fmt.Fprintf(&b, "- {if: 'udp.port in {%d, %d..%d}', do: count}\n", i%9000+1, 60000, 60000+i%5000)
		}
	}
	return b.String() + "- do: count\n"
}

func TestMatchAllocatesNothing(t *testing.T) {
	m := newMaker(3)
	for seed := range uint64(20) {
		rs := testSet(t, newMaker(seed).file())
		for range 20 {
			h := m.packet()
			var out Match
			data := frameOf(h)
			if n := testing.AllocsPerRun(5, func() { rs.Program.Match(h, data, &out) }); n != 0 {
				t.Fatalf("%v allocations", n)
			}
		}
	}
}

func TestFilterAllocatesNothing(t *testing.T) {
	f, err := ParseFilter("filter", "src.addr in $home && tcp.port in {80, 443} && !tcp.flags.reset", DefaultNetworks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := tcpPacket("10.0.0.1", 1000, "8.8.8.8", 443, 0)
	if n := testing.AllocsPerRun(100, func() { f.Match(h, nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Reply is asked of every packet.
func TestReplyInlines(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"(*Program).Reply", "(*Program).Fused", "(*state).addr", "getter.way"} {
		if !strings.Contains(string(out), "can inline "+name) {
			t.Errorf("%s is not inlined", name)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	h := tcpPacket("10.1.2.3", 40000, "8.8.8.8", 443, packet.SYN)
	for _, n := range []int{1, 10, 1000, 10000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) { benchMatch(b, manyRules(n), h) })
	}
}

// The second pass costs as much as the first.
func BenchmarkMatchSecondPass(b *testing.B) {
	h := udpPacket("8.8.8.8", 53, "10.1.2.3", 40000)
	benchMatch(b, `
- if: udp.dstport == 53
  save: [src.addr, dst.addr, dst.port, proto]
  set: {kind: names}
  do: count
- do: nomatch
`, h)
}

func BenchmarkMatchDefault(b *testing.B) {
	p := Default(DefaultNetworks()).Program
	h := tcpPacket("2001:db8::1", 40000, "fd00::1", 443, packet.SYN)
	var m Match
	for b.Loop() {
		p.Match(h, nil, &m)
	}
}

func benchMatch(b *testing.B, rules string, h *packet.Headers) {
	p := testSet(b, rules).Program
	var m Match
	b.ReportAllocs()
	for b.Loop() {
		p.Match(h, nil, &m)
	}
	if m.Verdict != Counted {
		b.Fatalf("%+v", m)
	}
}

func BenchmarkReply(b *testing.B) {
	p := Default(DefaultNetworks()).Program
	h := tcpPacket("10.1.2.3", 40000, "8.8.8.8", 443, packet.ACK)
	n := 0
	for b.Loop() {
		if p.Reply(h) {
			n++
		}
	}
}

func BenchmarkClass(b *testing.B) {
	nets := DefaultNetworks()
	h := tcpPacket("10.1.2.3", 40000, "8.8.8.8", 443, packet.ACK)
	for b.Loop() {
		nets.Class(h)
	}
}

func BenchmarkCompile(b *testing.B) {
	text := manyRules(1000)
	for b.Loop() {
		testSet(b, text)
	}
}

// BenchmarkCompileNested reads and compiles a thousand rules, nested in each
// other up to eight deep.
func BenchmarkCompileNested(b *testing.B) {
	var text strings.Builder
	left := 1000
	var nest func(indent string, depth int)
	nest = func(indent string, depth int) {
		for i := 0; i < 4 && left > 0; i++ {
			left--
			fmt.Fprintf(&text, "%s- if: tcp.dstport == %d && src.addr == 10.%d.%d.0/24\n%s  do: count\n", indent, left, depth, i, indent)
			if depth < 8 {
				fmt.Fprintf(&text, "%s  %s:\n", indent, []string{"then", "else"}[i%2])
				nest(indent+"  ", depth+1)
			}
			if left > 0 && depth < 8 && i%2 == 0 {
				left--
				fmt.Fprintf(&text, "%s  else: [{if: udp, do: ignore}]\n", indent)
			}
		}
	}
	for left > 0 {
		nest("", 0)
	}
	for b.Loop() {
		testSet(b, text.String())
	}
}
