package meter

import (
	"maps"
	"math"
	"strconv"
	"strings"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// HistogramFamily is a metric family of distributions: the sums of those of all
// records, by rule set, kind and direction.
type HistogramFamily struct {
	Name, Help string
	Labels     []string
	of         rules.Quantity
	factor     uint64 // bounds times this have so many digits behind the point
	digits     int
	sumDigits  int // of the sum; of rates it is divided by the window instead
}

// Histogram is one of a family: the bounds as its le labels have them, but +Inf,
// the counts of the buckets, each for itself, the last of what is above all
// bounds, and the sum of the values.
type Histogram struct {
	Bounds []string
	Counts []uint64
	Sum    string
}

// HistogramFamilies returns the families, in the order in which they are shown.
func HistogramFamilies() []HistogramFamily {
	family := func(q rules.Quantity, name, what string, factor uint64, digits, sumDigits int) HistogramFamily {
		return HistogramFamily{name, what + ", of the records of flows whose rules measure it.", []string{"ruleset", "kind", "direction"}, q, factor, digits, sumDigits}
	}
	return []HistogramFamily{
		family(rules.PacketSize, "meter_flow_packet_size_octets", "Sizes of packets, IP header and payload", 1, 0, 0),
		family(rules.InterArrival, "meter_flow_inter_arrival_seconds", "Times from packet to packet of a flow in the same direction", 1, 6, 9),
		family(rules.Turnaround, "meter_flow_turnaround_seconds", "Times from a packet of a flow to the next one, where that goes the other way, by the direction of the latter", 1, 6, 9),
		family(rules.BitRate, "meter_flow_octets_per_second", "Octets per second, IP headers and payload, in windows of time", 125, 3, 0),
		family(rules.PacketRate, "meter_flow_packets_per_second", "Packets per second in windows of time", 1, 0, 0),
	}
}

var directions = [...]string{flow.Forward: "forward", flow.Reverse: "reverse"}

// Collect calls emit for every histogram of the family. They are valid during
// the call.
func (f *HistogramFamily) Collect(a *Account, emit func(h Histogram, labels ...string)) {
	for _, b := range a.Books {
		sums := a.histograms[b.Name]
		if sums == nil || sums.Distributions()[f.of] == nil {
			continue
		}
		d := sums.Distributions()[f.of]
		bounds := make([]string, len(d.Bounds))
		for i, bound := range d.Bounds {
			bounds[i] = decimal(bound*f.factor, f.digits)
		}
		sums.Each(f.of, func(kind string, way flow.Way, counts []uint64, sum uint64) {
			h := Histogram{Bounds: bounds, Counts: counts, Sum: decimal(sum, f.sumDigits)}
			if d.Window != 0 {
				h.Sum = strconv.FormatFloat(float64(sum)*float64(f.factor)/math.Pow10(f.digits)/d.Window.Seconds(), 'g', -1, 64)
			}
			emit(h, b.Name, kind, directions[way])
		})
	}
}

// decimal writes n with so many digits behind the point, without zeros at the
// end: exactly what was counted by.
func decimal(n uint64, digits int) string {
	s := strconv.FormatUint(n, 10)
	if digits == 0 {
		return s
	}
	if short := digits + 1 - len(s); short > 0 {
		s = strings.Repeat("0", short) + s
	}
	whole, part := s[:len(s)-digits], strings.TrimRight(s[len(s)-digits:], "0")
	if part == "" {
		return whole
	}
	return whole + "." + part
}

// histogramsOf returns where the records of a rule set are summed up, over all
// reloads that leave the buckets as they are; nil if it measures nothing.
func (t *NameTable) histogramsOf(name string, p *rules.Program) *flow.Histograms {
	if !p.Measures() {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.histograms[name]
	if h == nil || !h.Distributions().Equal(p.Distributions()) {
		if t.histograms == nil {
			t.histograms = map[string]*flow.Histograms{}
		}
		h = flow.NewHistograms(p.Distributions())
		t.histograms[name] = h
	}
	return h
}

// allHistograms returns them by the names of their rule sets.
func (t *NameTable) allHistograms() map[string]*flow.Histograms {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.histograms)
}
