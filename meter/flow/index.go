package flow

import "math/bits"

// slot points from a hash to a record: 8 octets, eight to a cache line.
type slot struct {
	tag uint32 // the whole hash
	ref uint32 // record number + 1; 0 if the slot is empty
}

// segment is one open-addressed part of the index: a power of two of slots,
// linear probing, at most three quarters full.
type segment struct {
	slots []slot
	mask  uint32
	used  uint32
}

const (
	segmentBits = 8
	firstSlots  = 8
)

// index finds record numbers by hash. It is split into segments by the hash's
// upper bits and each segment grows on its own, so that growing never holds up
// packets for more than the moving of one segment. A slot holds the whole
// hash: growing does not look at records.
type index struct {
	segments [1 << segmentBits]segment
	rooms    [32]room // by the binary logarithm of a segment's slots
	memory   *memory
}

// room is the memory of all segments of one size, in one piece. Segments move
// from room to room as they grow, most of them at about the same time.
type room struct {
	slots  []slot
	tenant int // segments that are in it
}

func newIndex(m *memory) *index {
	x := &index{memory: m}
	for i := range x.segments {
		x.segments[i].slots = x.enter(i, firstSlots)
		x.segments[i].mask = firstSlots - 1
	}
	return x
}

// enter returns empty slots for a segment in the room of the given size.
func (x *index) enter(segment, size int) []slot {
	r := &x.rooms[bits.Len(uint(size))]
	if r.slots == nil {
		r.slots = newArray[slot](x.memory, size<<segmentBits)
	}
	r.tenant++
	return r.slots[segment*size : (segment+1)*size : (segment+1)*size]
}

// leave gives up a segment's place in the room of the given size.
func (x *index) leave(size int) {
	r := &x.rooms[bits.Len(uint(size))]
	if r.tenant--; r.tenant == 0 {
		freeArray(x.memory, r.slots)
		r.slots = nil
	}
}

// free gives up the memory of an index that is not used any more.
func (x *index) free() {
	for i := range x.rooms {
		freeArray(x.memory, x.rooms[i].slots)
	}
}

func (x *index) segment(hash uint32) *segment {
	return &x.segments[hash>>(32-segmentBits)]
}

// home returns the slot where a search for hash begins.
func (x *index) home(hash uint32) *slot {
	s := x.segment(hash)
	return &s.slots[hash&s.mask]
}

// candidate returns the first record whose hash is the one sought, or -1.
// The caller must compare keys.
func (x *index) candidate(hash uint32) int32 {
	s := x.segment(hash)
	for i := hash & s.mask; ; i = (i + 1) & s.mask {
		e := s.slots[i]
		if e.ref == 0 {
			return -1
		}
		if e.tag == hash {
			return int32(e.ref - 1)
		}
	}
}

// insert adds a record that is not there yet.
func (x *index) insert(hash uint32, rec int32) {
	s := x.segment(hash)
	if s.used >= s.mask-s.mask/4 {
		x.grow(int(hash >> (32 - segmentBits)))
	}
	s.put(slot{hash, uint32(rec) + 1})
	s.used++
}

func (s *segment) put(e slot) {
	i := e.tag & s.mask
	for s.slots[i].ref != 0 {
		i = (i + 1) & s.mask
	}
	s.slots[i] = e
}

func (x *index) grow(i int) {
	s := &x.segments[i]
	old := s.slots
	s.slots = x.enter(i, 2*len(old))
	s.mask = uint32(len(s.slots) - 1)
	for _, e := range old {
		if e.ref != 0 {
			s.put(e)
		}
	}
	x.leave(len(old)) // not before: the last to leave gives up the memory
}

// remove takes a record out and moves later entries of its chain back, so that
// no tombstones are left.
func (x *index) remove(hash uint32, rec int32) {
	s := x.segment(hash)
	i := hash & s.mask
	for s.slots[i].ref != uint32(rec)+1 {
		i = (i + 1) & s.mask
	}
	for j := i; ; {
		j = (j + 1) & s.mask
		e := s.slots[j]
		if e.ref == 0 {
			break
		}
		// e may move to i if its home is not between i and j.
		if home := e.tag & s.mask; (j-home)&s.mask >= (j-i)&s.mask {
			s.slots[i] = e
			i = j
		}
	}
	s.slots[i] = slot{}
	s.used--
}
