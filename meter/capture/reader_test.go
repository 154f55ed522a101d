package capture

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// A trace cut at any octet gives its whole records, then an error that names
// the place; cut between two records it is a shorter trace.
func TestCutAtEveryOctet(t *testing.T) {
	for name, s := range samples() {
		want, err := readBytes(t, s.data, 1<<16)
		if err != nil || len(want) != len(s.ends) {
			t.Fatalf("%s: %d packets, %v", name, len(want), err)
		}
		for cut := range s.data {
			whole := 0
			for whole < len(s.ends) && s.ends[whole] <= cut {
				whole++
			}
			got, err := readBytes(t, s.data[:cut], 1<<16)
			if name == "erf" && whole < erfFew && !slices.Contains(s.borders, cut) || cut < 4 {
				if len(got) != 0 || cut > 0 && !errors.Is(err, ErrNotATrace) {
					t.Fatalf("%s cut at %d, too early to tell: %v", name, cut, err)
				}
				continue
			}
			if diff := cmp.Diff(want[:whole], got, equateEmpty); diff != "" {
				t.Fatalf("%s cut at %d: %s", name, cut, diff)
			}
			checkCut(t, name, s, cut, whole, err)
		}
	}
}

var equateEmpty = cmp.FilterValues(func(a, b []packet) bool { return len(a) == 0 && len(b) == 0 },
	cmp.Ignore())

func checkCut(t *testing.T, name string, s *sample, cut, whole int, err error) {
	t.Helper()
	if slices.Contains(s.borders, cut) {
		if err != nil {
			t.Fatalf("%s ending at %d: %v", name, cut, err)
		}
		return
	}
	e := asError(t, err)
	begin := 0
	for _, b := range s.borders {
		if b <= cut {
			begin = b
		}
	}
	if !errors.Is(err, ErrCut) || e.Packet != uint64(whole)+1 || e.Offset != int64(begin) {
		t.Fatalf("%s cut at %d: packet %d, offset %d: %v", name, cut, e.Packet, e.Offset, err)
	}
}

// What a reader delivers does not depend on how the octets arrive or on the
// size of its buffers.
func TestArrival(t *testing.T) {
	arrivals := map[string]func(io.Reader) io.Reader{
		"whole":    func(r io.Reader) io.Reader { return r },
		"octets":   iotest.OneByteReader,
		"halves":   iotest.HalfReader,
		"data+eof": iotest.DataErrReader,
	}
	for name, s := range samples() {
		want, _ := readBytes(t, s.data, 1<<20)
		for how, arrive := range arrivals {
			for _, size := range []int{64, 65, 100, 257, 4096} {
				for _, frames := range []int{1, 3, 1000} {
					p := NewPool(ReaderConfig{BufferSize: size, MaxFrames: frames, MaxBuffers: 2})
					r := p.NewReader("x", arrive(bytes.NewReader(s.data)))
					got, err := readAll(t, r)
					if diff := cmp.Diff(want, got); err != nil || diff != "" {
						t.Fatalf("%s by %s, buffers of %d, batches of %d: %v %s", name, how, size, frames, err, diff)
					}
				}
			}
		}
	}
}

// Next hands out what a pipe has brought, before more comes.
func TestPipeDeliversAtOnce(t *testing.T) {
	s := samples()["pcap"]
	in, out := io.Pipe()
	defer in.Close()
	r := NewReader("pipe", in)
	from := 0
	for i, end := range s.ends {
		go out.Write(s.data[from:end]) // the next one only when this one was read
		b, err := r.Next()
		if err != nil || len(b.Frames) != 1 || b.Frames[0].Time != n0*1e9+int64(i)*1000 {
			t.Fatalf("packet %d: %+v %v", i, b, err)
		}
		b.Release()
		from = end
	}
	go out.Close()
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

// Batches are released late, by other goroutines and out of order, while the
// reader goes on; their octets stay as they were.
func TestReleaseOutOfOrder(t *testing.T) {
	data, count := bigPcap(20_000)
	r := NewPool(ReaderConfig{BufferSize: 32 << 10, MaxFrames: 64, MaxBuffers: 16}).NewReader("x", bytes.NewReader(data))
	batches := make(chan *Batch)
	var wg sync.WaitGroup
	total := make([]int, 3)
	for w := range total {
		wg.Go(func() {
			var held []*Batch
			for b := range batches {
				held = append(held, b)
				if len(held) < 4 {
					continue
				}
				rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
				total[w] += checkBatch(t, held[0])
				held = held[1:]
			}
			for _, b := range held {
				total[w] += checkBatch(t, b)
			}
		})
	}
	for {
		b, err := r.Next()
		if err != nil {
			if err != io.EOF {
				t.Error(err)
			}
			break
		}
		batches <- b
	}
	close(batches)
	wg.Wait()
	if got := total[0] + total[1] + total[2]; got != count {
		t.Errorf("%d packets, want %d", got, count)
	}
	if len(r.slots) != 0 {
		t.Errorf("%d buffers were not given back", len(r.slots))
	}
}

// bigPcap is a pcap of n packets that hold their own number.
func bigPcap(n int) ([]byte, int) {
	b := pcapFile(le, 0xa1b2c3d4, 1)
	for i := range n {
		data := make([]byte, 60)
		le.PutUint64(data, uint64(i))
		b = append(b, pcapRecord(le, uint32(n0+i), 0, 60, data)...)
	}
	return b, n
}

// checkBatch checks and releases a batch of bigPcap and returns its frames' number.
func checkBatch(t *testing.T, b *Batch) int {
	defer b.Release()
	for i := range b.Frames {
		f := &b.Frames[i]
		if want := le.Uint64(b.Data(f)); f.Time != int64(n0+want)*1e9 {
			t.Errorf("a frame of time %d holds the number %d", f.Time, want)
		}
	}
	return len(b.Frames)
}

// A caller that holds batches of fewer than MaxBuffers buffers is not blocked.
func TestHoldingBatches(t *testing.T) {
	data, _ := bigPcap(1000)
	cfg := ReaderConfig{BufferSize: 4096, MaxFrames: 10, MaxBuffers: 4}
	r := NewPool(cfg).NewReader("x", bytes.NewReader(data))
	var held []*Batch
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if held = append(held, b); len(held) == cfg.MaxBuffers {
			checkBatch(t, held[0])
			held = held[1:]
		}
	}
	for _, b := range held {
		checkBatch(t, b)
	}
	if len(r.slots) != 0 {
		t.Errorf("%d buffers were not given back", len(r.slots))
	}
}

// A record larger than the buffer is read whole, and the reader goes back to
// small buffers.
func TestLargeRecord(t *testing.T) {
	large := payload(1, 200_000)
	data := pcapFile(le, 0xa1b2c3d4, 1, pcapRecord(le, 1, 0, 10, payload(0, 10)),
		pcapRecord(le, 2, 0, 200_000, large), pcapRecord(le, 3, 0, 20, payload(2, 20)))
	got, err := readBytes(t, data, 64)
	if err != nil || len(got) != 3 || got[1].Data != string(large) || got[2].Data != string(payload(2, 20)) {
		t.Fatalf("%d packets, %v", len(got), err)
	}
}

func TestNotATrace(t *testing.T) {
	tests := map[string]string{
		"":                               "x: not a trace: empty; " + formatsRead,
		"\xd4":                           `x: not a trace: starts with d4 ("\xd4"); ` + formatsRead,
		"#!/bin/sh\nexit 0\n":            `x: not a trace: starts with 23 21 2f 62 69 6e 2f 73 ("#!/bin/s"); ` + formatsRead,
		strings.Repeat("\x00", 99):       `x: not a trace: starts with 00 00 00 00 00 00 00 00 ("\x00\x00\x00\x00\x00\x00\x00\x00"); ` + formatsRead,
		"\x0a\x0d\x0d\x0a is not pcapng": `x: not a trace: starts with 0a 0d 0d 0a 20 69 73 20 ("\n\r\r\n is "); ` + formatsRead,
	}
	for data, want := range tests {
		_, err := readAll(t, NewReader("x", strings.NewReader(data)))
		if !errors.Is(err, ErrNotATrace) || err.Error() != want {
			t.Errorf("%q: %v\nwant %v", data, err, want)
		}
	}
}

// The messages are what a user sees: file, packet and octet.
func TestMessages(t *testing.T) {
	two := pcapFile(le, 0xa1b2c3d4, 1, pcapRecord(le, 1, 0, 10, payload(0, 10)), pcapRecord(le, 2, 0, 44, payload(1, 44)))
	insane := slices.Clone(two)
	le.PutUint32(insane[50+8:], 1<<30)
	tests := []struct {
		data []byte
		want string
	}{
		{two[:50+12], "x: cut off in packet 2 at octet 50: 12 of 16 octets of the record header there"},
		{two[:50+17], "x: cut off in packet 2 at octet 50: 17 of 60 octets of the record there"},
		{two[:20], "x: cut off in packet 1 at octet 0: 20 of 24 octets of the file header there"},
		{insane, "x: damaged in packet 2 at octet 50: a record of 1073741824 octets, more than 262144"},
	}
	for _, tt := range tests {
		_, err := readAll(t, NewReader("x", bytes.NewReader(tt.data)))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v\nwant %s", err, tt.want)
		}
	}
}

// An input that fails in the middle is cut there, and says why.
func TestReadError(t *testing.T) {
	s := samples()["pcap"]
	boom := errors.New("input/output error")
	r := NewReader("x", io.MultiReader(bytes.NewReader(s.data[:s.ends[3]+5]), iotest.ErrReader(boom)))
	got, err := readAll(t, r)
	if len(got) != 4 || !errors.Is(err, boom) || !errors.Is(err, ErrCut) {
		t.Errorf("%d packets, %v", len(got), err)
	}
	if _, again := r.Next(); again != err {
		t.Errorf("then %v", again)
	}
	stuck := NewReader("x", stuckReader{})
	if _, err := stuck.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

func TestOpen(t *testing.T) {
	s := samples()["pcap"]
	dir := t.TempDir()
	path := filepath.Join(dir, "a.pcap")
	if err := os.WriteFile(path, s.data, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if read, size := r.Progress(); read != 0 || size != int64(len(s.data)) {
		t.Errorf("before: %d of %d octets", read, size)
	}
	if got, err := readAll(t, r); err != nil || len(got) != len(s.ends) {
		t.Errorf("%d packets, %v", len(got), err)
	}
	if read, _ := r.Progress(); read != int64(len(s.data)) {
		t.Errorf("after: %d octets", read)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none")} {
		if _, err := Open(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestOpenStandardInput(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func(old *os.File) { os.Stdin = old }(os.Stdin)
	os.Stdin = in
	s := samples()["pcapng"]
	go func() {
		out.Write(s.data)
		out.Close()
	}()
	r, err := Open("-")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, size := r.Progress(); size != -1 || r.Name() != "standard input" {
		t.Errorf("%s of %d octets", r.Name(), size)
	}
	if got, err := readAll(t, r); err != nil || len(got) != len(s.ends) {
		t.Errorf("%d packets, %v", len(got), err)
	}
}

func TestClose(t *testing.T) {
	data, _ := bigPcap(100)
	r := NewPool(ReaderConfig{BufferSize: 1024, MaxFrames: 10, MaxBuffers: 2}).NewReader("x", bytes.NewReader(data))
	b, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != os.ErrClosed {
		t.Error(err)
	}
	checkBatch(t, b)
	if len(r.slots) != 0 {
		t.Errorf("%d buffers were not given back", len(r.slots))
	}
}

// A pool that is warm serves traces of any length without allocating.
func TestNextDoesNotAllocate(t *testing.T) {
	data, _ := bigPcap(50_000)
	r := NewPool(ReaderConfig{BufferSize: 64 << 10, MaxFrames: 300, MaxBuffers: 4}).NewReader("x", &endless{data: data})
	read := func() {
		b, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	if n := testing.AllocsPerRun(2000, read); n != 0 {
		t.Errorf("%v allocations per batch", n)
	}
	held := make([]*Batch, 0, 3)
	hold := func() {
		for range cap(held) {
			b, _ := r.Next()
			held = append(held, b)
		}
		for _, b := range held {
			b.Release()
		}
		held = held[:0]
	}
	if n := testing.AllocsPerRun(2000, hold); n != 0 {
		t.Errorf("%v allocations, holding batches", n)
	}
}

// endless is a pcap whose packets repeat for ever.
type endless struct {
	data []byte
	off  int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.off == len(e.data) {
		e.off = pcapFileHeader
	}
	n := copy(p, e.data[e.off:])
	e.off += n
	return n, nil
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultReaderConfig().Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []ReaderConfig{
		{BufferSize: 10, MaxFrames: 1, MaxBuffers: 2},
		{BufferSize: 1 << 30, MaxFrames: 1, MaxBuffers: 2},
		{BufferSize: 1 << 20, MaxBuffers: 2},
		{BufferSize: 1 << 20, MaxFrames: 1, MaxBuffers: 1},
	} {
		if bad.Validate() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
