package flow

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"flowmeter/rules"
)

// Histograms are the sums of the distributions of all records of a rule set,
// by kind and direction. Its tables, of all workers and inputs, share one.
type Histograms struct {
	of     *rules.Distributions
	size   int // counters of one direction
	mu     sync.Mutex
	byKind map[string]*[2][]uint64
}

// mostKinds bounds how many kinds are told apart. What has any other is summed
// up as otherKind.
const (
	mostKinds = 64
	otherKind = "other"
)

// NewHistograms returns sums of nothing yet.
func NewHistograms(of *rules.Distributions) *Histograms {
	h := &Histograms{of: of, byKind: map[string]*[2][]uint64{}}
	h.size = h.at(rules.NumQuantities)
	return h
}

// Distributions returns how they are taken.
func (h *Histograms) Distributions() *rules.Distributions { return h.of }

// add adds a record's distributions.
func (h *Histograms) add(r *Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sums := h.sumsOf(r.kindName())
	for way, has := range [...]Has{HasForward, HasReverse} {
		if r.Has&has == 0 {
			continue
		}
		for q := range rules.NumQuantities {
			_, counts := r.distribution(q, Way(way))
			for i, n := range counts {
				sums[way][h.at(q)+i] += n
			}
		}
	}
}

func (h *Histograms) sumsOf(kind string) *[2][]uint64 {
	if h.byKind[kind] == nil && len(h.byKind) >= mostKinds {
		kind = otherKind
	}
	sums := h.byKind[kind]
	if sums == nil {
		sums = &[2][]uint64{make([]uint64, h.size), make([]uint64, h.size)}
		h.byKind[kind] = sums
	}
	return sums
}

// Each calls show with the sums of a quantity: the counts of the buckets and of
// the overflow, and the sum of the values in octets, nanoseconds, or bits or
// packets of windows.
func (h *Histograms) Each(q rules.Quantity, show func(kind string, way Way, counts []uint64, sum uint64)) {
	if h.of[q] == nil {
		return
	}
	sums := h.copyOf(q)
	for _, kind := range slices.Sorted(maps.Keys(sums)) {
		for way, counts := range sums[kind] {
			show(kind, Way(way), counts[:len(counts)-1], counts[len(counts)-1])
		}
	}
}

// copyOf returns the sums of a quantity as of now.
func (h *Histograms) copyOf(q rules.Quantity) map[string][2][]uint64 {
	at, size := h.at(q), sizeOf(h.of[q])
	h.mu.Lock()
	defer h.mu.Unlock()
	sums := make(map[string][2][]uint64, len(h.byKind))
	for kind, s := range h.byKind {
		sums[kind] = [2][]uint64{slices.Clone(s[0][at : at+size]), slices.Clone(s[1][at : at+size])}
	}
	return sums
}

// at returns where the counters of a quantity begin within a direction; of
// NumQuantities, where they end.
func (h *Histograms) at(q rules.Quantity) (at int) {
	for _, d := range h.of[:q] {
		if d != nil {
			at += sizeOf(d)
		}
	}
	return at
}

// kindName is the name of a record's kind, or its number; empty if the rules
// set none.
func (r *Record) kindName() string {
	n := r.Key.Kind
	switch {
	case r.Key.Saved&rules.FlowKind == 0:
		return ""
	case int(n) < len(numberNames):
		return numberNames[n]
	}
	return r.RuleSet.Named(n)
}

// numberNames are the kinds that have no other name.
var numberNames = func() (names [256]string) {
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}()
