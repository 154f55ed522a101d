package capture

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
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
	open  func(io.Reader) (io.Reader, error)
}

// maxMagic is the length of the longest magic.
const maxMagic = 6

var codecs = []codec{
	{"gzip", "\x1f\x8b\x08", openGzip},
	{"bzip2", "BZh", openBzip2},
	{"xz", "\xfd7zXZ\x00", openXz},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd},
	{"lz4", "\x04\x22\x4d\x18", openLz4},
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

func buffered(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, compressedRead) }

func openGzip(r io.Reader) (io.Reader, error)  { return gzip.NewReader(buffered(r)) }
func openBzip2(r io.Reader) (io.Reader, error) { return bzip2.NewReader(buffered(r)), nil }
func openLz4(r io.Reader) (io.Reader, error)   { return lz4.NewReader(buffered(r)), nil }

// openZstd decompresses in the caller's goroutine: there is none to stop.
func openZstd(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(buffered(r), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}
