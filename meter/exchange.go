package meter

import (
	"cmp"
	"slices"
	"sync"

	"flowmeter/meter/flow"
)

// exchange carries the sightings of aggregating rule sets between workers.
// For each piece of work, every worker passes one lot per such rule set to the
// worker that owns it, which waits for all of them.
type exchange struct {
	workers     int
	aggregating []bool                   // by rule set
	lots        [][]chan []flow.Sighting // by rule set and sender
	spare       sync.Pool                // of []flow.Sighting
}

// lotsAhead is how many pieces of work a worker may be ahead of an owner.
const lotsAhead = 4

func newExchange(workers int, aggregating []bool) *exchange {
	x := &exchange{workers: workers, aggregating: aggregating, lots: make([][]chan []flow.Sighting, len(aggregating))}
	for i := range x.lots {
		x.lots[i] = make([]chan []flow.Sighting, workers)
		for j := range x.lots[i] {
			x.lots[i][j] = make(chan []flow.Sighting, lotsAhead)
		}
	}
	return x
}

// owner returns the worker that keeps the flows of a rule set.
func (x *exchange) owner(ruleset int) int { return ruleset % x.workers }

// pass hands a worker's sightings to the owner of the rule set and returns an
// empty lot. The owner gets the lots of all workers, its own included, in the
// order of the packets.
func (x *exchange) pass(worker, ruleset int, lot []flow.Sighting) []flow.Sighting {
	if worker != x.owner(ruleset) {
		x.lots[ruleset][worker] <- lot
		if spare, ok := x.spare.Get().(*[]flow.Sighting); ok {
			return *spare
		}
		return nil
	}
	for sender, ch := range x.lots[ruleset] {
		if sender == worker {
			continue
		}
		other := <-ch
		lot = append(lot, other...)
		other = other[:0]
		x.spare.Put(&other)
	}
	slices.SortFunc(lot, func(a, b flow.Sighting) int { return cmp.Compare(a.Number, b.Number) })
	return lot
}
