//go:build amd64 || arm64

package flow

// prefetch has the processor load the cache lines at the given addresses and
// does not wait for them. It reads nothing: no address can fault.
//
//go:noescape
func prefetch(lines []uintptr)
