package flow

import (
	"unsafe"

	"flowmeter/meter/packet"
	"flowmeter/rules"
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

func (l *lines) trail(t *rules.Trail) { l.add(unsafe.Pointer(t)) }

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

// For so many packets, flows or records are lines asked for at once.
const (
	updateAhead  = 16
	dueAhead     = 16
	releaseAhead = 16
)

// Stretch is how many packets Expect is best told of at once.
const Stretch = 16

// Expect asks for where Update will first look for the flows of packets, each
// Prepared, at most MaxRun: what it gets in time need not be waited for.
func (t *Table) Expect(ps []Packet) {
	if !t.fused {
		return
	}
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
			if t.store.trailed {
				t.lines.trail(t.store.trails.at(rec))
			}
		}
	}
	t.lines.fetch()
}

// prefetchDue asks for the records of flows that are due.
func (t *Table) prefetchDue(es []wheelEntry) {
	for i := range es {
		t.lines.hot(t.store.hotAt(es[i].rec))
	}
	t.lines.fetch()
}

// prefetchEnds asks for the slots of those flows that will end.
func (t *Table) prefetchEnds(es []wheelEntry) {
	for i := range es {
		if h := t.store.hotAt(es[i].rec); h.serial == es[i].serial && h.seen+t.idle <= t.clock {
			t.lines.slot(t.index.home(t.hashOf(es[i].rec)))
		}
	}
	t.lines.fetch()
}

// prefetchReady asks for records that will be released: at the beginning for
// those of the first stretches, then for a stretch while the one before it is gone
// through.
func (t *Table) prefetchReady() {
	from := t.taken + releaseAhead
	if t.taken == 0 {
		from = 0
	}
	for _, e := range t.ended[min(from, t.ready):min(t.taken+2*releaseAhead, t.ready)] {
		t.lines.hot(t.store.hotAt(e.rec))
		t.lines.cold(t.store.coldAt(e.rec))
	}
	t.lines.fetch()
}

// prefetchFree asks for the record that the next new flow will get.
func (t *Table) prefetchFree() {
	if rec := t.store.free - 1; rec >= 0 {
		t.lines.hot(t.store.hotAt(rec))
		t.lines.cold(t.store.coldAt(rec))
		t.lines.fetch()
	}
}
