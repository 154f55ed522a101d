package flow

import (
	"math/rand/v2"
	"runtime"
	"testing"
)

// find looks for a record as Table does: past others of the same hash.
func (x *index) find(hash uint32, rec int32) bool {
	s := x.segment(hash)
	for i := hash & s.mask; s.slots[i].ref != 0; i = (i + 1) & s.mask {
		if s.slots[i] == (slot{hash, uint32(rec) + 1}) {
			return true
		}
	}
	return false
}

// TestIndexIsAMap inserts and removes at random, with hashes that differ in few
// bits so that chains are long, share hashes and wrap around.
func TestIndexIsAMap(t *testing.T) {
	for _, bits := range []uint32{0xffffffff, 0x000000ff, 0x01000007, 0xff000000, 0} {
		rnd := rand.New(rand.NewPCG(uint64(bits), 1))
		x := newIndex(newMemory())
		want := map[int32]uint32{} // record → hash
		var recs []int32
		for n := range int32(20_000) {
			grow := uint64(2)
			if n > 10_000 || len(recs) > 300 && bits != 0xffffffff {
				grow = 1
			}
			if len(recs) == 0 || rnd.Uint64N(3) < grow {
				want[n] = rnd.Uint32() & bits
				x.insert(want[n], n)
				recs = append(recs, n)
			} else {
				i := rnd.IntN(len(recs))
				rec := recs[i]
				recs[i] = recs[len(recs)-1]
				recs = recs[:len(recs)-1]
				x.remove(want[rec], rec)
				if x.find(want[rec], rec) {
					t.Fatalf("hash bits %#x: record %d is found after its removal", bits, rec)
				}
				delete(want, rec)
			}
			if n%97 == 0 {
				checkIndex(t, x, want)
			}
		}
		checkIndex(t, x, want)
	}
}

func checkIndex(t *testing.T, x *index, want map[int32]uint32) {
	t.Helper()
	for rec, hash := range want {
		if !x.find(hash, rec) {
			t.Fatalf("record %d of hash %#x is lost", rec, hash)
		}
		first := x.candidate(hash)
		if first < 0 || want[first] != hash {
			t.Fatalf("candidate of %#x is record %d of hash %#x", hash, first, want[first])
		}
	}
	used := 0
	for i := range x.segments {
		s := &x.segments[i]
		n := 0
		for _, e := range s.slots {
			if e.ref != 0 {
				n++
			}
		}
		if n != int(s.used) || 4*n > 3*len(s.slots) {
			t.Fatalf("segment %d counts %d of %d slots, %d are used", i, s.used, len(s.slots), n)
		}
		used += n
	}
	if used != len(want) {
		t.Fatalf("%d slots are used for %d records", used, len(want))
	}
}

func TestIndexOfNothing(t *testing.T) {
	if rec := newIndex(newMemory()).candidate(0); rec != -1 {
		t.Errorf("an empty index found record %d", rec)
	}
}

// TestIndexGrowsLarge grows an index into memory that comes straight from the
// system, and gives all of it up.
func TestIndexGrowsLarge(t *testing.T) {
	m := newMemory()
	x := newIndex(m)
	want := map[int32]uint32{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range int32(600_000) {
		want[n] = rnd.Uint32()
		x.insert(want[n], n)
	}
	checkIndex(t, x, want)
	if len(*m.maps) == 0 && runtime.GOOS == "linux" {
		t.Error("no memory was taken from the system: this tests nothing")
	}
	x.free()
	if n := len(*m.maps); n != 0 {
		t.Errorf("%d arrays are left", n)
	}
}
