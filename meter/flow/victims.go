package flow

import (
	"cmp"
	"slices"
)

// victims are the flows least recently seen as of the last look at the whole
// table, next victim first. Between two looks a flow that was not among them
// can only have been seen later than all of them, so the first that has not
// been seen since is always the least recently seen of the table.
type victims struct {
	list []victim
}

type victim struct {
	seen   int64
	order  uint64
	rec    int32
	serial uint32
}

// victimShare is the part of the table that is put into the list at once: the
// cost of a look at the whole table is shared by that many evictions.
const victimShare = 16

// evict ends the flow least recently seen; of several, the first by key.
func (t *Table) evict(clock int64) {
	for {
		if len(t.victims.list) == 0 {
			t.findVictims()
		}
		v := t.victims.list[0]
		t.victims.list = t.victims.list[1:]
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

// findVictims looks at the whole table for those least recently seen: a share
// of it, and all that were last seen at the same time as the last of these.
func (t *Table) findVictims() {
	seen := make([]int64, 0, t.Counts.Live)
	for rec := range t.store.next {
		if h := t.store.hotAt(rec); h.state&live != 0 {
			seen = append(seen, h.seen)
		}
	}
	slices.Sort(seen)
	oldest := seen[len(seen)/victimShare]
	var list []victim
	for rec := range t.store.next {
		if h := t.store.hotAt(rec); h.state&live != 0 && h.seen <= oldest {
			list = append(list, victim{h.seen, t.order(rec), rec, h.serial})
		}
	}
	slices.SortFunc(list, t.compareVictims)
	t.victims.list = list
}

func (t *Table) compareVictims(a, b victim) int {
	if c := cmp.Or(cmp.Compare(a.seen, b.seen), cmp.Compare(a.order, b.order)); c != 0 {
		return c
	}
	ka, kb := t.keyOf(a.rec), t.keyOf(b.rec)
	return compareKeys(&ka, &kb)
}
