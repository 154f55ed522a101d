package meter

import (
	"errors"
	"fmt"
	"io"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
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
	shard  func(b *capture.Batch) []uint8 // nil with one worker
	emit   func(work)

	started bool
	clock   int64
	first   int64
	number  uint64
	ifaces  *InterfaceTable
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
		if err := r.batch(src, b); err != nil {
			return err
		}
	}
}

// batch cuts a batch at clock steps and limits.
func (r *reader) batch(src Source, b *capture.Batch) error {
	defer b.Release()
	part := work{batch: b, ifaces: r.ifaces.numbers(src)}
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
			r.started, r.first, r.clock = true, t, t
			r.emit(work{clock: t, kind: restart})
		}
		if r.limits.reached(r.number+uint64(i-from), t-r.first) {
			cut(i)
			return errLimit
		}
		if t < r.clock-maxStep {
			cut(i)
			r.steps++
			r.clock = t
			r.emit(work{clock: t, kind: restart})
		}
		if from == i {
			part.clock = r.clock
		}
		r.clock = max(r.clock, t)
	}
	cut(len(b.Frames))
	return nil
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

// InterfaceTable numbers the interfaces of all sources from 1, equal names
// alike. Meters whose records go to the same exporters share one, and run one
// after the other. A trace that neither names its interfaces nor has several of them
// gets no number.
type InterfaceTable struct {
	byName map[string]uint32
	names  []string // number - 1
	src    Source
	of     []uint32 // numbers of src's interfaces
}

// numbers returns the interface numbers of a source.
func (t *InterfaceTable) numbers(src Source) []uint32 {
	all := src.Interfaces()
	if t.src == src && len(t.of) == len(all) {
		return t.of
	}
	t.src, t.of = src, make([]uint32, len(all))
	for i, in := range all {
		name := in.Name
		if name == "" {
			if len(all) == 1 {
				continue
			}
			name = fmt.Sprintf("%s#%d", src.Name(), i)
		}
		t.of[i] = t.number(name)
	}
	return t.of
}

func (t *InterfaceTable) number(name string) uint32 {
	if n, known := t.byName[name]; known {
		return n
	}
	if t.byName == nil {
		t.byName = map[string]uint32{}
	}
	t.names = append(t.names, name)
	t.byName[name] = uint32(len(t.names))
	return t.byName[name]
}

func (t *InterfaceTable) all() (all []flow.Interface) {
	for i, name := range t.names {
		all = append(all, flow.Interface{Index: uint32(i + 1), Name: name})
	}
	return all
}
