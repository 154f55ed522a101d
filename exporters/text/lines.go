package text

import (
	"io"

	"flowmeter/exporters"
)

// flushAt is how many octets of lines are gathered before they are written.
const flushAt = 64 << 10

// lines gathers lines and writes them in large pieces.
type lines struct {
	w    io.Writer
	buf  []byte
	head []byte // what a file begins with
	n    uint64 // octets written
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

// Reopen goes on in another file between two lines, if the one that is written
// was moved away.
func (l *lines) Reopen() error {
	f, isFile := l.w.(*exporters.File)
	if !isFile {
		return nil
	}
	moved, err := f.Reopen(l.flush)
	if moved && f.Empty() {
		l.buf = append(l.buf, l.head...)
	}
	return err
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
