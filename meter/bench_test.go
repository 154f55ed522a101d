package meter

import (
	"bytes"
	"fmt"
	"testing"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
)

// discard is an Exporter that wants nothing.
type discard struct{}

func (discard) Offer(b *flow.Batch) { b.Release() }

// inMemory opens a trace with buffers and batches of the usual sizes.
func inMemory(tr *trace) Open {
	return func() (Source, error) { return capture.NewReader("synthetic", bytes.NewReader(tr.Bytes())), nil }
}

// BenchmarkRun meters a pcap in memory from its octets to its records: 64-octet
// frames (46 of IP) of 20 000 conversations with 10 packets each.
func BenchmarkRun(b *testing.B) {
	const conversations, packets = 20_000, 200_000
	tr := newTrace()
	for i := range packets {
		c := i % conversations
		f := frame{proto: packet.ProtoUDP, src: byte(c), dst: byte(c >> 8), sport: uint16(c), dport: 53, ttl: 64, payload: 18}
		tr.add(int64(i)*1000, f.bytes(), 64)
	}
	for _, c := range []struct {
		name, rules string
		workers     int
	}{
		{"default", "rulesets: [{name: a}]", 1},
		{"default,workers=2", "rulesets: [{name: a}]", 2},
		{"keyed", "[{if: 'dst.port == 53', save: [src.addr, dst.addr, src.port, proto], set: {kind: names}, do: count}]", 1},
		{"aggregating", "[{save: [dst.addr/24], do: count}]", 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.Workers, cfg.RuleSets = c.workers, ruleSets(b, c.rules)
			b.SetBytes(int64(tr.Len()))
			b.ReportAllocs()
			for b.Loop() {
				m := New(cfg, []Exporter{discard{}})
				if err := m.Run([]Open{inMemory(tr)}, func(err error) { b.Error(err) }); err != nil {
					b.Error(err)
				}
			}
			b.ReportMetric(float64(b.N)*packets/b.Elapsed().Seconds()/1e6, "Mpkt/s")
		})
	}
}

// worksOf returns the work that a trace makes for a worker.
func worksOf(m *Meter, tr *trace) (works []work) {
	m.reader.emit = func(j work) {
		if j.kind == frames {
			j.batch.Retain(1)
			works = append(works, j)
		}
	}
	src, _ := inMemory(tr)()
	for {
		batch, err := src.Next()
		if err != nil {
			return works
		}
		m.reader.batch(m.reader.ifaces.of(src), batch)
	}
}

// BenchmarkDecodeAndUpdate is the part of it that each packet takes once its
// flow is known: decoding and counting, without reading and records.
func BenchmarkDecodeAndUpdate(b *testing.B) {
	for _, conversations := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("conversations=%d", conversations), func(b *testing.B) {
			const packets = 20_000
			tr := newTrace()
			for i := range packets {
				c := i % conversations
				f := frame{proto: packet.ProtoUDP, src: byte(c), dst: byte(c >> 8), sport: uint16(c), dport: 53, ttl: 64, payload: 18}
				tr.add(1e9, f.bytes(), 64)
			}
			m := New(DefaultConfig(), nil)
			works := worksOf(m, tr)
			b.SetBytes(packets * 64)
			b.ReportAllocs()
			for b.Loop() {
				for i := range works {
					m.workers[0].do(&works[i])
				}
			}
			b.ReportMetric(float64(b.N)*packets/b.Elapsed().Seconds()/1e6, "Mpkt/s")
		})
	}
}
