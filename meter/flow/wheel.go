package flow

// A wheel slot is 2^27 ns, about 134 ms; the wheel reaches 137 s ahead, and
// what is due later is looked at once a turn.
const (
	slotShift  = 27
	wheelSlots = 1024
	chunkSize  = 62
)

// wheelEntry is a flow to be looked at. It is void if the flow's serial has
// moved on or the flow is armed for another slot: nothing is ever taken out
// of the wheel before its time.
type wheelEntry struct {
	rec    int32
	serial uint32
}

// chunk is a piece of a slot's list.
type chunk struct {
	entries [chunkSize]wheelEntry
	used    int32
	next    int32 // chunk number + 1; 0 at the end
}

// wheel says which flows are due when. It is driven by the trace clock.
type wheel struct {
	slots  [wheelSlots]int32 // chunk number + 1
	next   int64             // the slot to be drained next
	chunks slabs[chunk]
	room   int32 // chunks made
	memory *memory
	free   int32 // chunk number + 1
	fresh  int32
}

// slotOf returns the slot that looks at what is due at the given time.
func (w *wheel) slotOf(due int64) int64 {
	return min(max(due>>slotShift, w.next), w.next+wheelSlots-1)
}

// add enters a flow into a slot and returns the slot's mark for hot.armed.
func (w *wheel) add(slot int64, rec int32, serial uint32) uint32 {
	head := &w.slots[slot&(wheelSlots-1)]
	if *head == 0 || w.chunk(*head).used == chunkSize {
		c := w.alloc()
		w.chunk(c).next = *head
		*head = c
	}
	c := w.chunk(*head)
	c.entries[c.used] = wheelEntry{rec, serial}
	c.used++
	return uint32(slot)
}

func (w *wheel) chunk(ref int32) *chunk {
	return w.chunks.at(ref - 1)
}

func (w *wheel) alloc() int32 {
	if c := w.free; c != 0 {
		w.free = w.chunk(c).next
		w.chunk(c).used = 0
		return c
	}
	if w.fresh == w.room {
		w.room = w.chunks.grow(w.memory)
	}
	w.fresh++
	return w.fresh
}

// drain calls look with the entries of the slots that end at or before the
// given time, some at a time, and the slot's mark, and moves on. A jump of more than a turn
// drains every slot once. look may add entries, which go to later slots.
func (w *wheel) drain(clock int64, look func(es []wheelEntry, mark uint32)) {
	old, end := w.next, clock>>slotShift
	if end <= old {
		return
	}
	n := min(end-old, wheelSlots)
	var heads [wheelSlots]int32
	for i := range n {
		heads[i] = w.take(old + i)
	}
	w.next = end
	for i := range n {
		w.walk(heads[i], uint32(old+i), look)
	}
}

// restart forgets all entries and sets the clock.
func (w *wheel) restart(clock int64) {
	for i := range w.slots {
		w.walk(w.slots[i], 0, func([]wheelEntry, uint32) {})
		w.slots[i] = 0
	}
	w.next = clock >> slotShift
}

func (w *wheel) take(slot int64) int32 {
	head := &w.slots[slot&(wheelSlots-1)]
	ref := *head
	*head = 0
	return ref
}

// walk looks at the entries of a list, a chunk at a time, and frees the chunks.
func (w *wheel) walk(ref int32, mark uint32, look func([]wheelEntry, uint32)) {
	for ref != 0 {
		c := w.chunk(ref)
		look(c.entries[:c.used], mark)
		next := c.next
		c.next, w.free = w.free, ref
		ref = next
	}
}
