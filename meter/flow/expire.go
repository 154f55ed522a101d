package flow

import "slices"

// settle ends a flow, or the piece of a flow, whose time has come at the given
// clock, and tells whether the flow lives on. What it decides depends on the
// flow's own packets and the clock alone, not on when it is called.
// newConnection is set for a packet that asks for a new TCP connection.
func (t *Table) settle(rec int32, clock int64, newConnection bool) bool {
	h := t.store.hotAt(rec)
	due, reason := t.endOf(h)
	if h.hasPackets() && h.start+t.active <= clock && h.start+t.active < due {
		t.closePiece(rec, h.start+t.active)
	}
	switch {
	case due <= clock:
		t.end(rec, due, reason)
	case newConnection && h.state&lingering != 0:
		t.end(rec, clock, EndDetected)
	default:
		return true
	}
	return false
}

// goesOn tells of most flows, at little cost, that settle would change nothing.
func (t *Table) goesOn(h *hot, clock int64) bool {
	return clock-h.seen < t.idle && clock-h.start < t.active && h.state&lingering == 0
}

// endOf returns when a flow ends if no more packets come, and why.
func (t *Table) endOf(h *hot) (int64, EndReason) {
	if h.state&lingering != 0 && t.linger < t.idle {
		return h.seen + t.linger, EndDetected
	}
	return h.seen + t.idle, EndIdle
}

func (h *hot) hasPackets() bool { return h.packets[Forward]|h.packets[Reverse] != 0 }

// due is called by the wheel for flows that may have come to their end. While it
// goes through a stretch of them, what the next two need is on its way.
func (t *Table) due(es []wheelEntry, mark uint32) {
	stretch := func(n int) []wheelEntry {
		return es[min(n*dueAhead, len(es)):min((n+1)*dueAhead, len(es))]
	}
	t.prefetchDue(stretch(0))
	t.prefetchDue(stretch(1))
	t.prefetchEnds(stretch(0))
	for n := 0; n*dueAhead < len(es); n++ {
		t.prefetchDue(stretch(n + 2))
		t.prefetchEnds(stretch(n + 1))
		for _, e := range stretch(n) {
			t.dueOne(e, mark)
		}
	}
}

func (t *Table) dueOne(e wheelEntry, mark uint32) {
	h := t.store.hotAt(e.rec)
	if h.serial != e.serial || h.armed != mark || !t.settle(e.rec, t.clock, false) {
		return
	}
	next, _ := t.endOf(h)
	if h.hasPackets() {
		next = min(next, h.start+t.active)
	}
	h.armed = t.wheel.add(t.wheel.slotOf(next), e.rec, h.serial)
}

// Advance ends all flows whose time has come by the given trace clock, as far
// as whole slots of the wheel have passed, and returns the watermark: every
// record with an earlier decided-end time can now be released.
func (t *Table) Advance(clock int64) (watermark int64) {
	t.clock = clock >> slotShift << slotShift
	t.wheel.drain(t.clock, t.look)
	for _, r := range t.reserves {
		r.Advance(clock)
	}
	t.relaxAll(clock)
	return t.clock
}

// closePiece ends the current piece of a flow that goes on: its counters move
// into a record of their own that waits for its release.
func (t *Table) closePiece(rec int32, end int64) {
	piece := t.store.alloc()
	t.store.copyTo(piece, rec)
	t.store.hotAt(piece).state &^= live
	if t.store.hotAt(rec).state&measures != 0 {
		t.splitMeasures(piece, rec)
	}
	t.await(piece, end, EndActive)
	h, c := t.store.hotAt(rec), t.store.coldAt(rec)
	sum := t.store.before(c)
	for way := range h.octets {
		sum.octets[way] += h.octets[way]
		sum.packets[way] += h.packets[way]
	}
	sum.number++
	c.earlier = t.store.keep(sum) // the closed piece has what was kept so far
	h.state |= pieced
	h.octets, h.packets, h.layer2, h.flags = [2]uint64{}, [2]uint64{}, [2]uint64{}, [2]uint16{}
}

// end takes a flow out of the table. Its record waits for its release, unless
// its last piece has no packets.
func (t *Table) end(rec int32, at int64, reason EndReason) {
	if t.index != nil {
		t.index.remove(t.hashOf(rec), rec)
	}
	t.Counts.Live--
	h := t.store.hotAt(rec)
	h.serial++
	h.state &^= live
	if h.hasPackets() {
		t.await(rec, at, reason)
		return
	}
	t.store.release(rec)
}

// Flush ends all flows at the given clock. A TCP connection that has ended is
// not waited for any longer; all else is forced out.
func (t *Table) Flush(clock int64, reason EndReason) {
	for _, r := range t.reserves {
		r.Flush(clock, reason)
	}
	t.index.free()
	t.index = nil // nothing is looked up meanwhile, and its memory is worth having back
	defer func() { t.index = newIndex(t.store.memory) }()
	t.ended = slices.Grow(t.ended, int(t.Counts.Live))
	for rec := range t.store.next {
		t.force(rec, clock, reason)
	}
}

// FlushSome is Flush of at most n flows of a table that goes on, or nearly so:
// the next call continues where it stopped. It returns what is left of n, and
// whether it has been through the whole table.
func (t *Table) FlushSome(clock int64, reason EndReason, n int) (left int, all bool) {
	for ; t.emptied < len(t.reserves); t.emptied++ {
		if n, all = t.reserves[t.emptied].FlushSome(clock, reason, n); !all {
			return n, false
		}
	}
	for ; t.flushed < t.store.next; t.flushed++ {
		if n <= 0 {
			return n, false
		}
		if t.force(t.flushed, clock, reason) {
			n--
		}
	}
	t.flushed, t.emptied = 0, 0
	return n, true
}

// force ends a flow, and tells whether there was one.
func (t *Table) force(rec int32, clock int64, reason EndReason) bool {
	if t.store.hotAt(rec).state&live == 0 {
		return false
	}
	if !t.settle(rec, clock, false) {
		return true
	}
	if t.store.hotAt(rec).state&lingering != 0 {
		reason = EndDetected
	}
	t.end(rec, clock, reason)
	return true
}

// Live calls show with the live flows that have packets, its reserves' too, as records that would
// be forced out at the given clock, some at a time. They are valid during the
// call.
func (t *Table) Live(clock int64, show func([]Record)) {
	room := make([]Record, 0, 256)
	for rec := range t.store.next {
		if h := t.store.hotAt(rec); h.state&live == 0 || !h.hasPackets() {
			continue
		}
		if len(room) == cap(room) {
			show(room)
			room = room[:0]
		}
		room = room[:len(room)+1]
		t.fill(&room[len(room)-1], &ending{end: clock, rec: rec})
	}
	show(room)
	for _, r := range t.reserves {
		r.Live(clock, show)
	}
}

// Restart sets the clock of an empty table, also backwards.
func (t *Table) Restart(clock int64) {
	if len(t.ended) == 0 {
		t.store.reset() // so that the next Flush looks at the records used since only
	}
	t.wheel.restart(clock)
	t.clock = t.wheel.next << slotShift
	t.flushed, t.emptied = 0, 0
	t.victims.heap, t.victims.late = t.victims.heap[:0], t.victims.late[:0]
	for _, r := range t.reserves {
		r.Restart(clock)
	}
	t.relaxAll(clock)
}
