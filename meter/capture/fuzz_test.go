package capture

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader feeds any octets: nothing panics, every batch keeps its
// promises, the end is io.EOF or an *Error, and the size of the buffers and
// the way the octets arrive change nothing.
func FuzzReader(f *testing.F) {
	for _, s := range samples() {
		f.Add(s.data, uint16(100))
		f.Add(s.data[:len(s.data)-5], uint16(1000))
		for _, compress := range compressors {
			f.Add(compress(f, s.data), uint16(64))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		want, wantErr := fuzzRead(t, bytes.NewReader(data), 1<<16)
		got, err := fuzzRead(t, iotest.HalfReader(bytes.NewReader(data)), 64+int(size))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%v, then %v", wantErr, err)
		}
	})
}

// fuzzRead stops early: a decompression bomb is no finding.
func fuzzRead(t *testing.T, in io.Reader, size int) (packets []packet, err error) {
	const enough = 1000
	r := NewPool(ReaderConfig{BufferSize: size, MaxFrames: 10, MaxBuffers: 2}).NewReader("x", in)
	defer r.Close()
	for len(packets) < enough {
		b, err := r.Next()
		if err == io.EOF {
			return packets, nil
		}
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Packet != uint64(len(packets))+1 {
				t.Fatalf("after %d packets: %v", len(packets), err)
			}
			return packets, err
		}
		for i := range b.Frames {
			fr := &b.Frames[i]
			if fr.WireLen < fr.CapLen || fr.Time < 0 || int(fr.Iface) >= len(r.Interfaces()) {
				t.Fatalf("%+v", *fr)
			}
			packets = append(packets, packet{fr.Time, fr.WireLen, fr.Iface, fr.Link, string(b.Data(fr))})
		}
		b.Release()
	}
	return packets[:enough], nil
}
