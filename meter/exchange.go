package meter

import (
	"cmp"
	"slices"
	"sync"

	"flowmeter/meter/flow"
)

// exchange is the exchanger of workers that read traces. For each piece of
// work, every worker passes one lot per aggregating rule set to the worker that
// owns it, which waits for all of them.
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

// at and upto have nothing to say: in lockstep all workers have come as far.
func (x *exchange) at(int, int64)                  {}
func (x *exchange) upto(_, _ int, own int64) int64 { return own }

func (x *exchange) shares(ruleset int) bool { return x.aggregating[ruleset] }

func (x *exchange) owner(ruleset int) int { return ruleset % x.workers }

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
