package flow

import "math/bits"

// slabs is a growing array that never moves what it holds: the first slab has
// 1<<firstSlabBits elements, the second as many, and every further one as many
// as all before it. Elements hold no pointers, so that the garbage collector
// does not look into them.
type slabs[T any] struct {
	parts [32 - firstSlabBits][]T
	count int // slabs made
}

const firstSlabBits = 10

// at returns element i, which must have been made by grow.
func (s *slabs[T]) at(i int32) *T {
	part := s.parts[bits.Len32(uint32(i)>>firstSlabBits)]
	return &part[int(i)&(len(part)-1)] // lengths are powers of two: the highest bit of i goes
}

// grow adds a slab and returns how many elements there are now. Its memory is
// taken from the system as it is used.
func (s *slabs[T]) grow(m *memory) int32 {
	n := 1 << (firstSlabBits + max(0, s.count-1))
	s.parts[s.count] = newArray[T](m, n)
	s.count++
	return 1 << (firstSlabBits + s.count - 1)
}
