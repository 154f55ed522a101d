package exporters

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/flow"
)

// fakeSink counts what it gets, and does what the test says meanwhile.
type fakeSink struct {
	export func(*flow.Batch) error
	got    atomic.Int64
	ticks  atomic.Int64
	closed atomic.Bool
}

func (s *fakeSink) Export(b *flow.Batch) error {
	s.got.Add(int64(len(b.Records)))
	if s.export != nil {
		return s.export(b)
	}
	return nil
}

func (s *fakeSink) Tick(time.Time) error { s.ticks.Add(1); return nil }
func (s *fakeSink) Close() error         { s.closed.Store(true); return nil }

// batchOf returns a batch of n records, each of 2 packets and 100 octets.
func batchOf(n int, final bool) *flow.Batch {
	b := &flow.Batch{Records: make([]flow.Record, n), Final: final}
	for i := range b.Records {
		b.Records[i].Count[0] = flow.Counters{Packets: 2, Octets: 100}
		b.Records[i].End = int64(1 + i)
	}
	b.Retain(1)
	return b
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// start runs a queue and returns a function that waits for its end.
func start(q *Queue, ctx context.Context) (wait func() error) {
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	return func() error { return <-done }
}

func TestLosslessLosesNothing(t *testing.T) {
	sink := &fakeSink{export: func(*flow.Batch) error { time.Sleep(50 * time.Microsecond); return nil }}
	q := NewQueue("test", sink, QueueConfig{Records: 100, Lossless: true})
	wait := start(q, t.Context())
	recycled := 0
	for i := range 500 {
		b := batchOf(10, i == 499)
		b.Recycle = func(*flow.Batch) { recycled++ }
		q.Offer(b)
		if n := q.Stats().Queued.Load(); n > 100 {
			t.Fatalf("%d records wait in a queue of 100", n)
		}
	}
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	if sink.got.Load() != 5000 || q.Stats().Records.Load() != 5000 || q.Stats().Lost().Records != 0 {
		t.Errorf("sink got %d, account says %d, lost %v", sink.got.Load(), q.Stats().Records.Load(), q.Stats().Lost())
	}
	if recycled != 500 || !sink.closed.Load() || q.Stats().Queued.Load() != 0 {
		t.Errorf("%d of 500 batches given back, closed %v, %d queued", recycled, sink.closed.Load(), q.Stats().Queued.Load())
	}
}

func TestLossyDropsExactly(t *testing.T) {
	gate := make(chan struct{})
	sink := &fakeSink{export: func(*flow.Batch) error { <-gate; return nil }}
	q := NewQueue("test", sink, QueueConfig{Records: 100})
	wait := start(q, t.Context())
	q.Offer(batchOf(10, false)) // in the sink's hands
	for sink.got.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	before := time.Now()
	for range 20 { // ten fill the queue, ten are dropped
		q.Offer(batchOf(10, false))
	}
	q.Offer(batchOf(7, true))
	if d := time.Since(before); d > time.Second {
		t.Errorf("offering took %v", d)
	}
	close(gate)
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	lost := q.Stats().Lost()
	if sink.got.Load() != 110 || q.Stats().Dropped(QueueFull) != 107 || lost.Packets != 214 || lost.Octets != 10700 {
		t.Errorf("sink got %d; dropped %d; lost %+v", sink.got.Load(), q.Stats().Dropped(QueueFull), lost)
	}
}

func TestSlowSinkLeavesOthersAlone(t *testing.T) {
	gate := make(chan struct{})
	slow := NewQueue("slow", &fakeSink{export: func(*flow.Batch) error { <-gate; return nil }}, QueueConfig{Records: 10})
	fast := &fakeSink{}
	quick := NewQueue("quick", fast, QueueConfig{Records: 1 << 20})
	waitSlow, waitQuick := start(slow, t.Context()), start(quick, t.Context())
	for i := range 100 {
		b := batchOf(5, i == 99)
		b.Retain(1)
		slow.Offer(b)
		quick.Offer(b)
	}
	waitQuick()
	if fast.got.Load() != 500 {
		t.Errorf("the quick one got %d of 500", fast.got.Load())
	}
	close(gate)
	waitSlow()
	if n := slow.Stats().Records.Load() + slow.Stats().Dropped(QueueFull); n != 500 {
		t.Errorf("the slow one accounts for %d of 500", n)
	}
}

func TestOversizedBatchPasses(t *testing.T) {
	sink := &fakeSink{}
	q := NewQueue("test", sink, QueueConfig{Records: 10, Lossless: true})
	wait := start(q, t.Context())
	q.Offer(batchOf(50, false))
	q.Offer(batchOf(50, true))
	wait()
	if sink.got.Load() != 100 {
		t.Errorf("got %d of 100", sink.got.Load())
	}
}

func TestCancelDropsAndUnblocks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{}, 1)
	gate := make(chan struct{})
	sink := &fakeSink{export: func(*flow.Batch) error { started <- struct{}{}; <-gate; return nil }}
	q := NewQueue("test", sink, QueueConfig{Records: 10, Lossless: true, Log: quiet()})
	wait := start(q, ctx)
	q.Offer(batchOf(10, false))
	<-started
	q.Offer(batchOf(10, false))
	var producers sync.WaitGroup
	for range 3 { // all wait for room
		producers.Go(func() { q.Offer(batchOf(10, false)) })
	}
	time.Sleep(10 * time.Millisecond)
	cancel()
	close(gate)
	wait()
	producers.Wait()
	if n := q.Stats().Dropped(Stopped); n != 40 || sink.got.Load() != 10 {
		t.Errorf("dropped %d, sink got %d", n, sink.got.Load())
	}
}

// TestDrainEnds has a sink that never ends by itself: live, it gets a while.
func TestDrainEnds(t *testing.T) {
	sink := &fakeSink{export: func(*flow.Batch) error { time.Sleep(150 * time.Millisecond); return nil }}
	q := NewQueue("test", sink, QueueConfig{Records: 100, Drain: 100 * time.Millisecond, Log: quiet()})
	wait := start(q, t.Context())
	for i := range 10 {
		q.Offer(batchOf(1, i == 9))
	}
	wait()
	if got, dropped := sink.got.Load(), q.Stats().Dropped(Stopped); got+int64(dropped) != 10 || dropped == 0 {
		t.Errorf("got %d, dropped %d", got, dropped)
	}
}

func TestErrorsAreCountedAndLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	sink := &fakeSink{export: func(*flow.Batch) error { return errors.New("disk full") }}
	q := NewQueue("file", sink, QueueConfig{Records: 1000, Lossless: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	wait := start(q, t.Context())
	for i := range 50 {
		q.Offer(batchOf(1, i == 49))
	}
	wait()
	s := q.Stats()
	if s.Errors.Load() != 50 || s.Dropped(Failed) != 50 || s.Records.Load() != 0 || s.Up.Load() {
		t.Errorf("errors %d, dropped %d, records %d, up %v", s.Errors.Load(), s.Dropped(Failed), s.Records.Load(), s.Up.Load())
	}
	if n := strings.Count(log.String(), "disk full"); n != 2 || !strings.Contains(log.String(), "repeated=48") {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
}

func TestClosedPipeEnds(t *testing.T) {
	sink := &fakeSink{export: func(*flow.Batch) error { return syscall.EPIPE }}
	var log bytes.Buffer
	q := NewQueue("pipe", sink, QueueConfig{Records: 10, Lossless: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	wait := start(q, t.Context())
	for i := range 20 { // must not block once the queue has ended
		q.Offer(batchOf(5, i == 19))
	}
	if err := wait(); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Run returned %v", err)
	}
	if log.Len() > 0 {
		t.Errorf("it was logged: %s", log.String())
	}
}

func TestTicks(t *testing.T) {
	sink := &fakeSink{}
	q := NewQueue("test", sink, QueueConfig{Records: 10})
	wait := start(q, t.Context())
	time.Sleep(1200 * time.Millisecond)
	q.Offer(batchOf(1, true))
	wait()
	if n := sink.ticks.Load(); n != 1 {
		t.Errorf("%d ticks in 1.2 s", n)
	}
}

func TestPacerHoldsRate(t *testing.T) {
	p := NewPacer(100_000)
	begin := time.Now()
	for range 1000 {
		p.Take(t.Context(), 30)
	}
	if d := time.Since(begin); d < 280*time.Millisecond || d > 600*time.Millisecond {
		t.Errorf("30 000 records at 100 000 a second took %v", d)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	h := NewHistory(1 << 20)
	msg := make([]byte, 10_000)
	for i := range 1000 {
		msg[0] = byte(i)
		h.Add(msg, 1, Tally{Records: 1})
	}
	kept := h.All()
	if n := len(kept); n != (1<<20+2*sendBuffer)/10_000 {
		t.Errorf("%d messages kept", n)
	}
	for i, s := range kept {
		if s.Msg[0] != byte(1000-len(kept)+i) {
			t.Fatalf("message %d is %d", i, s.Msg[0])
		}
	}
	if n := testing.AllocsPerRun(100, func() { h.Add(msg, 1, Tally{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPatienceLeavesRoom: records that can wait never fill a queue so far that
// those that cannot are dropped for them.
func TestPatienceLeavesRoom(t *testing.T) {
	sink := &fakeSink{export: func(*flow.Batch) error { time.Sleep(20 * time.Millisecond); return nil }}
	q := NewQueue("test", sink, QueueConfig{Records: 1000})
	wait := start(q, t.Context())
	var patient sync.WaitGroup
	for range 2 {
		patient.Go(func() {
			for range 10 {
				b := batchOf(100, false)
				b.Patient = true
				q.Offer(b)
			}
		})
	}
	for range 40 {
		time.Sleep(5 * time.Millisecond)
		q.Offer(batchOf(10, false))
	}
	patient.Wait()
	q.Offer(batchOf(0, true))
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	if got, lost := sink.got.Load(), q.Stats().Dropped(QueueFull); got != 2400 || lost != 0 {
		t.Errorf("%d records of 2400 arrived, %d were dropped", got, lost)
	}
}
