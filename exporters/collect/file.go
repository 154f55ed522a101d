package collect

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// largest is the size of the largest IPFIX message.
const largest = 65535

// fileReader cuts an IPFIX file into its messages (RFC 5655 §4).
type fileReader struct {
	in     *bufio.Reader
	offset int64 // of the next message
}

func newFileReader(in io.Reader) *fileReader {
	return &fileReader{in: bufio.NewReaderSize(in, 2*largest)}
}

// next returns the next message and its offset; it is valid until the next
// call. Where no message begins it looks for the next place where one does
// (RFC 5655 §9.3) and tells with skipped how many octets it passed over.
func (f *fileReader) next() (msg []byte, at, skipped int64, err error) {
	for {
		length, err := f.length()
		if err != nil {
			return nil, f.offset, skipped, err
		}
		if length > 0 && (skipped == 0 || f.leads(length)) {
			return f.take(length, skipped)
		}
		if _, err := f.in.Discard(1); err != nil {
			return nil, f.offset, skipped, err
		}
		f.offset++
		skipped++
	}
}

// length returns the length that the header here tells, 0 if this is none.
// io.EOF means that the file ends here.
func (f *fileReader) length() (int, error) {
	head, err := f.in.Peek(4)
	if len(head) == 0 {
		return 0, err
	}
	if len(head) < 4 || binary.BigEndian.Uint16(head) != 10 {
		return 0, nil
	}
	n := int(binary.BigEndian.Uint16(head[2:]))
	if n < ipfixHeader {
		return 0, nil
	}
	return n, nil
}

// leads tells that after length octets another message begins, or the file
// ends.
func (f *fileReader) leads(length int) bool {
	b, err := f.in.Peek(length + 2)
	if err != nil {
		return errors.Is(err, io.EOF) && len(b) == length
	}
	return binary.BigEndian.Uint16(b[length:]) == 10
}

func (f *fileReader) take(length int, skipped int64) (msg []byte, at, passed int64, err error) {
	at = f.offset
	msg, err = f.in.Peek(length)
	if errors.Is(err, io.EOF) {
		return nil, at, skipped, fmt.Errorf("message at octet %d is cut: %d of %d octets", at, len(msg), length)
	}
	if err != nil {
		return nil, at, skipped, err
	}
	_, err = f.in.Discard(length)
	f.offset += int64(length)
	return msg, at, skipped, err
}

// readFile decodes a file's messages, one session, and hands on their records.
// A malformed message is told of and skipped; a cut one ends the file with an
// error, as does out.
func (d *Decoder) readFile(name string, in io.Reader, out func([]Record) error) error {
	defer d.Forget(name)
	f := newFileReader(in)
	var w window
	for {
		msg, at, skipped, err := f.next()
		if skipped > 0 {
			d.stats.Malformed++
			d.cfg.tell(fmt.Errorf("%s: octets %d to %d are no message", name, at-skipped, at-1))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		recs, err := d.Decode(name, msg)
		if err != nil {
			d.cfg.tell(fmt.Errorf("%s: message at octet %d: %w", name, at, err))
		}
		d.stats.OutsideWindow += w.check(recs)
		if err := out(recs); err != nil {
			return err
		}
	}
}
