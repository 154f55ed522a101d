package meter

import (
	"sync"

	"flowmeter/meter/flow"
)

// Exporter takes batches of records in the order of their release. Offer may
// wait (reading traces) or drop and count (live); it releases the batch when it
// has done with it.
type Exporter interface {
	Offer(b *flow.Batch)
}

// batchRecords is how many records a batch holds. Reading traces, every batch
// but the last is full, so that what exporters see does not depend on workers.
const batchRecords = 256

// output gathers records into batches for the exporters. It is used by one
// goroutine.
type output struct {
	exporters []Exporter
	batch     *flow.Batch
	spare     sync.Pool

	records uint64
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
	b, ok := o.spare.Get().(*flow.Batch)
	if !ok {
		b = &flow.Batch{Records: make([]flow.Record, 0, batchRecords)}
		b.Recycle = func(b *flow.Batch) {
			b.Records, b.Stats, b.Final = b.Records[:0], nil, false
			o.spare.Put(b)
		}
	}
	return b
}

// send gives the batch to every exporter. Its clock is that of its last record,
// so that it tells nothing of how the work was divided.
func (o *output) send() {
	b := o.batch
	o.batch = nil
	if n := len(b.Records); n > 0 && b.Stats == nil {
		b.Clock = b.Records[n-1].End
	}
	b.Retain(int32(len(o.exporters)) + 1)
	for _, e := range o.exporters {
		e.Offer(b)
	}
	b.Release()
}

// flush sends what is left.
func (o *output) flush() {
	if o.batch != nil {
		o.send()
	}
}

// finish sends the final batch.
func (o *output) finish(s *flow.Statistics) {
	o.batch = o.take()
	o.batch.Stats, o.batch.Clock, o.batch.Final = s, s.Clock, true
	o.send()
}

// outbox is where a worker puts its records: straight into the output if it is
// the only one, else in parcels for the merger.
type outbox struct {
	direct *output
	worker int
	parcel parcel
	out    chan<- parcel
	epoch  int
}

// parcel is a run of one worker's records in order, and how far that worker
// has come.
type parcel struct {
	worker    int
	records   []flow.Record
	epoch     int   // how often the clock was set
	watermark int64 // all records of this epoch that ended before have been sent
}

const parcelRecords = 256

func (b *outbox) next() *flow.Record {
	if b.direct != nil {
		return b.direct.next()
	}
	if len(b.parcel.records) == parcelRecords {
		b.send()
	}
	if b.parcel.records == nil {
		b.parcel.records = make([]flow.Record, 0, parcelRecords)
	}
	b.parcel.records = b.parcel.records[:len(b.parcel.records)+1]
	return &b.parcel.records[len(b.parcel.records)-1]
}

func (b *outbox) send() {
	b.parcel.worker, b.parcel.epoch = b.worker, b.epoch
	b.out <- b.parcel
	b.parcel.records = nil
}

// mark tells that all records that ended before the watermark have been put
// in. With Everything the epoch is over.
func (b *outbox) mark(watermark int64) {
	if b.direct != nil {
		return
	}
	if watermark == b.parcel.watermark && len(b.parcel.records) == 0 {
		return
	}
	b.parcel.watermark = watermark
	b.send()
	if watermark == flow.Everything {
		b.epoch++
		b.parcel.watermark = 0
	}
}

// merger puts the records of several workers into one order.
type merger struct {
	out    *output
	queues [][]parcel // by worker
	epochs []int
	marks  []int64
}

func newMerger(out *output, workers int) *merger {
	return &merger{out: out, queues: make([][]parcel, workers), epochs: make([]int, workers), marks: make([]int64, workers)}
}

// run merges until the parcels end.
func (m *merger) run(in <-chan parcel) {
	for p := range in {
		m.epochs[p.worker], m.marks[p.worker] = p.epoch, p.watermark
		if len(p.records) > 0 {
			m.queues[p.worker] = append(m.queues[p.worker], p)
		}
		m.release()
	}
}

// release passes on all records that no worker can come before any more.
func (m *merger) release() {
	epoch, mark := m.epochs[0], m.marks[0]
	for i := range m.epochs {
		if m.epochs[i] < epoch || m.epochs[i] == epoch && m.marks[i] < mark {
			epoch, mark = m.epochs[i], m.marks[i]
		}
	}
	for {
		i := m.earliest()
		if i < 0 {
			return
		}
		q := &m.queues[i][0]
		if q.epoch > epoch || q.epoch == epoch && q.records[0].End >= mark {
			return
		}
		*m.out.next() = q.records[0]
		if q.records = q.records[1:]; len(q.records) == 0 {
			m.queues[i] = m.queues[i][1:]
		}
	}
}

// earliest returns the worker whose first record comes first, or -1.
func (m *merger) earliest() int {
	first := -1
	for i, q := range m.queues {
		if len(q) > 0 && (first < 0 || before(&q[0], &m.queues[first][0])) {
			first = i
		}
	}
	return first
}

func before(a, b *parcel) bool {
	if a.epoch != b.epoch {
		return a.epoch < b.epoch
	}
	return flow.CompareRecords(&a.records[0], &b.records[0]) < 0
}
