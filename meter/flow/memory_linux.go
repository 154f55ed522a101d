package flow

import "golang.org/x/sys/unix"

// mapHuge takes memory of which size octets from the first whole huge page on
// can be used; nil if the system has none.
func mapHuge(size uintptr) []byte {
	b, err := unix.Mmap(-1, 0, int(size)+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // only advice: refused, all works the same
	return b
}

func unmap(b []byte) { _ = unix.Munmap(b) } // fails only for what was not mapped
