package flow

import (
	"runtime"
	"unsafe"
)

const hugePage = 2 << 20

// memory is where the large arrays of a table come from: straight from the
// system, in huge pages where it has them, because a table is read all over and
// with pages of 4 KiB nearly every record would miss the TLB as well as the
// cache. What is given up goes back at once. Arrays hold no pointers. The
// collector's finding a memory gone frees what is left of it, so a table must
// hold its memory as long as it holds arrays.
type memory struct {
	maps *mappings
}

// mappings are the octets of a memory's arrays by their first one.
type mappings map[*byte][]byte

func newMemory() *memory {
	m := &memory{maps: &mappings{}}
	runtime.AddCleanup(m, (*mappings).unmapAll, m.maps)
	return m
}

func (m *mappings) unmapAll() {
	for _, b := range *m {
		unmap(b)
	}
}

// newArray makes an array of n zeroed elements. Small ones are the
// collector's.
func newArray[T any](m *memory, n int) []T {
	var zero T
	size := uintptr(n) * unsafe.Sizeof(zero)
	if size < hugePage {
		return make([]T, n)
	}
	b := mapHuge(size)
	if b == nil {
		return make([]T, n)
	}
	first := unsafe.SliceData(b)
	(*m.maps)[alignedTo(first)] = b
	return unsafe.Slice((*T)(unsafe.Pointer(alignedTo(first))), n)
}

// alignedTo returns the first octet of a huge page at or behind p, within p's
// mapping.
func alignedTo(p *byte) *byte {
	skip := -uintptr(unsafe.Pointer(p)) & (hugePage - 1)
	return (*byte)(unsafe.Add(unsafe.Pointer(p), skip))
}

// freeArray gives up an array that newArray made.
func freeArray[T any](m *memory, a []T) {
	first := (*byte)(unsafe.Pointer(unsafe.SliceData(a)))
	if b, mapped := (*m.maps)[first]; mapped {
		delete(*m.maps, first)
		unmap(b)
	}
}
