package text

import (
	"cmp"
	"container/heap"

	"flowmeter/meter/flow"
)

// top keeps the n records that rank highest, one of each flow, in memory for
// n: of the pieces of a long flow the one that ranks highest, the latest if
// they are equal.
type top struct {
	n       int
	entries []*entry // a heap whose root stands last in the table
	flows   map[flowID]*entry
}

type entry struct {
	rank uint64
	at   int // its index in the heap
	rec  flow.Record
}

// flowID tells flows apart, over all rule sets.
type flowID struct {
	ruleset int
	id      uint64
	start   int64
}

func idOf(r *flow.Record) flowID { return flowID{r.RuleSet.Index, r.FlowID, r.Start} }

// before tells whether a record of the given rank stands before e: by rank,
// then by what makes the order total, so that the table never depends on the
// order of arrival.
func before(rank uint64, r *flow.Record, e *entry) bool {
	return cmp.Or(
		cmp.Compare(e.rank, rank),
		cmp.Compare(r.Start, e.rec.Start),
		cmp.Compare(r.RuleSet.Index, e.rec.RuleSet.Index),
		cmp.Compare(r.FlowID, e.rec.FlowID),
		cmp.Compare(e.rec.Piece, r.Piece),
	) < 0
}

// add takes a copy of r if it is among the top.
func (t *top) add(rank uint64, r *flow.Record) {
	full := len(t.entries) == t.n
	if full && !before(rank, r, t.entries[0]) {
		return
	}
	e := t.flows[idOf(r)]
	switch {
	case e != nil && !before(rank, r, e):
		return
	case e == nil && full:
		e = t.entries[0]
		delete(t.flows, idOf(&e.rec))
	case e == nil:
		e = &entry{}
		t.push(e, rank, r)
		return
	}
	e.rank = rank
	r.CopyTo(&e.rec)
	t.flows[idOf(r)] = e
	heap.Fix((*entryHeap)(&t.entries), e.at)
}

func (t *top) push(e *entry, rank uint64, r *flow.Record) {
	e.rank = rank
	r.CopyTo(&e.rec)
	t.flows[idOf(r)] = e
	heap.Push((*entryHeap)(&t.entries), e)
}

// sorted returns the records in the order of the table and empties t.
func (t *top) sorted() []*flow.Record {
	recs := make([]*flow.Record, len(t.entries))
	for i := len(recs) - 1; i >= 0; i-- {
		recs[i] = &heap.Pop((*entryHeap)(&t.entries)).(*entry).rec
	}
	clear(t.flows)
	return recs
}

// entryHeap is a heap for container/heap; its root stands last.
type entryHeap []*entry

func (h entryHeap) Len() int { return len(h) }

func (h entryHeap) Less(i, j int) bool { return before(h[j].rank, &h[j].rec, h[i]) }

func (h entryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *entryHeap) Push(x any) {
	e := x.(*entry)
	e.at = len(*h)
	*h = append(*h, e)
}

func (h *entryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}
