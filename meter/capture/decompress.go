package capture

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow bounds the history that a decompressor keeps, and so its memory:
// a few octets of header can ask for gigabytes. It is what the zstd program
// grants, and twice what xz -9 writes.
const maxWindow = 128 << 20

// compressedRead is the size of the reads that feed a decompressor.
const compressedRead = 256 << 10

// codec is a compression, told by the octets it begins with.
type codec struct {
	name  string
	magic string
	open  func(*bufio.Reader) (io.Reader, error)
}

// maxMagic is the length of the longest magic.
const maxMagic = 6

var codecs = []codec{
	{"gzip", "\x1f\x8b\x08", func(r *bufio.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"bzip2", "BZh", func(r *bufio.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"xz", "\xfd7zXZ\x00", openXz},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd},
	{"lz4", "\x04\x22\x4d\x18", func(r *bufio.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
}

// findCodec returns the compression of an input that begins with head, or nil.
func findCodec(head []byte) *codec {
	for i := range codecs {
		if bytes.HasPrefix(head, []byte(codecs[i].magic)) {
			return &codecs[i]
		}
	}
	return nil
}

// openZstd decompresses in the caller's goroutine: there is none to stop.
func openZstd(r *bufio.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// openXz checks the dictionary of the first block before the library
// allocates it.
func openXz(r *bufio.Reader) (io.Reader, error) {
	const most = 12 + 2 + 9 + 9 + 3 // stream header, then as in xzWindow
	head, err := r.Peek(most)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if w := xzWindow(head); w > maxWindow {
		return nil, fmt.Errorf("xz: a dictionary of %d octets, more than %d", w, maxWindow)
	}
	return xz.NewReader(r)
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
