package flow

import (
	"testing"
	"unsafe"
)

// TestSlabsKeepWhatTheyHold grows an array far enough for slabs of both kinds
// of memory: nothing moves, nothing is shared, new elements are zero.
func TestSlabsKeepWhatTheyHold(t *testing.T) {
	m := newMemory()
	var s slabs[hot]
	var where []*hot
	for made := int32(0); made < 1<<16; {
		n := s.grow(m)
		if n <= made {
			t.Fatalf("%d elements after %d", n, made)
		}
		for i := made; i < n; i++ {
			h := s.at(i)
			if *h != (hot{}) {
				t.Fatalf("element %d of %d is not new", i, n)
			}
			h.seen, h.serial = int64(i), uint32(i)
			where = append(where, h)
		}
		made = n
	}
	for i, h := range where {
		if s.at(int32(i)) != h || h.seen != int64(i) || h.serial != uint32(i) {
			t.Fatalf("element %d has moved or was overwritten", i)
		}
	}
}

// TestArrays takes and frees arrays below and above the size of a huge page.
func TestArrays(t *testing.T) {
	m := newMemory()
	for _, n := range []int{1, 1000, hugePage/8 - 1, hugePage / 8, hugePage} {
		for range 3 { // memory that was freed comes back zero
			a := newArray[uint64](m, n)
			if len(a) != n || cap(a) < n {
				t.Fatalf("%d elements, not %d", len(a), n)
			}
			if at := uintptr(unsafe.Pointer(&a[0])); len(*m.maps) > 0 && at%hugePage != 0 {
				t.Errorf("%d elements begin at %#x, not at a huge page", n, at)
			}
			for i := range a {
				if a[i] != 0 {
					t.Fatalf("element %d of %d is not zero", i, n)
				}
				a[i] = ^uint64(0)
			}
			freeArray(m, a)
			if len(*m.maps) != 0 {
				t.Fatalf("%d mappings are left", len(*m.maps))
			}
		}
	}
}
