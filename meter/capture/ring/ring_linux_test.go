package ring

import (
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
)

// handRing is a ring whose blocks the test hands over, in place of a kernel.
func handRing(t testing.TB, blocks ...[][]byte) (*Ring, []*socket) {
	t.Helper()
	r := newRing(&names{})
	if err := r.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.leave)
	var all []*socket
	for _, list := range blocks {
		s := &socket{port: &port{log: slog.Default()}, fd: -1, blocks: make([]block, len(list))}
		s.holders.Store(1)
		for i, octets := range list {
			s.blocks[i].socket, s.blocks[i].octets = s, octets
		}
		all = append(all, s)
		r.add(s)
	}
	return r, all
}

// handOver is what the kernel does when a block is full.
func handOver(b []byte) { atomic.StoreUint32(status(b), unix.TP_STATUS_USER) }

func blockOf(frames int, second uint32) []byte {
	var all []made
	for range frames {
		all = append(all, made{data: macs + ip, link: 14, hardware: 1, sec: second, status: tags, tpid: 0x8100, tci: 1})
	}
	return makeBlock(64+frames*192, false, all...)
}

func mustNext(t *testing.T, r *Ring) *capture.Batch {
	t.Helper()
	b, err := r.Next(0)
	if err != nil || b == nil {
		t.Fatalf("%v, %v", b, err)
	}
	return b
}

// TestBlocks hands a block over, in several batches; the kernel has it back
// with the last Release, in whatever order these come, and not before.
func TestBlocks(t *testing.T) {
	block := blockOf(2*batchFrames+10, 1)
	r, _ := handRing(t, [][]byte{block, makeBlock(64, false)})
	giveBack(r.blocksOf(0)[1].octets)
	var batches []*capture.Batch
	sum := 0
	for range 3 {
		b := mustNext(t, r)
		sum += len(b.Frames)
		batches = append(batches, b)
	}
	if b, err := r.Next(0); b != nil || err != nil || sum != 2*batchFrames+10 {
		t.Errorf("%d frames, then %v, %v", sum, b, err)
	}
	for _, i := range []int{1, 2, 0} {
		if !ready(block) {
			t.Error("the kernel has the block back, but batches view it")
		}
		batches[i].Release()
	}
	if ready(block) {
		t.Error("the block is not given back")
	}
}

func (r *Ring) blocksOf(i int) []block { return (*r.sockets.Load())[i].blocks }

// TestHeldBlocks: a block that is still held is not read again when its turn
// comes, and the wait for it does not spin.
func TestHeldBlocks(t *testing.T) {
	r, _ := handRing(t, [][]byte{blockOf(3, 1), blockOf(2, 2)})
	one, two := mustNext(t, r), mustNext(t, r)
	if b, err := r.Next(time.Millisecond); b != nil || err != nil {
		t.Errorf("%v, %v", b, err)
	}
	two.Release() // the kernel fills blocks in turn: this one is not the next
	if b, err := r.Next(0); b != nil || err != nil {
		t.Errorf("%v, %v", b, err)
	}
	one.Release()
	handOver(r.blocksOf(0)[0].octets)
	if b := mustNext(t, r); len(b.Frames) != 3 {
		t.Errorf("%d frames", len(b.Frames))
	}
}

// TestTurns: an interface whose blocks never end does not keep another's
// waiting.
func TestTurns(t *testing.T) {
	busy, quiet := blockOf(5*batchFrames, 1), blockOf(1, 2)
	r, _ := handRing(t, [][]byte{busy}, [][]byte{quiet})
	for n := 1; ; n++ {
		b := mustNext(t, r)
		second := b.Frames[0].Time / 1e9
		b.Release()
		if second == 2 {
			return
		}
		if n == 2 {
			t.Fatal("the other one waits")
		}
	}
}

// TestEmptyAndDamagedBlocks are given back without a batch, and what was lost
// is counted.
func TestEmptyAndDamagedBlocks(t *testing.T) {
	empty, damaged := makeBlock(64, false), makeBlock(64, false)
	damaged[blockCount] = 7
	r, sockets := handRing(t, [][]byte{empty, damaged, blockOf(1, 1)})
	b := mustNext(t, r)
	if ready(empty) || ready(damaged) || len(b.Frames) != 1 || sockets[0].lost != 7 {
		t.Errorf("%d frames, %d lost", len(b.Frames), sockets[0].lost)
	}
}

// TestNextDoesNotAllocate reads blocks of tagged frames.
func TestNextDoesNotAllocate(t *testing.T) {
	block := blockOf(3*batchFrames, 1)
	r, _ := handRing(t, [][]byte{block})
	turn := func() {
		handOver(block)
		for {
			b, err := r.Next(0)
			if err != nil {
				t.Fatal(err)
			}
			if b == nil {
				return
			}
			b.Release()
		}
	}
	turn()
	if n := testing.AllocsPerRun(20, turn); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestInterrupt ends a wait from another goroutine; the rest of the wait is
// waited.
func TestInterrupt(t *testing.T) {
	block := blockOf(1, 1)
	giveBack(block)
	r, _ := handRing(t, [][]byte{block})
	r.sockets.Store(new([]*socket)) // nothing to poll but the event
	go func() {
		time.Sleep(20 * time.Millisecond)
		r.nudge()
		time.Sleep(20 * time.Millisecond)
		r.closed.Store(true)
		r.nudge()
	}()
	start := time.Now()
	if _, err := r.Next(time.Hour); err != io.EOF || time.Since(start) < 40*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// TestHardwareClock takes the NIC's times while its clock can be right, and
// else moves those that are there.
func TestHardwareClock(t *testing.T) {
	const late = 40 * time.Second
	for off, moved := range map[time.Duration]bool{0: false, -late: false, 37 * time.Second: true, -1e6 * time.Second: true} {
		var frames []made
		stamp := time.Now().Add(off)
		for i := range 3 {
			frames = append(frames, made{data: macs + ip, link: 14, hardware: 1, sec: uint32(stamp.Unix()), nsec: uint32(i), status: unix.TP_STATUS_TS_RAW_HARDWARE})
		}
		frames[2].status = unix.TP_STATUS_TS_SOFTWARE
		r, sockets := handRing(t, [][]byte{makeBlock(4096, false, frames...)})
		sockets[0].clock = true
		b := mustNext(t, r)
		for i, f := range b.Frames {
			want := stamp.Unix()
			if moved && i < 2 {
				want = time.Now().Unix()
			}
			if got := f.Time / 1e9; got < want-2 || got > want+2 || sockets[0].clock == moved {
				t.Errorf("%v off: frame %d has time %d, not %d", off, i, got, want)
			}
		}
		if d := b.Frames[1].Time - b.Frames[0].Time; d != 1 {
			t.Errorf("%v off: %d ns between two frames", off, d)
		}
	}
}

// TestKernelAtLeast compares releases as distributions write them.
func TestKernelAtLeast(t *testing.T) {
	for release, want := range map[string]bool{
		"6.2.0": true, "6.18.44-fc": true, "7.0": true, "6.2-rc1": true,
		"6.1.0-18-amd64": false, "5.15.0": false, "": false, "linux": false,
	} {
		if kernelAtLeast(release, udpSegments) != want {
			t.Errorf("%q: %v", release, !want)
		}
	}
}

// BenchmarkNext walks blocks of tagged frames of 64 octets.
func BenchmarkNext(b *testing.B) {
	block := blockOf(batchFrames, 1)
	r, _ := handRing(b, [][]byte{block})
	b.ReportAllocs()
	for b.Loop() {
		handOver(block)
		batch, err := r.Next(0)
		if err != nil || batch == nil {
			b.Fatal(err)
		}
		batch.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchFrames, "ns/packet")
}
