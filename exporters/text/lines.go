package text

import "io"

// flushAt is how many octets of lines are gathered before they are written.
const flushAt = 64 << 10

// lines gathers lines and writes them in large pieces.
type lines struct {
	w   io.Writer
	buf []byte
	n   uint64 // octets written
}

// Octets returns how many octets have been written.
func (l *lines) Octets() uint64 { return l.n }

// flushIfFull writes what was gathered once that is worth a system call.
func (l *lines) flushIfFull() error {
	if len(l.buf) < flushAt {
		return nil
	}
	return l.flush()
}

// flush writes what was gathered. After an error that is lost: a part of it
// may have been written.
func (l *lines) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	n, err := l.w.Write(l.buf)
	l.n += uint64(n)
	l.buf = l.buf[:0]
	return err
}
