package meter

import (
	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// worker meters its share of the frames with tables of its own.
type worker struct {
	id      int
	tables  []*flow.Table // by rule set
	share   *exchange     // of sightings; nil with one worker
	records *outbox
	filter  *rules.Filter
	seed    flow.Seed

	run       [flow.MaxRun]flow.Packet
	n         int // packets in run
	clock     int64
	fragments flow.Fragments
	seen      [][]flow.Sighting // by rule set, of the work at hand

	count  Totals
	public published
}

// do meters one piece of work.
func (w *worker) do(j *work) {
	switch j.kind {
	case restart, finish:
		w.flush(j.clock)
	default:
		w.frames(j)
		w.runTables()
		w.settle()
	}
	w.public.store(w)
}

// frames decodes the worker's own frames and gives them to the tables, run by
// run. The clock moves over the others' frames as well.
func (w *worker) frames(j *work) {
	w.clock = j.clock
	for i := range j.frames {
		f := &j.frames[i]
		w.clock = max(w.clock, f.Time)
		if len(j.shards) != 0 && int(j.shards[i]) != w.id {
			continue
		}
		p := &w.run[w.n]
		p.Time, p.Clock, p.Number = f.Time, w.clock, j.number+uint64(i)
		p.Iface = 0
		if int(f.Iface) < len(j.ifaces) {
			p.Iface = j.ifaces[f.Iface]
		}
		if w.decode(p, j.batch, f) {
			if w.n++; w.n == len(w.run) {
				w.runTables()
			}
		}
	}
}

// decode reads a frame's headers, counts its outcome, and tells whether the
// rule sets are to see it.
func (w *worker) decode(p *flow.Packet, b *capture.Batch, f *capture.Frame) bool {
	out := packet.Decode(&p.Headers, packet.LinkType(f.Link), b.Data(f), f.WireLen)
	w.count.Read++
	w.count.Octets += uint64(f.WireLen)
	w.count.Outcomes[out]++
	w.count.OutcomeOctets[out] += uint64(f.WireLen)
	if out == packet.Unsupported && w.count.Outcomes[out] == 1 {
		w.count.UnreadLink = f.Link
	}
	if out == packet.Malformed || out == packet.Unsupported {
		w.count.ignore(f.Time, f.WireLen)
		return false
	}
	if w.filter != nil && !w.filter.Match(&p.Headers) {
		w.leaveOut(out, f.WireLen)
		return false
	}
	if p.Layers&(packet.HasFragment|packet.ShortTransport) != 0 {
		if p.Layers&packet.ShortTransport != 0 {
			w.count.ShortTransport++
		}
		if p.Layers&packet.HasFragment != 0 {
			w.fragments.Resolve(p)
		}
	}
	p.Prepare(&w.seed)
	return true
}

// runTables gives the packets of the run to every rule set.
func (w *worker) runTables() {
	if w.n == 0 {
		return
	}
	ps := w.run[:w.n]
	for i, t := range w.tables {
		if w.share != nil && w.share.aggregating[i] {
			w.seen[i] = t.Select(ps, w.seen[i])
			continue
		}
		t.Advance(ps[0].Clock) // and no further: the flows of these packets are not to end before them
		t.Update(ps)
	}
	for i := range ps {
		if !ps[i].Counted {
			w.count.ignore(ps[i].Time, ps[i].WireLen)
		}
	}
	w.n = 0
}

// leaveOut moves a frame from its outcome to those filtered.
func (w *worker) leaveOut(out packet.Outcome, octets uint32) {
	w.count.Outcomes[out]--
	w.count.OutcomeOctets[out] -= uint64(octets)
	w.count.Filtered++
	w.count.FilteredOctets += uint64(octets)
}

// settle ends a piece of work: sightings are exchanged, timeouts decided and
// the records that can go are released.
func (w *worker) settle() {
	w.exchange()
	watermark := int64(0)
	for _, t := range w.tables {
		watermark = t.Advance(w.clock)
	}
	w.release(watermark)
}

// exchange passes the sightings of aggregating rule sets to their owners, and
// applies those that this worker owns in the order of the packets.
func (w *worker) exchange() {
	if w.share == nil {
		return
	}
	for i, t := range w.tables {
		if !w.share.aggregating[i] {
			continue
		}
		w.seen[i] = w.share.pass(w.id, i, w.seen[i])
		if w.share.owner(i) == w.id {
			t.Apply(w.seen[i])
			w.seen[i] = w.seen[i][:0]
		}
	}
}

// flush ends all flows at the clock as it stands, and sets it.
func (w *worker) flush(clock int64) {
	for _, t := range w.tables {
		t.Flush(w.clock, flow.EndForced)
	}
	w.release(flow.Everything)
	for _, t := range w.tables {
		t.Restart(clock)
	}
	w.clock = clock
}

// release passes on the records that ended before the watermark, in order.
func (w *worker) release(watermark int64) {
	left := 0
	for _, t := range w.tables {
		left += t.Ready(watermark)
	}
	for ; left > 0; left-- {
		w.earliest().Next(w.records.next())
	}
	w.records.mark(watermark)
}

// earliest returns the table whose next record ended first; of several, that
// of the first rule set.
func (w *worker) earliest() (first *flow.Table) {
	var least int64
	for _, t := range w.tables {
		if end, ok := t.Peek(); ok && (first == nil || end < least) {
			first, least = t, end
		}
	}
	return first
}
