package meter

import (
	"math"
	"sync"
	"time"

	"flowmeter/meter/flow"
)

// Exporter takes batches of records in the order of their release. Offer may
// wait (reading traces) or drop and count (live); it releases the batch when it
// has done with it.
type Exporter interface {
	Offer(b *flow.Batch)
}

// Bounded is an Exporter that drops what it has no room for. Records that need
// not leave at once wait for room (liveWorker.forceSome).
type Bounded interface {
	Room() int // records that Offer takes now
}

// batchRecords is how many records a batch holds. Reading traces, every batch
// but the last is full, so that what exporters see does not depend on workers.
const batchRecords = 512

// output gathers records into batches for the exporters. It is used by one
// goroutine.
type output struct {
	exporters []Exporter
	batch     *flow.Batch
	spare     spares
	patient   bool      // batches may wait for room
	live      bool      // batches carry the wall clock, and do not wait to be full
	sent      time.Time // when the last beat sent one

	records uint64
}

// flushEvery is how long the records of live interfaces wait at most for a
// batch to fill.
const flushEvery = time.Second

// beat sends a batch that is not full once it has waited for long.
func (o *output) beat(now time.Time) {
	if now.Sub(o.sent) >= flushEvery {
		o.sent = now
		o.flush()
	}
}

// next returns a place for the next record. The place is good until the next
// call.
func (o *output) next() *flow.Record {
	if o.batch != nil && len(o.batch.Records) == batchRecords {
		o.send()
	}
	if o.batch == nil {
		o.batch = o.take()
	}
	o.records++
	o.batch.Records = o.batch.Records[:len(o.batch.Records)+1]
	return &o.batch.Records[len(o.batch.Records)-1]
}

func (o *output) take() *flow.Batch {
	if b := o.spare.take(); b != nil {
		return b
	}
	return &flow.Batch{Records: make([]flow.Record, 0, batchRecords), Recycle: o.recycle}
}

// recycle keeps a batch for reuse, unless enough are kept.
func (o *output) recycle(b *flow.Batch) {
	b.Records, b.Stats, b.Final, b.Patient = b.Records[:0], nil, false, false
	o.spare.keep(b)
}

// spares are batches to be used again, the last given back first: the
// processor's cache may still hold it.
type spares struct {
	mu      sync.Mutex
	batches []*flow.Batch
}

// spareBatches is how many batches are kept for reuse.
const spareBatches = 32

func (s *spares) take() (b *flow.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.batches) - 1; last >= 0 {
		b, s.batches = s.batches[last], s.batches[:last]
	}
	return b
}

func (s *spares) keep(b *flow.Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) < spareBatches {
		s.batches = append(s.batches, b)
	}
}

func newOutput(exporters []Exporter) *output {
	return &output{exporters: exporters}
}

func newLiveOutput(exporters []Exporter) *output {
	o := newOutput(exporters)
	o.live = true
	return o
}

// send gives the batch to every exporter. Its clock is that of its last record,
// so that it tells nothing of how the work was divided; live, it is now.
func (o *output) send() {
	b := o.batch
	o.batch = nil
	if n := len(b.Records); n > 0 && b.Stats == nil {
		b.Clock = b.Records[n-1].End
	}
	if o.live {
		b.Clock = max(b.Clock, time.Now().UnixNano())
	}
	b.Patient = o.patient
	b.Retain(int32(len(o.exporters)) + 1)
	for _, e := range o.exporters {
		e.Offer(b)
	}
	b.Release()
}

// room returns how many more records every exporter would take now.
func (o *output) room() int {
	room := math.MaxInt
	for _, e := range o.exporters {
		if b, ok := e.(Bounded); ok {
			room = min(room, b.Room())
		}
	}
	if o.batch != nil && room < math.MaxInt {
		room -= len(o.batch.Records)
	}
	return max(0, room)
}

// flush sends what is left.
func (o *output) flush() {
	if o.batch != nil {
		o.send()
	}
}

// tell sends a batch without records that carries the meter's account.
func (o *output) tell(s *flow.Statistics, final bool) {
	o.batch = o.take()
	o.batch.Stats, o.batch.Clock, o.batch.Final = s, s.Clock, final
	o.send()
}
