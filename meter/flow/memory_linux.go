package flow

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// hugePages makes a slice that the system is asked to back with huge pages
// where it spans whole ones: the table is read all over, and with pages of
// 4 KiB nearly every record would miss the TLB as well as the cache.
func hugePages[T any](n int) []T {
	s := make([]T, n)
	octets := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), uintptr(n)*unsafe.Sizeof(s[0]))
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(octets))) & (hugePage - 1)
	if whole := (uintptr(len(octets)) - min(skip, uintptr(len(octets)))) &^ (hugePage - 1); whole > 0 {
		_ = unix.Madvise(octets[skip:skip+whole], unix.MADV_HUGEPAGE) // only advice: refused, all works the same
	}
	return s
}
