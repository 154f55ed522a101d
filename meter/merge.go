package meter

import "flowmeter/meter/flow"

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
