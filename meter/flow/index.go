package flow

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
}

func newIndex() *index {
	x := &index{}
	for i := range x.segments {
		x.segments[i] = segment{slots: make([]slot, firstSlots), mask: firstSlots - 1}
	}
	return x
}

func (x *index) segment(hash uint32) *segment {
	return &x.segments[hash>>(32-segmentBits)]
}

// touch loads the slot where a search for hash begins. Called for each packet
// of a batch before any is looked up, it lets the cache misses overlap.
func (x *index) touch(hash uint32) uint32 {
	s := x.segment(hash)
	return s.slots[hash&s.mask].ref
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
		s.grow()
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

func (s *segment) grow() {
	old := s.slots
	s.slots = make([]slot, 2*len(old))
	s.mask = uint32(len(s.slots) - 1)
	for _, e := range old {
		if e.ref != 0 {
			s.put(e)
		}
	}
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
