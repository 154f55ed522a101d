package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// openXz checks the dictionary of the first block before the library
// allocates it.
func openXz(r io.Reader) (io.Reader, error) {
	in := &xzTail{r: r}
	b := buffered(in)
	const most = 12 + 2 + 9 + 9 + 3 // stream header, then as in xzWindow
	head, err := b.Peek(most)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if w := xzWindow(head); w > maxWindow {
		return nil, fmt.Errorf("xz: a dictionary of %d octets, more than %d", w, maxWindow)
	}
	x, err := xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(b)
	if err != nil {
		return nil, err
	}
	return &xzReader{x, in}, nil
}

// xzReader tells a whole file from one that ends between two blocks, which
// the library takes for its end.
type xzReader struct {
	r    *xz.Reader
	tail *xzTail
}

func (x *xzReader) Read(p []byte) (int, error) {
	n, err := x.r.Read(p)
	if err == io.EOF && !x.tail.isFooter() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// xzFooter is the length of a stream footer (§2.1.2): a CRC-32 of the six
// octets behind it, and "YZ".
const xzFooter = 12

// xzTail passes an xz file on and keeps its last octets, without the zeros
// that may follow the last stream.
type xzTail struct {
	r     io.Reader
	last  [xzFooter]byte
	zeros int // read since last
}

func (t *xzTail) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	body := bytes.TrimRight(p[:n], "\x00")
	if len(body) > 0 {
		t.push(make([]byte, min(t.zeros, xzFooter)))
		t.push(body)
		t.zeros = 0
	}
	t.zeros += n - len(body)
	return n, err
}

func (t *xzTail) push(b []byte) {
	b = b[max(0, len(b)-xzFooter):]
	copy(t.last[:], t.last[len(b):])
	copy(t.last[xzFooter-len(b):], b)
}

func (t *xzTail) isFooter() bool {
	sum := binary.LittleEndian.Uint32(t.last[:])
	return string(t.last[10:]) == "YZ" && sum == crc32.ChecksumIEEE(t.last[4:10])
}

// xzWindow returns the dictionary size in the first block header of an xz
// stream (file format 1.2.1 §3.1: size, flags, optional compressed and
// uncompressed size of up to 9 octets, filters), or 0 if it is not there.
func xzWindow(head []byte) int64 {
	const flagsAt, lzma2 = 13, 0x21
	if len(head) <= flagsAt {
		return 0
	}
	flags, rest := head[flagsAt], head[flagsAt+1:]
	for _, present := range []byte{0x40, 0x80} {
		if flags&present != 0 {
			rest = skipVarint(rest)
		}
	}
	if len(rest) < 3 || rest[0] != lzma2 || rest[1] != 1 {
		return 0
	}
	size, err := lzma.DecodeDictCap(rest[2])
	if err != nil {
		return 0 // the library says so too
	}
	return size
}

func skipVarint(b []byte) []byte {
	for i, c := range b {
		if c < 0x80 {
			return b[i+1:]
		}
	}
	return nil
}
