package meter

import (
	"math"
	"slices"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// worker meters its share of the frames with tables of its own.
type worker struct {
	id      int
	lanes   []lane    // by rule set
	scans   bool      // some of them look at the octets of frames
	share   exchanger // of sightings; nil with one worker
	records *outbox
	filter  *rules.Filter
	own     *flow.OwnTraffic // nil: none of ours is left out
	sampler sampler
	seed    flow.Seed

	run       [flow.MaxRun]flow.Packet
	n         int // packets in run
	clock     int64
	fragments flow.Fragments
	tunnels   *tunnels // nil: nobody asks what packets carry

	count  Totals
	public published
}

// lane is what a worker has of one rule set.
type lane struct {
	table *flow.Table
	seen  []flow.Sighting // of the work at hand, on their way to the rule set's owner
	since since
	inner bool // its rules see the innermost packets
}

// since is what a worker had counted when a rule set began.
type since struct{ read, leftOut uint64 }

// exchanger carries the sightings of aggregating rule sets between workers.
type exchanger interface {
	// shares tells whether the sightings of a rule set are exchanged at all.
	shares(ruleset int) bool
	// owner returns the worker that keeps the flows of a rule set.
	owner(ruleset int) int
	// pass hands a worker's sightings to the owner of the rule set and returns
	// an empty lot. The owner gets those of all workers, its own included, in
	// the order of the packets.
	pass(worker, ruleset int, lot []flow.Sighting) []flow.Sighting
	// at tells how far a worker has come that has passed its sightings.
	at(worker int, clock int64)
	// upto returns how far a worker, whose clock is own, may take the flows that
	// it keeps of a rule set.
	upto(worker, ruleset int, own int64) int64
}

// setLanes gives the worker its tables.
func (w *worker) setLanes(lanes []lane) {
	w.lanes = lanes
	w.scans = slices.ContainsFunc(lanes, func(l lane) bool { return l.table.Scans() })
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
	w.public.store(w, j.kind == finish)
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
		if w.sampler.skip() {
			w.count.leaveUnsampled(f.WireLen)
			continue
		}
		if f.Flags&capture.Cut != 0 {
			w.cut(f)
			continue
		}
		p := &w.run[w.n]
		p.Time, p.Clock, p.Number = f.Time, w.clock, j.number+uint64(i)
		p.Iface = 0
		if int(f.Iface) < len(j.ifaces) {
			p.Iface = j.ifaces[f.Iface]
		}
		data := j.batch.Data(f)
		out := packet.Decode(&p.Headers, packet.LinkType(f.Link), data, f.WireLen)
		if w.tunnels != nil {
			w.tunnels.open(w.n, p, data)
		}
		if f.Flags&capture.Offloaded != 0 {
			w.offloaded(p, f, data, out)
			continue
		}
		w.packet(p, f.Link, data, out)
	}
}

// cut accounts for a frame that the kernel cut to one octet since every rule
// set ignores it, as if it had been decoded.
func (w *worker) cut(f *capture.Frame) {
	out, octets := packet.NotIP, f.WireLen
	if f.Flags&capture.CutIP != 0 {
		out, octets = packet.OK, f.WireLen-min(uint32(f.LinkLen), f.WireLen)
	}
	if f.Flags&capture.Offloaded != 0 {
		w.count.OffloadFrames++
		w.count.OffloadPackets++
	}
	w.count.read(f.Link, out, f.WireLen)
	for i := range w.lanes {
		w.lanes[i].table.Ignore(octets)
	}
	w.count.ignore(f.Time, f.WireLen)
}

// offloaded takes a frame that the network card, or the kernel for it, joins
// or cuts, as the packets that were on the wire. Where what is cut is inside a
// tunnel, these cannot be told: it counts as one.
func (w *worker) offloaded(p *flow.Packet, f *capture.Frame, data []byte, out packet.Outcome) {
	n, payload := 1, f.Segment
	cut := packet.Layer(packet.HasTCP)
	if f.Flags&capture.OffloadedUDP != 0 {
		cut = packet.HasUDP
	}
	if out == packet.OK && p.Layers&cut != 0 {
		n = p.Segments(payload)
	}
	w.count.OffloadFrames++
	w.count.OffloadPackets += uint64(n)
	if n == 1 {
		w.packet(p, f.Link, data, out)
		return
	}
	whole := *p
	for i := range n {
		p := &w.run[w.n]
		p.Clock, p.Number = whole.Clock, whole.Number
		p.Segment(&whole.Headers, payload, i)
		if w.tunnels != nil {
			w.tunnels.close(w.n)
		}
		w.packet(p, f.Link, data, out)
	}
}

// packet accounts for a decoded packet, the next of the run, and keeps it there
// if the rule sets are to see it.
func (w *worker) packet(p *flow.Packet, link uint16, data []byte, out packet.Outcome) {
	w.count.read(link, out, p.WireLen)
	if !w.wanted(p, data, out) {
		return
	}
	if w.scans {
		w.setData(w.n, data)
	}
	w.n++
	if w.n%flow.Stretch == 0 {
		w.expect(w.n - flow.Stretch)
	}
	if w.n == len(w.run) {
		w.runTables()
	}
}

// expect tells the tables of the packets of the run from a place on, before
// they are given them.
func (w *worker) expect(from int) {
	for i := range w.lanes {
		l := &w.lanes[i]
		l.table.Expect(w.packets(l)[from:])
	}
}

// wanted tells whether the rule sets are to see a packet, and prepares it for
// them.
func (w *worker) wanted(p *flow.Packet, data []byte, out packet.Outcome) bool {
	if out == packet.Malformed || out == packet.Unsupported {
		w.count.ignore(p.Time, p.WireLen)
		return false
	}
	if w.filter != nil && !w.matches(p, data) {
		w.count.leaveFiltered(out, p.WireLen)
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
	if w.tunnels != nil {
		w.tunnels.prepare(w.n, p, &w.seed)
	}
	if w.own.Has(p) {
		w.count.leaveOwn(out, p.WireLen)
		return false
	}
	return true
}

// runTables gives the packets of the run to every rule set.
func (w *worker) runTables() {
	if w.n == 0 {
		return
	}
	w.expect(w.n - w.n%flow.Stretch)
	for i := range w.lanes {
		l := &w.lanes[i]
		ps := w.packets(l)
		if w.share != nil && w.share.shares(i) {
			l.seen = l.table.Select(ps, l.seen)
			continue
		}
		l.table.Advance(ps[0].Clock) // and no further: the flows of these packets are not to end before them
		l.table.Update(ps)
	}
	for i := range w.run[:w.n] {
		if p := &w.run[i]; !w.counted(i) {
			w.count.ignore(p.Time, p.WireLen)
		}
		if w.scans {
			w.setData(i, nil) // its memory may be unmapped before the next packet comes here
		}
	}
	w.n = 0
}

// settle ends a piece of work: sightings are exchanged, timeouts decided and
// the records that can go are released.
func (w *worker) settle() {
	w.exchange()
	watermark := int64(math.MaxInt64)
	for i := range w.lanes {
		clock := w.clock
		if w.share != nil {
			clock = w.share.upto(w.id, i, clock)
		}
		watermark = min(watermark, w.lanes[i].table.Advance(clock))
	}
	w.release(watermark)
}

// exchange passes the sightings of aggregating rule sets to their owners, and
// applies those that this worker owns in the order of the packets.
func (w *worker) exchange() {
	if w.share == nil {
		return
	}
	for i := range w.lanes {
		if !w.share.shares(i) {
			continue
		}
		l := &w.lanes[i]
		l.seen = w.share.pass(w.id, i, l.seen)
		if w.share.owner(i) == w.id {
			l.table.Apply(l.seen)
			l.seen = l.seen[:0]
		}
	}
	w.share.at(w.id, w.clock)
}

// flush ends all flows at the clock as it stands, and sets it.
func (w *worker) flush(clock int64) {
	for i := range w.lanes {
		w.lanes[i].table.Flush(w.clock, flow.EndForced)
	}
	w.release(flow.Everything)
	for i := range w.lanes {
		w.lanes[i].table.Restart(clock)
	}
	w.clock = clock
}

// release passes on the records that ended before the watermark, in order.
func (w *worker) release(watermark int64) {
	left := 0
	for i := range w.lanes {
		left += w.lanes[i].table.Ready(watermark)
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
	for i := range w.lanes {
		t := w.lanes[i].table
		if end, ok := t.Peek(); ok && (first == nil || end < least) {
			first, least = t, end
		}
	}
	return first
}
