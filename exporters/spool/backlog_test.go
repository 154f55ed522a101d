package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"flowmeter/exporters"
)

// rig is a backlog, and a collector in the test's hands: what was sent on the
// present connection and how much of it the collector really has.
type rig struct {
	t       *testing.T
	b       *Backlog
	cfg     Config
	stats   *exporters.Stats
	overlap int
	run     uint64 // generation

	put     uint64 // messages put so far; the first has number 1 in its flow ids
	session uint64 // generation of the open session; 0: none
	line    []Taken
	acked   int // messages of line that were acknowledged
	arrived map[uint64]int
	first   []uint64 // in the order of their first arrival
	again   int      // arrivals that were counted as sent again
}

func newRig(t *testing.T, disk bool, overlap int) *rig {
	r := &rig{t: t, overlap: overlap, stats: &exporters.Stats{}, arrived: map[uint64]int{}}
	if disk {
		r.cfg = config(t)
	}
	r.begin()
	return r
}

// begin starts a run of the meter.
func (r *rig) begin() {
	r.run++
	r.b = NewBacklog(r.overlap, r.run, r.stats)
	r.b.limit = 3000
	if r.cfg.Dir == "" {
		return
	}
	d, _, err := OpenDisk(r.cfg, r.run, r.stats, quiet())
	if err != nil {
		r.t.Fatal(err)
	}
	r.b.Use(d)
}

// offer puts a message of ten records, if there is room.
func (r *rig) offer() bool {
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel() // a backlog without room returns at once
	m := message(r.put+1, 10)
	if err := r.b.Put(ctx, m); err != nil {
		return false
	}
	r.put++
	return true
}

// send takes one message and sends it. Of those on the line, up to late are
// not acknowledged yet.
func (r *rig) send(late int) bool {
	if r.session == 0 {
		var err error
		if r.session, _, err = r.b.Session(); err != nil {
			r.t.Fatal(err)
		}
	}
	taken, err := r.b.Take(r.session)
	if errors.Is(err, ErrOtherRun) {
		r.reach(len(r.line))
		r.b.Delivered()
		r.session = 0
		return true
	}
	if err != nil {
		return false
	}
	taken.Buf = append([]byte{}, taken.Buf...)
	r.line = append(r.line, taken)
	r.b.Sent(&taken, r.unacknowledged(late))
	return true
}

// unacknowledged has all but the last few messages acknowledged, and returns
// the octets of those that are not. What was acknowledged remains so.
func (r *rig) unacknowledged(late int) (octets int) {
	r.acked = max(r.acked, len(r.line)-late)
	for _, m := range r.line[r.acked:] {
		octets += len(m.Buf)
	}
	return octets
}

// reach has the first n messages on the line arrive.
func (r *rig) reach(n int) {
	for _, m := range r.line[:n] {
		id := binary.BigEndian.Uint64(m.Buf[headerSize+4:]) / 1000
		if r.arrived[id]++; r.arrived[id] == 1 {
			r.first = append(r.first, id)
		}
		if m.Again {
			r.again++
		}
	}
	r.line, r.acked = nil, 0
}

// crash breaks the connection: of what the collector acknowledged, it may not
// have read the last, up to the overlap.
func (r *rig) crash(rng *rand.Rand) {
	unacked, lost := r.unacknowledged(rng.IntN(10)), 0
	n := r.acked
	for ; n > 0 && lost+len(r.line[n-1].Buf) <= r.overlap && rng.IntN(3) > 0; n-- { // nobody read these
		lost += len(r.line[n-1].Buf)
	}
	r.reach(n)
	r.session = 0
	if err := r.b.Broken(nil, unacked); err != nil {
		r.t.Fatal(err)
	}
}

// fail breaks the connection with the message that was taken last, after so many
// more were put.
func (r *rig) fail(more int) {
	if r.session == 0 {
		return
	}
	taken, err := r.b.Take(r.session)
	if err != nil {
		return
	}
	for range more {
		r.offer()
	}
	r.reach(r.acked)
	r.session = 0
	if err := r.b.Broken(&taken, 0); err != nil {
		r.t.Fatal(err)
	}
}

// settle sends everything that is left over a connection that holds.
func (r *rig) settle() {
	for r.send(0) {
	}
	r.reach(len(r.line))
	r.b.Delivered()
}

// check tells whether everything arrived, in order, and whether what came
// twice was counted.
func (r *rig) check() {
	r.t.Helper()
	twice := 0
	for id := uint64(1); id <= r.put; id++ {
		if r.arrived[id] == 0 {
			r.t.Fatalf("message %d of %d never arrived", id, r.put)
		}
		twice += r.arrived[id] - 1
	}
	for i, id := range r.first {
		if id != uint64(i+1) {
			r.t.Fatalf("message %d came %dth", id, i+1)
		}
	}
	if twice > r.again {
		r.t.Errorf("%d came again, %d were counted", twice, r.again)
	}
}

// TestBacklogAtLeastOnce does by chance what can happen: messages come, leave,
// connections break or cannot be had, the meter is restarted or killed.
func TestBacklogAtLeastOnce(t *testing.T) {
	for seed := range uint64(36) {
		disk, overlap := seed%3 > 0, int(seed%4)*600
		t.Run(fmt.Sprintf("seed %d, disk %v, overlap %d", seed, disk, overlap), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			r := newRig(t, disk, overlap)
			for range 2000 {
				switch n := rng.IntN(100); {
				case n < 45:
					if !r.offer() && disk {
						t.Fatal("no room, in spite of the disk")
					}
				case n < 93:
					r.send(rng.IntN(8))
				case n < 96:
					r.crash(rng)
				case n < 97:
					r.settle()
				case n < 98 && r.session == 0:
					if err := r.b.Away(); err != nil {
						t.Fatal(err)
					}
				case n == 98 && disk:
					r.crash(rng)
					if err := r.b.Close(); err != nil {
						t.Fatal(err)
					}
					r.begin()
				case n == 99 && disk && len(r.b.mem) == 0:
					r.reach(len(r.line)) // what was in flight arrives, and is sent again
					r.session = 0
					r.b.disk.abandon()
					r.begin()
				}
			}
			r.settle()
			r.check()
			if lost := r.stats.Lost(); lost.Records != 0 {
				t.Errorf("lost %+v", lost)
			}
			if n := r.stats.SpoolRecords.Load(); n != 0 {
				t.Errorf("%d records are said to be left", n)
			}
		})
	}
}

// TestBacklogCountsOnce does by chance what can happen, and the run ends when the
// collector is away: each record was exported or dropped, also those that were
// sent and may not have arrived.
func TestBacklogCountsOnce(t *testing.T) {
	for seed := range uint64(36) {
		size, overlap := []int64{0, 4 << 20, 10_000}[seed%3], int(seed%4)*600
		t.Run(fmt.Sprintf("seed %d, disk %d, overlap %d", seed, size, overlap), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 2))
			r := newRig(t, false, overlap)
			if size > 0 {
				r.cfg = config(t)
				r.cfg.Size = size
				r.begin()
			}
			var exported uint64
			for range 2000 {
				if n := r.stats.Records.Load(); n < exported {
					t.Fatalf("%d exported, and then %d: a counter does not fall", exported, n)
				} else {
					exported = n
				}
				switch n := rng.IntN(100); {
				case n < 55:
					r.offer()
				case n < 96:
					r.send(rng.IntN(8))
				case n < 98:
					r.crash(rng)
				case n < 99:
					r.fail(rng.IntN(200))
				case r.session == 0:
					if err := r.b.Away(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if seed%2 > 0 {
				r.crash(rng)
			}
			if err := r.b.Close(); err != nil {
				t.Fatal(err)
			}
			again := r.stats.Resent.Load()
			if size > 0 { // what is left is the next run's
				r.session = 0
				r.begin()
				r.settle()
			}
			exported = r.stats.Records.Load()
			lost := r.stats.Lost().Records
			if exported+lost != 10*r.put {
				t.Errorf("%d records were put, %d exported and %d dropped, which is %d; %d were sent again", 10*r.put, exported, lost, exported+lost, again)
			}
			if again == 0 || size != 4<<20 && lost == 0 {
				t.Errorf("this tests nothing: %d sent again, %d lost", again, lost)
			}
		})
	}
}

// TestBacklogCountsWhatWasInFlight: files with messages that were sent are deleted
// for want of room, and then it turns out that these did not arrive.
func TestBacklogCountsWhatWasInFlight(t *testing.T) {
	for what, end := range map[string]func(*rig) error{
		"broken": func(r *rig) error { return r.b.Broken(nil, 1<<20) },
		"closed": func(r *rig) error { return r.b.Close() },
	} {
		r := newRig(t, false, 0)
		r.cfg = config(t)
		r.cfg.Size = 10_000
		r.begin()
		if err := r.b.Away(); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			r.offer()
		}
		for range 25 {
			r.send(1000)
		}
		for range 300 {
			r.offer()
		}
		r.reach(0)
		r.session = 0
		if err := end(r); err != nil {
			t.Fatal(err)
		}
		if what == "closed" {
			r.begin()
		}
		r.settle()
		arrived, lost := uint64(10*len(r.arrived)), r.stats.Lost().Records
		if arrived+lost != 10*r.put || r.stats.Records.Load() != arrived {
			t.Errorf("%s: %d records were put, %d arrived, %d were dropped, %d exported", what, 10*r.put, arrived, lost, r.stats.Records.Load())
		}
	}
}

// TestBacklogStaysInMemory while the collector keeps up.
func TestBacklogStaysInMemory(t *testing.T) {
	r := newRig(t, true, 1000)
	for range 5000 {
		r.offer()
		r.send(1)
	}
	if files, _ := filepath.Glob(filepath.Join(r.cfg.Dir, "*"+suffix)); len(files) != 0 {
		t.Errorf("files: %v", files)
	}
	if n := len(r.b.mem); n > 20 {
		t.Errorf("%d messages are kept for an overlap of 1000 octets", n)
	}
	r.settle()
	r.check()
}

// TestBacklogBrokenMessage: the message that broke the connection is sent
// again, first or not.
func TestBacklogBrokenMessage(t *testing.T) {
	for _, disk := range []bool{false, true} {
		r := newRig(t, disk, 0)
		for range 5 {
			r.offer()
		}
		for range 3 {
			if r.session == 0 {
				r.session, _, _ = r.b.Session()
			}
			taken, err := r.b.Take(r.session)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.b.Broken(&taken, 0); err != nil {
				t.Fatal(err)
			}
			r.session = 0
		}
		r.settle()
		r.check()
		if r.again != 0 {
			t.Errorf("disk %v: %d counted as sent again that were never sent", disk, r.again)
		}
	}
}

// TestBacklogWaitsWithoutDisk: Put returns when there is room, or when it is
// not to wait any more.
func TestBacklogWaitsWithoutDisk(t *testing.T) {
	r := newRig(t, false, 0)
	for r.offer() {
	}
	done := make(chan error, 1)
	go func() { done <- r.b.Put(t.Context(), message(r.put+1, 10)) }()
	select {
	case err := <-done:
		t.Fatalf("there was no room, and Put returned %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	r.send(0)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.put++
	if err := r.b.Put(canceled(t), message(99, 10)); !errors.Is(err, exporters.ErrUnreachable) {
		t.Error(err)
	}
	r.settle()
	r.check()
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestBacklogDiskFull keeps in memory what it can, and tells of the rest; when
// there is room again, it goes on in order.
func TestBacklogDiskFull(t *testing.T) {
	r := newRig(t, true, 0)
	if err := r.b.Away(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if !r.offer() {
			t.Fatal("the disk takes nothing")
		}
	}
	mend := breakDisk(t, r.b.disk)
	refused := 0
	for range 100 {
		if !r.offer() {
			refused++
		}
	}
	if refused == 0 || refused == 100 {
		t.Errorf("%d of 100 were refused", refused)
	}
	mend()
	for range 100 {
		if !r.offer() {
			t.Fatal("there is room again, and it takes nothing")
		}
	}
	r.settle()
	r.check()
}

// breakDisk makes every write to a spool fail, until mend is called.
func breakDisk(t *testing.T, d *Disk) (mend func()) {
	t.Helper()
	away := d.cfg.Dir + ".away"
	if err := errors.Join(os.Rename(d.cfg.Dir, away), os.WriteFile(d.cfg.Dir, nil, 0o600), d.out.Close()); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(os.Remove(d.cfg.Dir), os.Rename(away, d.cfg.Dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBacklogIntro: a session begins with what was put as such, and so does
// every file.
func TestBacklogIntro(t *testing.T) {
	r := newRig(t, true, 0)
	if err := r.b.Put(t.Context(), templateMessage()); err != nil {
		t.Fatal(err)
	}
	_, intro, err := r.b.Session()
	if err != nil || len(intro) != 1 || !intro[0].Intro {
		t.Errorf("%d messages, %v", len(intro), err)
	}
	r.b.Away()
	for range 30 {
		r.offer()
	}
	if n := len(r.b.disk.intro); n != 1 {
		t.Errorf("files begin with %d messages", n)
	}
	if st, err := os.Stat(r.b.disk.segments[0].path); err != nil || st.Size() == 0 {
		t.Error(err)
	}
	if err := r.b.Close(); err != nil {
		t.Fatal(err)
	}
}
