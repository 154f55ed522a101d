//go:build !linux

package flow

// hugePages makes a slice; only on Linux are huge pages asked for.
func hugePages[T any](n int) []T { return make([]T, n) }
