package netflow5

import (
	"context"
	"encoding/binary"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// Exporter is an exporters.Sink that speaks NetFlow v5.
type Exporter struct {
	cfg   Config
	stats exporters.Stats
	udp   *exporters.UDP
	pacer *exporters.Pacer
	ctx   context.Context

	buf      []byte // the packet that is being filled, with room for its header
	records  int    // in it
	flows    exporters.Tally
	boot     exporters.Boot
	clock    int64       // export time, ns since 1970; goes back only with a new boot
	sequence uint32      // records sent before this packet
	interval uint32      // of the sampling of the records in buf; 0 or 1 for none
	backward flow.Record // room for the reverse direction
	err      error       // first one of the call
}

// New returns an exporter. It does nothing until it is used.
func New(cfg Config) (*Exporter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Exporter{
		cfg:   cfg,
		udp:   exporters.NewUDP(cfg.Datagrams(cfg.GiveUp), nil),
		pacer: exporters.NewPacer(cfg.RateOf()),
		ctx:   context.Background(),
		buf:   make([]byte, headerSize, largest),
	}, nil
}

// Stats returns the exporter's account. What the format cannot hold, IPv6 and
// what is not IP, is dropped with that reason.
func (e *Exporter) Stats() *exporters.Stats { return &e.stats }

// Start sets the context that ends all waiting for a collector.
func (e *Exporter) Start(ctx context.Context) {
	e.ctx = ctx
	e.udp.Start(ctx)
	if e.cfg.Live {
		e.udp.Open(&e.stats)
	}
}

// Export adds the records of a batch to the packet that is being filled, and
// sends each that is full. It returns the first error.
func (e *Exporter) Export(b *flow.Batch) error {
	for i := range b.Records {
		r := &b.Records[i]
		if why, skip := unfit(r); skip {
			var t exporters.Tally
			t.Add(r)
			e.stats.Drop(why, t)
			continue
		}
		if r.Has&flow.HasForward != 0 {
			e.add(r)
		}
		if r.Has&flow.HasReverse != 0 {
			wire.Backward(&e.backward, r)
			e.add(&e.backward)
		}
	}
	return e.done()
}

const (
	anyV6 = flow.HasSrcV6 | flow.HasDstV6 | flow.HasSrcV6Prefix | flow.HasDstV6Prefix
	anyV4 = flow.HasSrcV4 | flow.HasDstV4 | flow.HasSrcV4Prefix | flow.HasDstV4Prefix
)

// unfit tells whether, and why, version 5 cannot hold a record.
func unfit(r *flow.Record) (why exporters.Reason, skip bool) {
	switch {
	case r.Has&anyV6 != 0, r.Has&flow.HasVersion != 0 && r.Key.Version == 6:
		return exporters.IPv6, true
	case r.Has&(anyV4|flow.HasIP|flow.HasVersion) == 0:
		return exporters.NotIP, true
	}
	return 0, false
}

// done returns the first error of a call and forgets it.
func (e *Exporter) done() error {
	err := e.err
	e.err = nil
	return err
}

// add puts the forward direction of r into the packet, as several records
// where its counts do not fit into 32 bits.
func (e *Exporter) add(r *flow.Record) {
	c := &r.Count[flow.Forward]
	e.sampled(r.RuleSet.Selector)
	if !e.boot.Covers(c.First, c.Last) {
		e.flush()
		e.boot.Restart(c.First)
		e.clock = 0 // who boots in the past has a clock of then
	}
	n := parts(c.Packets, c.Octets)
	for i := range n {
		if e.records == e.cfg.perPacket() {
			e.flush()
		}
		at := len(e.buf)
		e.buf = e.buf[:at+recordSize]
		putRecord(e.buf[at:], r, e.boot.At)
		packets, octets := share(c.Packets, i, n), share(c.Octets, i, n)
		putCounts(e.buf[at:], packets, octets)
		e.records++
		e.clock = max(e.clock, r.End)
		e.count(r, packets, octets)
	}
}

// count adds one record to the tally of the packet.
func (e *Exporter) count(r *flow.Record, packets, octets uint32) {
	t := &e.flows
	if t.Records == 0 {
		t.First = r.End
	}
	t.Last = r.End
	t.Records++
	t.Packets += uint64(packets)
	t.Octets += uint64(octets)
}

// flush sends the packet if there is anything in it.
func (e *Exporter) flush() {
	if e.records == 0 {
		return
	}
	e.header(e.buf)
	e.pacer.Take(e.ctx, e.records)
	if err := e.udp.Send(e.buf); err != nil {
		e.stats.Drop(exporters.ReasonOf(err), e.flows)
		if e.err == nil {
			e.err = err
		}
	} else {
		e.stats.Sent(e.flows.Records, len(e.buf))
		e.stats.Up.Store(e.udp.Reached())
	}
	e.sequence += uint32(e.records)
	e.buf = e.buf[:headerSize]
	e.records, e.flows = 0, exporters.Tally{}
}

func (e *Exporter) header(b []byte) {
	if e.cfg.Live {
		e.clock = max(e.clock, time.Now().UnixNano())
	}
	seconds, uptime := e.boot.Header(e.clock)
	binary.BigEndian.PutUint16(b, 5)
	binary.BigEndian.PutUint16(b[2:], uint16(e.records))
	binary.BigEndian.PutUint32(b[4:], uptime)
	binary.BigEndian.PutUint32(b[8:], seconds)
	binary.BigEndian.PutUint32(b[12:], 0)
	binary.BigEndian.PutUint32(b[16:], e.sequence)
	b[20], b[21] = e.cfg.EngineType, e.cfg.EngineID
	binary.BigEndian.PutUint16(b[22:], sampling(e.interval))
}

// Tick sends what waits, live.
func (e *Exporter) Tick(time.Time) error {
	if e.cfg.Live {
		e.udp.Open(&e.stats)
		e.flush()
	}
	return e.done()
}

// Close sends what waits and closes the socket.
func (e *Exporter) Close() error {
	e.flush()
	if err := e.udp.Close(); e.err == nil {
		e.err = err
	}
	return e.done()
}
