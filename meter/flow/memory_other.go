//go:build !linux

package flow

// mapHuge has nothing to give: arrays are the collector's.
func mapHuge(uintptr) []byte { return nil }

func unmap([]byte) {}
