package meter

import (
	"slices"
	"sync"

	"flowmeter/meter/flow"
)

// SelectorTable numbers the selectors of inputs: an input that goes over to
// another sampling gets another number, so that no record is taken for one of
// the other rate. Meters whose records go to the same exporters share one.
type SelectorTable struct {
	mu    sync.Mutex
	known []*flow.Selector
}

// Of returns the selector of an input that meters one packet in so many.
func (t *SelectorTable) Of(input string, sample int) *flow.Selector {
	t.mu.Lock()
	defer t.mu.Unlock()
	interval := uint32(max(sample, 1))
	for _, last := range slices.Backward(t.known) {
		if last.Input == input && last.Interval == interval {
			return last
		}
		if last.Input == input {
			break
		}
	}
	s := &flow.Selector{Input: input, ID: uint32(len(t.known) + 1), Interval: interval}
	t.known = append(t.known, s)
	return s
}

// selector returns what records say of sampling, where nobody else said it.
func (c *Config) selector() *flow.Selector {
	if c.Selector != nil || c.Sample <= 1 {
		return c.Selector
	}
	return new(SelectorTable).Of(c.Input, c.Sample)
}
