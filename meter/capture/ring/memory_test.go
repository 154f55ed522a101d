package ring

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"path/filepath"
	"testing"
	"time"

	"flowmeter/meter/capture"
)

// memory opens a trace of testdata and feeds a Memory from it.
func memory(t *testing.T, name string, cfg MemoryConfig) (*Memory, func() error) {
	t.Helper()
	src, err := capture.Open(filepath.Join("..", "..", "..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMemory(src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	return m, func() error {
		defer src.Close()
		cancel()
		return <-ended
	}
}

// TestMemoryIsTheTrace reads traces through rings of 1 to 3 workers: each
// frame is there once, in the ring of its worker, in order, with its time.
func TestMemoryIsTheTrace(t *testing.T) {
	for _, name := range []string{"office.pcapng", "fragments.pcap", "vlan.pcap", "any-sll2.pcap"} {
		for workers := 1; workers <= 3; workers++ {
			var want [3][]string
			sum := 0
			eachFrame(t, filepath.Join("..", "..", "..", "testdata", name), func(f *capture.Frame, data []byte) {
				w := worker(f.Link, data, workers)
				want[w] = append(want[w], stamped(f.Time, f.Iface, data))
				sum++
			})
			cfg := DefaultMemory()
			cfg.Workers, cfg.Frames, cfg.Batches = workers, 7, 3
			m, stop := memory(t, name, cfg)
			got := make([]chan []string, workers)
			for w := range workers {
				got[w] = make(chan []string, 1)
				go func() { got[w] <- readMemory(t, m.Ring(w)) }()
			}
			<-m.Fed()
			m.Close()
			for w := range workers {
				if lines := <-got[w]; !equalLines(lines, want[w]) {
					t.Errorf("%s: worker %d of %d: %d frames, not the %d of the trace", name, w, workers, len(lines), len(want[w]))
				}
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			packets := uint64(0)
			for _, s := range m.Stats() {
				packets += s.Packets
				if s.Drops != 0 || s.Up {
					t.Errorf("%s: %+v", name, s)
				}
			}
			if packets != uint64(sum) {
				t.Errorf("%s: %d of %d packets", name, packets, sum)
			}
		}
	}
}

// stamped is a frame as text, to compare.
func stamped(time int64, iface uint32, data []byte) string {
	return string(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, uint64(time)), iface)) + string(data)
}

func equalLines(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func readMemory(t *testing.T, r *MemoryRing) (all []string) {
	for {
		b, err := r.Next(time.Second)
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Error(err)
		}
		if b == nil {
			continue
		}
		for i := range b.Frames {
			f := &b.Frames[i]
			if int(f.Iface) >= len(r.Interfaces()) {
				t.Errorf("interface %d of %d", f.Iface, len(r.Interfaces()))
			}
			all = append(all, stamped(f.Time, f.Iface, b.Data(f)))
		}
		b.Release()
	}
}

// TestMemoryDrops lets nobody read: what does not fit is dropped and counted,
// and what is there comes out after Close.
func TestMemoryDrops(t *testing.T) {
	cfg := DefaultMemory()
	cfg.Frames, cfg.Batches, cfg.Drop, cfg.Snaplen = 10, 2, true, 20
	m, stop := memory(t, "http-tls.pcap", cfg)
	<-m.Fed()
	s := m.Stats()[0]
	if s.Packets != 317 || s.Drops != 317-20 || !s.Up {
		t.Errorf("%+v", s)
	}
	m.Close()
	got := readMemory(t, m.Ring(0))
	if len(got) != 20 || len(got[0]) != 12+20 {
		t.Errorf("%d frames", len(got))
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestMemoryWaits has a full ring hold the trace up, and Close end that: what
// was not put into the ring is counted.
func TestMemoryWaits(t *testing.T) {
	cfg := DefaultMemory()
	cfg.Frames, cfg.Batches = 10, 2
	m, stop := memory(t, "http-tls.pcap", cfg)
	select {
	case <-m.Fed():
		t.Fatal("317 frames in a ring of 20")
	case <-time.After(20 * time.Millisecond):
	}
	m.Close()
	got := readMemory(t, m.Ring(0))
	if s := m.Stats()[0]; len(got) != 20 || s.Packets-s.Drops != 20 {
		t.Errorf("%d frames, %+v", len(got), s)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestMemoryPace feeds by packet times, ten times as fast as they were, and
// moves the times to now.
func TestMemoryPace(t *testing.T) {
	var times []int64
	eachFrame(t, filepath.Join("..", "..", "..", "testdata", "http-tls.pcap"), func(f *capture.Frame, _ []byte) { times = append(times, f.Time) })
	took := time.Duration(times[len(times)-1] - times[0])
	cfg := DefaultMemory()
	cfg.Pace, cfg.Now = 4, true
	start := time.Now()
	m, stop := memory(t, "http-tls.pcap", cfg)
	if b, err := m.Ring(0).Next(0); b != nil && err != nil {
		t.Errorf("%v, %v", b, err)
	}
	<-m.Fed()
	// A wait below a millisecond is not worth the waking up, and left out.
	if d := time.Since(start); d < took/4-time.Millisecond || d > took {
		t.Errorf("%v for a trace of %v", d, took)
	}
	b, err := m.Ring(0).Next(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if first := time.Unix(0, b.Frames[0].Time); first.Before(start) || first.After(time.Now()) {
		t.Errorf("the first packet's time is %v", first)
	}
	b.Release()
	m.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// TestMemoryTraceFails has Run say what the trace says.
func TestMemoryTraceFails(t *testing.T) {
	m, err := NewMemory(capture.NewReader("rubbish", bytes.NewReader([]byte("rubbish"))), DefaultMemory())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Run(context.Background()); err == nil {
		t.Error("rubbish is no trace")
	}
	m.Close()
	if _, err := m.Ring(0).Next(time.Second); err != io.EOF {
		t.Error(err)
	}
	for _, cfg := range []MemoryConfig{{}, {Workers: 1, Frames: 1, Batches: 1}, {Workers: 1, Frames: 1, Batches: 2, Pace: -1}} {
		if _, err := NewMemory(nil, cfg); err == nil {
			t.Errorf("%+v", cfg)
		}
	}
}
