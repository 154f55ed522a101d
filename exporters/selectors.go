package exporters

import (
	"slices"

	"flowmeter/meter/flow"
)

// Selectors are those that an exporter has told its collector of. The zero
// value has none.
type Selectors struct {
	last    *flow.Selector
	told    []uint32         // numbers of all
	current []*flow.Selector // those to be told again with the templates
}

// New tells whether a collector must be told of a selector before the next
// record, and notes that it is.
func (s *Selectors) New(next *flow.Selector) bool {
	if next == s.last || next == nil {
		return false
	}
	s.last = next
	if slices.Contains(s.told, next.ID) {
		return false
	}
	s.told = append(s.told, next.ID)
	s.supersede(next)
	return true
}

// supersede has a selector take the place of what its input had before. Records
// of before may come after those of now: that is not told again.
func (s *Selectors) supersede(next *flow.Selector) {
	for i, have := range s.current {
		if have.Input == next.Input {
			if have.ID < next.ID {
				s.current[i] = next
			}
			return
		}
	}
	s.current = append(s.current, next)
}

// All returns those that are told again with the templates, in the order in
// which they came.
func (s *Selectors) All() []*flow.Selector { return s.current }
