package meter

import (
	"errors"
	"io"

	"flowmeter/meter/capture"
)

// Source gives batches of frames in the order in which they were captured, and
// io.EOF after the last (capture.Reader).
type Source interface {
	Name() string
	Next() (*capture.Batch, error)
	Interfaces() []capture.Interface
	Close() error
}

// maxStep is how far a packet may lie behind the trace clock before the clock
// is taken to have been set back.
const maxStep = 60e9

// work is a run of frames of one batch, without a clock step in between.
type work struct {
	batch  *capture.Batch
	frames []capture.Frame
	shards []uint8  // worker of each frame; nil if there is only one worker
	clock  int64    // trace clock before the first frame
	number uint64   // of the first frame, from 1
	ifaces []uint32 // interface numbers by Frame.Iface; 0 where the trace does not tell them apart
	kind   workKind
}

// workKind tells the workers what to do besides metering frames.
type workKind uint8

const (
	frames  workKind = iota
	restart          // end all flows; the clock is set to clock first
	finish           // end all flows and stop
)

// reader turns the batches of an input's sources, one after the other, into
// work, and keeps the trace clock.
type reader struct {
	limits Limits
	shard  func(b *capture.Batch) []uint8 // nil where one worker takes all
	emit   func(work)
	ifaces numbering

	started bool
	clock   int64
	first   int64
	number  uint64
	steps   uint64
}

// Limits end the reading of traces early. Zero values do not.
type Limits struct {
	Count    uint64 // packets
	Duration int64  // ns of trace time from the first packet
}

// errLimit ends reading without being a mistake.
var errLimit = errors.New("limit reached")

// readAll reads a source to its end and closes it.
func (r *reader) readAll(src Source, stop <-chan struct{}) error {
	next, done := follow(src, stop)
	defer done()
	for {
		select {
		case <-stop:
			return errLimit
		default:
		}
		b, err := next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.batch(r.ifaces.of(src), b); err != nil {
			return err
		}
	}
}

// batch cuts a batch at clock steps and limits, and releases it. Its frames'
// interfaces have the given numbers.
func (r *reader) batch(ifaces []uint32, b *capture.Batch) error {
	defer b.Release()
	part := work{batch: b, ifaces: ifaces}
	var shards []uint8
	if r.shard != nil {
		shards = r.shard(b)
	}
	from := 0
	cut := func(i int) {
		r.part(part, b.Frames[from:i], shards[min(from, len(shards)):min(i, len(shards))])
		from = i
	}
	for i := range b.Frames {
		t := b.Frames[i].Time
		if !r.started {
			r.start(t)
		}
		if r.limits.reached(r.number+uint64(i-from), t-r.first) {
			cut(i)
			return errLimit
		}
		if t < r.clock-maxStep {
			cut(i)
			r.step(t)
		}
		if from == i {
			part.clock = r.clock
		}
		r.clock = max(r.clock, t)
	}
	cut(len(b.Frames))
	return nil
}

// start sets the clock for the first time.
func (r *reader) start(clock int64) {
	r.started, r.first, r.clock = true, clock, clock
	r.emit(work{clock: clock, kind: restart})
}

// step sets the clock back.
func (r *reader) step(clock int64) {
	r.steps++
	r.clock = clock
	r.emit(work{clock: clock, kind: restart})
}

// quiet moves the clock on where no frame does: to the given time, by which
// everything captured so far has been read.
func (r *reader) quiet(clock int64) {
	switch {
	case !r.started:
		r.start(clock)
	case clock < r.clock-maxStep:
		r.step(clock)
	case clock > r.clock:
		r.clock = clock
		r.emit(work{clock: clock})
	}
}

func (l *Limits) reached(packets uint64, elapsed int64) bool {
	return l.Count > 0 && packets >= l.Count || l.Duration > 0 && elapsed >= l.Duration
}

// part emits some of a batch's frames.
func (r *reader) part(w work, frames []capture.Frame, shards []uint8) {
	if len(frames) == 0 {
		return
	}
	w.frames, w.shards, w.number = frames, shards, r.number+1
	r.number += uint64(len(frames))
	r.emit(w)
}
