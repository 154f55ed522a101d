package meter

import "flowmeter/meter/flow"

// parcel is a run of one worker's records in order, and how far that worker
// has come.
type parcel struct {
	records   []flow.Record
	epoch     int   // how often the clock was set
	watermark int64 // all records of this epoch that ended before have been sent
}

const parcelRecords = 256

// parcelsAhead is how many parcels a worker may be ahead of the merger.
const parcelsAhead = 4

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
	b.parcel.epoch = b.epoch
	b.out <- b.parcel
	b.parcel.records = nil
}

// mark tells that all records that ended before the watermark have been put
// in. With Everything the epoch is over.
func (b *outbox) mark(watermark int64) {
	if b.direct != nil || watermark == b.parcel.watermark && len(b.parcel.records) == 0 {
		return
	}
	b.parcel.watermark = watermark
	b.send()
	if watermark == flow.Everything {
		b.epoch++
		b.parcel.watermark = 0
	}
}

// merger puts the records of several workers into one order. It takes a
// worker's next parcel only when it cannot go on without: a worker that is
// ahead waits.
type merger struct {
	out *output
	in  []chan parcel // by worker
	at  []parcel      // the parcel at hand of each worker
	end []bool        // a worker's parcels have ended
}

func newMerger(out *output, in []chan parcel) *merger {
	return &merger{out: out, in: in, at: make([]parcel, len(in)), end: make([]bool, len(in))}
}

// run merges until the parcels of all workers have ended.
func (m *merger) run() {
	for {
		first := m.earliest()
		if i := m.behind(first); i >= 0 {
			m.take(i)
			continue
		}
		if first < 0 {
			return
		}
		p := &m.at[first]
		*m.out.next() = p.records[0]
		p.records = p.records[1:]
	}
}

// take waits for a worker's next parcel.
func (m *merger) take(worker int) {
	p, more := <-m.in[worker]
	if !more {
		m.end[worker] = true
		return
	}
	m.at[worker] = p
}

// earliest returns the worker whose next record comes first, or -1.
func (m *merger) earliest() int {
	first := -1
	for i := range m.at {
		if len(m.at[i].records) > 0 && (first < 0 || before(&m.at[i], &m.at[first])) {
			first = i
		}
	}
	return first
}

// behind returns the worker that may still send a record which comes before
// the next one of the given worker, or -1; of several, the one that has come
// least far: others may be waiting for us, and it for them. Without a record
// at hand anywhere it is any worker that has not ended.
func (m *merger) behind(first int) int {
	last := -1
	for i := range m.at {
		p := &m.at[i]
		if m.end[i] || len(p.records) > 0 || first >= 0 && p.past(&m.at[first]) {
			continue
		}
		if last < 0 || p.epoch < m.at[last].epoch || p.epoch == m.at[last].epoch && p.watermark < m.at[last].watermark {
			last = i
		}
	}
	return last
}

// past tells whether a worker whose last parcel was p is beyond the first
// record of o.
func (p *parcel) past(o *parcel) bool {
	return p.epoch > o.epoch || p.epoch == o.epoch && p.watermark > o.records[0].End
}

func before(a, b *parcel) bool {
	if a.epoch != b.epoch {
		return a.epoch < b.epoch
	}
	return flow.CompareRecords(&a.records[0], &b.records[0]) < 0
}
