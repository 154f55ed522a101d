package flow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// manyRules makes n rules of prefixes, ports and sets, of which the last alone
// is for packets of the benchmarks; extra is what it and one in the middle ask
// beside.
func manyRules(n int, extra string) string {
	var b strings.Builder
	b.WriteString("sets: {few: [1, 2, 3], some: [60000..60100, 61000]}\nrulesets:\n- rules:\n")
	rule := func(cond string) { fmt.Fprintf(&b, "  - {if: '%s%s', do: count}\n", cond, extra) }
	for i := range n - 1 {
		switch i % 5 {
		case 0:
			rule(fmt.Sprintf("tcp.dstport == %d", 10000+i%50000))
		case 1:
			rule(fmt.Sprintf("src.addr == 100.%d.%d.0/24", 64+i/256%64, i%256))
		case 2:
			rule(fmt.Sprintf("udp.port in {%d, 60000..%d}", i%9000+1, 60000+i%5000))
		case 3:
			rule(fmt.Sprintf("dst.addr in {192.0.2.%d, 198.51.%d.%d/28} && dst.port in $few", i%256, i/5%256, i/5/256*16))
		case 4:
			rule(fmt.Sprintf("src.port in $some && ip.dst == 203.0.%d.%d", i/256%256, i%256))
		}
	}
	fmt.Fprintf(&b, "  - {if: 'tcp%s', do: count}\n", extra)
	return b.String()
}

// compareRules reports how long one and many rules take for the same, in turns.
func compareRules(b *testing.B, n int, extra string, prepare func(*Table) func()) {
	var once [2]func()
	for i, n := range []int{1, n} {
		once[i] = prepare(newTable(b, manyRules(n, extra), func(cfg *Config) { cfg.CacheSize, cfg.Idle = 1<<17, 1e9 }))
	}
	took := [2][]time.Duration{make([]time.Duration, 0, 1<<20), make([]time.Duration, 0, 1<<20)}
	b.ReportAllocs()
	for b.Loop() {
		for i := range once {
			begin := time.Now()
			once[i]()
			if took[i] = append(took[i], time.Since(begin)); len(took[i]) == cap(took[i]) {
				took[i] = took[i][:0]
			}
		}
	}
	var median [2]float64
	for i := range took {
		slices.Sort(took[i])
		median[i] = float64(took[i][len(took[i])/2]) / MaxRun
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median[0], "ns/pkt-1-rule")
	b.ReportMetric(median[1], "ns/pkt")
	b.ReportMetric(median[1]/median[0], "times-1-rule")
}

// scatter gives packets addresses and ports all over those that the rules are
// about, and makes them SYNs.
func scatter(run []Packet) {
	for i := range run {
		p, n := &run[i], rand.Uint64()
		p.TCPFlags = packet.SYN
		p.SrcPort, p.DstPort = uint16(n), uint16(n>>16)
		p.Src = v4(100, 64|byte(n>>32)&63, byte(n>>40), byte(n>>48))
		p.Dst = v4(198, 51, byte(n>>56), byte(n>>24))
	}
}

// BenchmarkRules compares rule sets of 100 and 10 000 rules with one of one
// rule: for packets of known conversations, for a SYN of a new one in each
// packet, and for the rules alone.
func BenchmarkRules(b *testing.B) {
	for _, kind := range []struct{ name, extra string }{
		{"constant", ""}, {"varying", " && ttl > 3"},
	} {
		for _, n := range []int{100, 10_000} {
			name := func(what string) string { return fmt.Sprintf("%s/%s/rules=%d", what, kind.name, n) }
			b.Run(name("known"), func(b *testing.B) {
				compareRules(b, n, kind.extra, func(table *Table) func() {
					tr := newTraffic(table, 1<<10)
					return func() { table.Update(tr.next()) }
				})
			})
			b.Run(name("new"), func(b *testing.B) {
				compareRules(b, n, kind.extra, func(table *Table) func() {
					run := newTraffic(table, 1).next()
					once := newFlows(table, run)
					return func() {
						scatter(run)
						once()
					}
				})
			})
			b.Run(name("match"), func(b *testing.B) {
				compareRules(b, n, kind.extra, func(table *Table) func() {
					run, m := newTraffic(table, 1).next(), new(rules.Match)
					return func() {
						scatter(run)
						for i := range run {
							table.program.Match(&run[i].Headers, nil, m)
						}
					}
				})
			})
		}
	}
}
