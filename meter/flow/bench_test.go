package flow

import (
	"fmt"
	"testing"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// traffic gives runs of packets between many pairs of hosts, in an order that
// no cache foresees.
type traffic struct {
	run   []Packet
	seed  *Seed
	state uint32
	mask  uint32 // conversations less one
}

func newTraffic(table *Table, conversations uint32) *traffic {
	tr := &traffic{run: make([]Packet, MaxRun), seed: &table.cfg.Seed, mask: conversations - 1}
	for i := range tr.run {
		tr.run[i] = tcp(0, packet.ACK, false)
	}
	return tr
}

// next makes the packets of a run and prepares them.
func (tr *traffic) next() []Packet {
	for i := range tr.run {
		tr.state = tr.state*1664525 + 1013904223 // of full period
		c := tr.state & tr.mask
		p := &tr.run[i]
		p.Src[13], p.Src[14], p.Src[15] = byte(c>>16), byte(c>>8), byte(c)
		p.Prepare(tr.seed)
	}
	return tr.run
}

func reportPackets(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxRun, "ns/pkt")
	b.ReportMetric(float64(b.N)*MaxRun/b.Elapsed().Seconds()/1e6, "Mpkt/s")
}

var benchRules = []struct{ name, text string }{
	{"fused", ""},
	{"keyed", "[{if: 'dst.port == 80', save: [src.addr, dst.addr, dst.port, proto], set: {kind: web}, do: count}]"},
	{"aggregating", "[{save: [dst.addr/24], do: count}]"},
	{"ignored", "[{if: 'dst.port == 80', do: ignore}]"},
	{"per packet", "[{if: 'ttl > 3', do: count}]"},
}

// BenchmarkKnown counts packets of flows that are in the table, and prepares
// them (their tuple and hash).
func BenchmarkKnown(b *testing.B) {
	for _, r := range benchRules {
		for _, conversations := range []uint32{1, 1 << 13, 1 << 20} {
			if conversations > 1<<13 && r.name != "fused" {
				continue // filling the table takes longer than the benchmark
			}
			b.Run(fmt.Sprintf("%s/conversations=%d", r.name, conversations), func(b *testing.B) {
				table := newTable(b, r.text, func(cfg *Config) { cfg.CacheSize, cfg.MaxFlows = 1<<17, 1<<20 })
				tr := newTraffic(table, conversations)
				for range 2*conversations/MaxRun + 1 {
					table.Update(tr.next())
				}
				b.ReportAllocs()
				for b.Loop() {
					table.Update(tr.next())
				}
				reportPackets(b)
			})
		}
	}
}

// BenchmarkNew makes a flow of each packet, which times out and is released,
// with some 6400 in the table.
func BenchmarkNew(b *testing.B) {
	for _, r := range benchRules[:2] {
		b.Run(r.name, func(b *testing.B) {
			table := newTable(b, r.text, func(cfg *Config) { cfg.Idle = 1e9 })
			once := newFlows(table, newTraffic(table, 1).next())
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
			reportPackets(b)
		})
	}
}

// BenchmarkAtTheCap makes room for each new flow.
func BenchmarkAtTheCap(b *testing.B) {
	table := newTable(b, "", func(cfg *Config) { cfg.MaxFlows = 1 << 14 })
	once := newFlows(table, newTraffic(table, 1).next())
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
	reportPackets(b)
}

// BenchmarkMatch is what the rules cost where no cache knows the answer.
func BenchmarkMatch(b *testing.B) {
	for _, r := range benchRules {
		b.Run(r.name, func(b *testing.B) {
			program := newTable(b, r.text, nil).program
			p := tcp(0, packet.ACK, false)
			var m rules.Match
			for b.Loop() {
				program.Match(&p.Headers, nil, &m)
			}
		})
	}
}
