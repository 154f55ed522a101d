package flow

import (
	"math/rand/v2"
	"slices"
	"testing"
)

const slotTime = int64(1) << slotShift

// drained returns the records that the wheel gives up to a slot, in order of
// their numbers, and checks the marks.
func drained(t *testing.T, w *wheel, slot int64, marks map[int32]uint32) (recs []int32) {
	t.Helper()
	w.drain(slot*slotTime, func(es []wheelEntry, mark uint32) {
		for _, e := range es {
			if m, known := marks[e.rec]; !known || m != mark {
				t.Errorf("record %d was entered under mark %d and drained under %d", e.rec, m, mark)
			}
			delete(marks, e.rec)
			recs = append(recs, e.rec)
		}
	})
	slices.Sort(recs)
	return recs
}

// TestWheelDrainsEverySlotBetween moves the clock by steps of every size: what
// is due in a slot comes when the clock has passed it, no sooner and no later.
func TestWheelDrainsEverySlotBetween(t *testing.T) {
	for _, start := range []int64{0, -5, 1000, 1<<32 - 3, 1.7e18 >> slotShift} {
		for step := int64(1); step <= 3*wheelSlots; step = step*3/2 + 1 {
			w := &wheel{}
			w.restart(start * slotTime)
			marks := map[int32]uint32{}
			for i := range int64(wheelSlots) {
				rec := int32(i)
				marks[rec] = w.add(w.slotOf((start+i)*slotTime+5), rec, 0)
			}
			want := int64(0)
			for now := start; want < wheelSlots; now += step {
				for _, rec := range drained(t, w, now, marks) {
					if int64(rec) != want {
						t.Fatalf("start %d, step %d: record %d came instead of %d", start, step, rec, want)
					}
					want++
				}
				if due := min(now-start, wheelSlots); want != due {
					t.Fatalf("start %d, step %d: %d records came by slot %d", start, step, want, due)
				}
			}
		}
	}
}

func TestWheelSlotOf(t *testing.T) {
	w := &wheel{}
	w.restart(100 * slotTime)
	for _, c := range []struct{ due, slot int64 }{
		{100 * slotTime, 100}, {101*slotTime - 1, 100}, {101 * slotTime, 101},
		{3 * slotTime, 100},                                                      // overdue: looked at next
		{5000 * slotTime, 100 + wheelSlots - 1}, {1 << 62, 100 + wheelSlots - 1}, // looked at once a turn
	} {
		if got := w.slotOf(c.due); got != c.slot {
			t.Errorf("what is due at %d is looked at in slot %d, not %d", c.due, got, c.slot)
		}
	}
}

// TestWheelEntersWhileDraining enters each record again while it is looked at,
// as flows with packets since are.
func TestWheelEntersWhileDraining(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	w := &wheel{}
	due := map[int32]int64{}
	for rec := range int32(1000) { // several chunks
		due[rec] = rnd.Int64N(10 * slotTime)
		w.add(w.slotOf(due[rec]), rec, 0)
	}
	for clock := int64(0); clock < 5000*slotTime; clock += rnd.Int64N(2000 * slotTime) {
		seen := map[int32]int64{}
		w.drain(clock, func(es []wheelEntry, _ uint32) {
			for _, e := range es {
				if due[e.rec]>>slotShift >= clock>>slotShift || seen[e.rec] != 0 {
					t.Fatalf("record %d, due at %d, was looked at again by %d", e.rec, due[e.rec], clock)
				}
				seen[e.rec] = 1
				due[e.rec] = clock + rnd.Int64N(900*slotTime)
				w.add(w.slotOf(due[e.rec]), e.rec, 0)
			}
		})
		for rec, d := range due {
			if d>>slotShift < clock>>slotShift {
				t.Fatalf("record %d, due at %d, was forgotten by %d", rec, d, clock)
			}
		}
	}
}

// TestWheelRestart sets the clock back and uses the chunks of before again.
func TestWheelRestart(t *testing.T) {
	w := &wheel{}
	for turn := int64(10); turn > 0; turn-- {
		w.restart(turn * 5000 * slotTime)
		marks := map[int32]uint32{}
		for rec := range int32(10_000) {
			marks[rec] = w.add(w.next+int64(rec)%wheelSlots, rec, 0)
		}
		if turn%2 == 0 {
			continue // forgotten by the next restart
		}
		if got := drained(t, w, w.next+wheelSlots, marks); len(got) != 10_000 {
			t.Fatalf("%d of 10000 records came", len(got))
		}
	}
	if used := int(w.fresh); used > wheelSlots+10_000/chunkSize+1 {
		t.Errorf("%d chunks were taken", used)
	}
}
