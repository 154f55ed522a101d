package flow

import (
	"cmp"
	"slices"
)

// victims are the flows least recently seen as of the last look at the whole
// table. Between two looks a flow that is not among them can only have been
// seen later than all of them, or at the same time as the last if it is new;
// so the first that has not been seen since is always the least recently seen
// of the table.
type victims struct {
	heap []victim // next victim first
	upto int64    // when the last of the heap was seen
	late []int32  // flows made at that same time since the look
}

type victim struct {
	seen   int64
	order  uint64
	rec    int32
	serial uint32
}

// victimShare is the part of the table that is put into the heap at once: the
// cost of a look at the whole table is shared by that many evictions.
const victimShare = 16

// evict ends the flow least recently seen; of several, the first by key.
func (t *Table) evict(clock int64) {
	for {
		v := t.nextVictim()
		h := t.store.hotAt(v.rec)
		if h.serial != v.serial || h.seen != v.seen {
			continue
		}
		if t.settle(v.rec, clock, false) {
			t.end(v.rec, clock, EndResources)
		}
		return
	}
}

func (t *Table) nextVictim() victim {
	if len(t.victims.heap) == 0 {
		t.findVictims()
	}
	for _, rec := range t.victims.late {
		if h := t.store.hotAt(rec); h.state&live != 0 && h.seen == t.victims.upto {
			t.pushVictim(t.victimOf(rec))
		}
	}
	t.victims.late = t.victims.late[:0]
	return t.popVictim()
}

// noteNew keeps a new flow in mind that may come before known victims. If
// there are too many of them, the next eviction looks at the whole table.
func (t *Table) noteNew(rec int32, clock int64) {
	v := &t.victims
	if len(v.heap) == 0 || clock != v.upto {
		return
	}
	if len(v.late) == t.cfg.MaxFlows {
		v.heap, v.late = v.heap[:0], v.late[:0]
		return
	}
	v.late = append(v.late, rec)
}

// findVictims looks at the whole table for those least recently seen: a share
// of it, and all that were last seen at the same time as the last of these.
func (t *Table) findVictims() {
	v := &t.victims
	seen := make([]int64, 0, t.Counts.Live)
	for rec := range t.store.next {
		if h := t.store.hotAt(rec); h.state&live != 0 {
			seen = append(seen, h.seen)
		}
	}
	slices.Sort(seen)
	v.upto = seen[len(seen)/victimShare]
	v.heap, v.late = v.heap[:0], v.late[:0]
	for rec := range t.store.next {
		if h := t.store.hotAt(rec); h.state&live != 0 && h.seen <= v.upto {
			v.heap = append(v.heap, t.victimOf(rec))
		}
	}
	slices.SortFunc(v.heap, t.compareVictims)
}

func (t *Table) victimOf(rec int32) victim {
	h, key := t.store.hotAt(rec), t.keyOf(rec)
	return victim{h.seen, orderOf(&key), rec, h.serial}
}

// compareVictims orders by time and key. The key of a flow that has ended since
// is gone: it comes before its equals, which leaves the heap a heap.
func (t *Table) compareVictims(a, b victim) int {
	if c := cmp.Or(cmp.Compare(a.seen, b.seen), cmp.Compare(a.order, b.order)); c != 0 {
		return c
	}
	if t.store.hotAt(a.rec).serial != a.serial {
		return -1
	}
	if t.store.hotAt(b.rec).serial != b.serial {
		return 1
	}
	ka, kb := t.keyOf(a.rec), t.keyOf(b.rec)
	return compareKeys(&ka, &kb)
}

// pushVictim adds to the heap.
func (t *Table) pushVictim(v victim) {
	h := append(t.victims.heap, v)
	t.victims.heap = h
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if t.compareVictims(h[i], h[up]) >= 0 {
			return
		}
		h[i], h[up] = h[up], h[i]
		i = up
	}
}

// popVictim takes the first of the heap.
func (t *Table) popVictim() victim {
	h := t.victims.heap
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	t.victims.heap = h
	for i := 0; ; {
		down := 2*i + 1
		if down >= len(h) {
			return first
		}
		if other := down + 1; other < len(h) && t.compareVictims(h[other], h[down]) < 0 {
			down = other
		}
		if t.compareVictims(h[i], h[down]) <= 0 {
			return first
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
