package flow

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// seenPacket is what the model keeps of each packet of a flow that is measured.
type seenPacket struct {
	time   int64
	way    Way
	octets uint64
}

// modelMeasured works the distributions of a piece out from all packets of its
// flow, of which the piece's begin at from.
func modelMeasured(of *rules.Distributions, set rules.Quantities, all []seenPacket, from int) *Measured {
	var values [rules.NumQuantities][2][]*big.Rat
	add := func(q rules.Quantity, w Way, v, per int64) {
		values[q][w] = append(values[q][w], big.NewRat(v, per))
	}
	latest := func(before int, w Way) (last int64, any bool) {
		for _, p := range all[:before] {
			if p.way == w && (!any || p.time > last) {
				last, any = p.time, true
			}
		}
		return last, any
	}
	const micro = int64(time.Microsecond)
	for i := from; i < len(all); i++ {
		p := &all[i]
		add(rules.PacketSize, p.way, int64(p.octets), 1)
		if last, any := latest(i, p.way); any {
			add(rules.InterArrival, p.way, max(0, p.time-last), micro)
		}
		if i > 0 && all[i-1].way != p.way {
			last, _ := latest(i, all[i-1].way)
			add(rules.Turnaround, p.way, max(0, p.time-last), micro)
		}
	}
	for _, q := range []rules.Quantity{rules.BitRate, rules.PacketRate} {
		if !set.Has(q) {
			continue
		}
		length := int64(of[q].Window)
		sums := map[int64][2]int64{}
		at := int64(0)
		for _, p := range all[from:] {
			at = max(at, (p.time-all[from].time)/length)
			s := sums[at]
			s[p.way]++
			if q == rules.BitRate {
				s[p.way] += 8*int64(p.octets) - 1
			}
			sums[at] = s
		}
		for i := int64(0); i <= at; i++ {
			add(q, Forward, sums[i][0]*int64(time.Second), length)
			add(q, Reverse, sums[i][1]*int64(time.Second), length)
		}
	}
	m := &Measured{of: set}
	for w := range 2 {
		for q := range rules.NumQuantities {
			if set.Has(q) {
				m.counts = append(m.counts, modelCounts(of[q], q, values[q][w])...)
			}
		}
	}
	return m
}

// modelCounts puts values, in the unit of the bounds, into buckets, and adds
// them up in the unit that the table adds them up in.
func modelCounts(d *rules.Distribution, q rules.Quantity, values []*big.Rat) []uint64 {
	counts := make([]uint64, len(d.Bounds)+2)
	sum := new(big.Rat)
	for _, v := range values {
		i := 0
		for i < len(d.Bounds) && v.Cmp(new(big.Rat).SetInt(new(big.Int).SetUint64(d.Bounds[i]))) > 0 {
			i++
		}
		counts[i]++
		sum.Add(sum, v)
	}
	switch q {
	case rules.InterArrival, rules.Turnaround:
		sum.Mul(sum, big.NewRat(1000, 1))
	case rules.BitRate, rules.PacketRate:
		sum.Mul(sum, big.NewRat(int64(d.Window), int64(time.Second)))
	}
	counts[len(counts)-1] = sum.Num().Uint64()
	return counts
}

// sameRecord compares records and their distributions.
func sameRecord(a, b *Record) bool {
	return sameMeasured(a.Measured, b.Measured) && withoutMeasured(a) == withoutMeasured(b)
}

func sameMeasured(a, b *Measured) bool {
	none := func(m *Measured) bool { return m == nil || m.of == 0 }
	if none(a) || none(b) {
		return none(a) && none(b)
	}
	return a.of == b.of && slices.Equal(a.counts, b.counts)
}

func withoutMeasured(r *Record) Record {
	c := *r
	c.Measured = nil
	return c
}

// TestCopies checks that a Record that was copied keeps its distributions when
// the place it came from is used again, and that what has none has none.
func TestCopies(t *testing.T) {
	table := newTable(t, "[{measure: packet_size, do: count}]", func(cfg *Config) {
		cfg.RuleSet.Distributions = cfg.Program.Distributions()
	})
	give := func(at int64, octets uint32) *Record {
		p := tcp(float64(at/second), packet.ACK, false)
		p.TotalLen = octets
		p.Prepare(&table.cfg.Seed)
		table.Update([]Packet{p})
		table.Flush(at, EndForced)
		table.Ready(Everything)
		return &Record{}
	}
	place := give(second, 40)
	table.Next(place)
	var kept Record
	place.CopyTo(&kept)
	if !sameRecord(&kept, place) || kept.Measured == place.Measured {
		t.Errorf("the copy has %v at %p, it was made of %v at %p", kept.Measured, kept.Measured, place.Measured, place.Measured)
	}
	want := slices.Clone(kept.Measured.counts)
	give(2*second, 1400)
	table.Next(place)
	if !slices.Equal(kept.Measured.counts, want) || slices.Equal(place.Measured.counts, want) {
		t.Errorf("the copy has %v, then %v", want, kept.Measured.counts)
	}
	p, back := tcp(3, packet.ACK, false), tcp(3, packet.ACK, true)
	p.TotalLen, back.TotalLen = 100, 1000
	p.Prepare(&table.cfg.Seed)
	back.Prepare(&table.cfg.Seed)
	table.Update([]Packet{p, back, back})
	table.Flush(3*second, EndForced)
	table.Ready(Everything)
	table.Next(place)
	_, reverse := place.distribution(rules.PacketSize, Reverse)
	turned := Record{RuleSet: place.RuleSet, Measured: place.Measured.Backward(nil)}
	if _, counts := turned.distribution(rules.PacketSize, Forward); !slices.Equal(counts, reverse) || counts[len(counts)-1] != 2000 {
		t.Errorf("turned round it has %v, want %v", counts, reverse)
	}
	none := Record{}
	none.CopyTo(&kept)
	if _, counts := kept.distribution(rules.PacketSize, Forward); counts != nil {
		t.Errorf("a copy of nothing has %v", counts)
	}
}

// TestKindsAreBounded: however many kinds the rules make, the histograms tell so
// many apart; nothing is lost.
func TestKindsAreBounded(t *testing.T) {
	text := ""
	for port := range 200 {
		text += fmt.Sprintf("- {if: 'dst.port == %d', set: {kind: %d}, measure: packet_size, do: count}\n", port, port)
	}
	table := newTable(t, text, func(cfg *Config) {
		cfg.RuleSet.Distributions = cfg.Program.Distributions()
		cfg.Histograms = NewHistograms(cfg.Program.Distributions())
	})
	for port := range 200 {
		p := tcp(1, packet.ACK, false)
		p.DstPort = uint16(port)
		p.Prepare(&table.cfg.Seed)
		table.Update([]Packet{p, p})
	}
	table.Flush(2*second, EndForced)
	for range table.Ready(Everything) {
		table.Next(new(Record))
	}
	kinds, values, octets := map[string]bool{}, uint64(0), uint64(0)
	table.cfg.Histograms.Each(rules.PacketSize, func(kind string, _ Way, counts []uint64, sum uint64) {
		kinds[kind], octets = true, octets+sum
		for _, n := range counts {
			values += n
		}
	})
	if len(kinds) != mostKinds+1 || !kinds[otherKind] || values != 400 || octets != 400*40 {
		t.Errorf("%d kinds, %d values, %d octets: %v", len(kinds), values, octets, kinds)
	}
	table.cfg.Histograms.Each(rules.BitRate, func(string, Way, []uint64, uint64) { t.Error("a quantity that is not measured") })
}
