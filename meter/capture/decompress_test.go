package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

var compressors = map[string]func(testing.TB, []byte) []byte{
	"gzip": func(t testing.TB, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	},
	"xz": func(t testing.TB, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (io.WriteCloser, error) { return xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w) })
	},
	"zstd": func(t testing.TB, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	},
	"lz4": func(t testing.TB, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (io.WriteCloser, error) {
			z := lz4.NewWriter(w)
			return z, z.Apply(lz4.BlockSizeOption(lz4.Block64Kb))
		})
	},
	"lz4 without checksum": func(t testing.TB, b []byte) []byte {
		return compressed(t, b, func(w io.Writer) (io.WriteCloser, error) {
			z := lz4.NewWriter(w)
			return z, z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false))
		})
	},
}

func compressed(t testing.TB, data []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A compressed trace holds the packets of the plain one, also when it was
// compressed in two parts.
func TestCompressed(t *testing.T) {
	for format, s := range samples() {
		want, _ := readBytes(t, s.data, 1<<20)
		half := len(s.data) / 2
		for name, compress := range compressors {
			for how, data := range map[string][]byte{
				"whole": compress(t, s.data),
				"parts": append(compress(t, s.data[:half]), compress(t, s.data[half:])...),
			} {
				got, err := readBytes(t, data, 512)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%s in %s, %s: %v %s", format, name, how, err, diff)
				}
			}
		}
	}
}

// A compressed trace that is cut gives packets from its beginning and an
// error, never a silent end, wherever it is cut.
func TestCompressedCut(t *testing.T) {
	s := samples()["pcap"]
	want, _ := readBytes(t, s.data, 1<<20)
	for name, compress := range compressors {
		data := compress(t, s.data)
		for cut := range data {
			got, err := readBytes(t, data[:cut], 4096)
			if diff := cmp.Diff(want[:len(got)], got, equateEmpty); diff != "" {
				t.Fatalf("%s cut at %d: %s", name, cut, diff)
			}
			if !errors.Is(err, ErrCut) && !errors.Is(err, ErrNotATrace) {
				t.Errorf("%s of %d octets cut at %d: %d packets, %v", name, len(data), cut, len(got), err)
			}
		}
	}
}

// bzip2Sample is a pcap of two packets, compressed with the bzip2 program.
const bzip2Sample = "QlpoOTFBWSZTWTGEcjQAAC34Hv//AAD////+IAAQAAgABAAAAKAAVFIBoGhoAGgAGmTIRCaDIaaAAAAAAgZFFSKABXAJ8MAEsMQk9rlKIxiHZabQ4l1g4DBLz8EMVNVdlt15cMcs9Ndt+Oeu/Den+SpSTfi7kinChIGMI5Gg"

func TestBzip2(t *testing.T) {
	data, err := base64.StdEncoding.DecodeString(bzip2Sample)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{string(payload(0, 14)), string(payload(1, 31))}
	got, err := readBytes(t, data, 1<<16)
	if err != nil || len(got) != 2 || got[0].Data != want[0] || got[1].Data != want[1] {
		t.Errorf("%d packets, %v", len(got), err)
	}
	for cut := range data {
		if _, err := readBytes(t, data[:cut], 1<<16); err == nil {
			t.Errorf("cut at %d of %d: no error", cut, len(data))
		}
	}
}

// A compressed file that is no trace says in what it was found.
func TestCompressedNotATrace(t *testing.T) {
	_, err := readBytes(t, compressors["gzip"](t, []byte("hello, world\n")), 1<<16)
	if !errors.Is(err, ErrNotATrace) || !strings.Contains(err.Error(), "inside gzip") {
		t.Error(err)
	}
}

// A header that asks for gigabytes of history is refused before they are
// allocated.
func TestDecompressorBound(t *testing.T) {
	xzData := []byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00") // dictionary of 4 GiB - 1
	zstdData := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0, 0}                       // window of 1 GiB
	for name, data := range map[string][]byte{"xz": xzData, "zstd": zstdData} {
		_, err := readBytes(t, data, 1<<16)
		if err == nil || !errors.Is(err, ErrCut) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestXzWindow(t *testing.T) {
	tests := []struct {
		header string
		want   int64
	}{
		{"\x02\x00\x21\x01\x16", 8 << 20},
		{"\x02\xc0\x81\x02\x80\x80\x04\x21\x01\x16", 8 << 20}, // both sizes stated
		{"\x02\x80\x05\x21\x01\x17", 12 << 20},
		{"\x02\x00\x21\x01\x28", 4<<30 - 1},
		{"\x02\x01\x04\x00\x21\x01\x16", 0}, // another filter first: the library refuses it
		{"\x02\x40\xff\xff", 0},
		{"", 0},
	}
	for _, tt := range tests {
		if got := xzWindow([]byte("123456789012" + tt.header)); got != tt.want {
			t.Errorf("% x: %d, want %d", tt.header, got, tt.want)
		}
	}
}
