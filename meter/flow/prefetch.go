package flow

import (
	"unsafe"

	"flowmeter/meter/packet"
)

// lines are addresses of cache lines that will be needed soon, gathered so that
// the processor can be told of many at once: the table lies anywhere in memory,
// and what is asked for ahead of its use costs a fraction of what it costs to
// be waited for.
type lines struct {
	at [2 * max(MaxRun, chunkSize)]uintptr
	n  int
}

const lineSize = 64

func (l *lines) slot(s *slot) { l.add(unsafe.Pointer(s)) }

func (l *lines) hot(h *hot) {
	l.add(unsafe.Pointer(h))
	l.add(unsafe.Add(unsafe.Pointer(h), lineSize))
}

func (l *lines) cold(c *cold) { l.add(unsafe.Pointer(c)) }

func (l *lines) add(p unsafe.Pointer) {
	l.at[l.n] = uintptr(p)
	l.n++
}

// fetch asks for the lines gathered, and forgets them.
func (l *lines) fetch() {
	prefetch(l.at[:l.n])
	l.n = 0
}

// updateAhead and releaseAhead are for how many packets or records lines are
// asked for at once.
const (
	updateAhead  = 16
	releaseAhead = 16
)

// prefetchSlots asks for the slots of a run of packets.
func (t *Table) prefetchSlots(ps []Packet) {
	for i := range ps {
		t.lines.slot(t.index.home(ps[i].hash))
	}
	t.lines.fetch()
}

// findCandidates notes the records that the packets from a place in the run on
// will most likely need, and asks for them.
func (t *Table) findCandidates(ps []Packet, from int) {
	for i := from; i < min(from+updateAhead, len(ps)); i++ {
		rec := int32(-1)
		if ps[i].Layers&packet.HasIP != 0 {
			rec = t.index.candidate(ps[i].hash)
		}
		t.candidates[i] = rec
		if rec >= 0 {
			t.lines.hot(t.store.hotAt(rec))
		}
	}
	t.lines.fetch()
}

// prefetchDue asks for the records of flows that are due, then for the slots of
// those that will end.
func (t *Table) prefetchDue(es []wheelEntry) {
	for i := range es {
		t.lines.hot(t.store.hotAt(es[i].rec))
	}
	t.lines.fetch()
	for i := range es {
		if h := t.store.hotAt(es[i].rec); h.serial == es[i].serial && h.seen+t.idle <= t.clock {
			t.lines.slot(t.index.home(t.hashOf(es[i].rec)))
		}
	}
	t.lines.fetch()
}

// prefetchReady asks for the records that will be released next.
func (t *Table) prefetchReady() {
	for _, e := range t.ended[t.taken:min(t.taken+releaseAhead, t.ready)] {
		t.lines.hot(t.store.hotAt(e.rec))
		t.lines.cold(t.store.coldAt(e.rec))
		t.prefetchPairs(e.rec)
	}
	t.lines.fetch()
}

// prefetchPairs adds the line that says which rules count a flow.
func (t *Table) prefetchPairs(rec int32) {
	if t.fused {
		t.lines.add(unsafe.Pointer(t.store.pairsAt(rec)))
	}
}

// prefetchFree asks for the record that the next new flow will get.
func (t *Table) prefetchFree() {
	if rec := t.store.free - 1; rec >= 0 {
		t.lines.hot(t.store.hotAt(rec))
		t.lines.cold(t.store.coldAt(rec))
		t.prefetchPairs(rec)
		t.lines.fetch()
	}
}
