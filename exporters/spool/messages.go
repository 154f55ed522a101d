package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

const largest = 65535 // octets of a message

// reader finds the messages of a file. Octets that are none, or whose sum is
// wrong, are passed over (RFC 5655 §9.3).
type reader struct {
	in     *bufio.Reader
	offset int64 // behind what was read
}

func newReader(in io.Reader) *reader {
	return &reader{in: bufio.NewReaderSize(in, 2*largest)}
}

// next returns the next whole message; its octets are valid until the next
// call. At the end of the file it returns io.EOF, and offset stays where the
// last message ended.
func (r *reader) next() (m Message, total uint64, err error) {
	for skip := 0; ; skip++ {
		head, err := r.in.Peek(4)
		if err != nil {
			return m, 0, err // io.EOF also where less than a header is left
		}
		n := int(binary.BigEndian.Uint16(head[2:]))
		if binary.BigEndian.Uint16(head) == 10 && n >= headerSize+trailerSize {
			msg, err := r.in.Peek(n)
			if err != nil && !errors.Is(err, io.EOF) {
				return m, 0, err
			}
			if m, total, ok := unseal(msg); ok && len(msg) == n {
				_, _ = r.in.Discard(n) // it was peeked
				r.offset += int64(skip + n)
				return m, total, nil
			}
		}
		_, _ = r.in.Discard(1)
	}
}
