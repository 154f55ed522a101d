package netflow9

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// FlowSet identifiers of templates (RFC 3954 §5.2, §6.1), and our templates'
// numbers.
const (
	templateSet = 0
	optionsSet  = 1
	interfaceID = wire.FirstTemplate + iota - 2
	selectorID
	samplerID
	firstData = wire.FirstTemplate + 16
)

const headerSize = 20

// Exporter is an exporters.Sink that speaks NetFlow v9.
type Exporter struct {
	cfg    Config
	stats  exporters.Stats
	shapes *wire.Shapes
	udp    *exporters.UDP
	pacer  *exporters.Pacer
	ctx    context.Context

	msg        *wire.Message
	count      uint16 // records in msg, templates included
	flows      exporters.Tally
	boot       exporters.Boot
	clock      int64 // export time, ns since 1970; goes back only with a new boot
	sequence   uint32
	renew      bool // templates are due
	packets    int  // since they were sent
	leaving    bool // msg is on its way
	renewed    time.Time
	interfaces []flow.Interface
	selectors  exporters.Selectors
	backward   flow.Record // room for the reverse direction of a split record
	scratch    []byte
	aside      *wire.Message // for templates that go out while msg is on its way
	err        error         // first one of the call
}

// New returns an exporter. It does nothing until it is used.
func New(cfg Config) (*Exporter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Exporter{
		cfg:    cfg,
		shapes: newShapes(&cfg),
		pacer:  exporters.NewPacer(cfg.RateOf()),
		ctx:    context.Background(),
		msg:    wire.NewMessage(headerSize, cfg.MaxMessage, 0),
		aside:  wire.NewMessage(headerSize, cfg.MaxMessage, 0),
		renew:  true,
	}
	e.udp = exporters.NewUDP(cfg.Datagrams(cfg.GiveUp), e.repeat)
	return e, nil
}

// Stats returns the exporter's account.
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
		if e.cfg.Biflow == exporters.Pair {
			e.add(r, r.Has)
			continue
		}
		e.split(r)
	}
	if b.Stats != nil {
		e.names(b.Stats.Interfaces)
	}
	return e.done()
}

// done returns the first error of a call and forgets it.
func (e *Exporter) done() error {
	err := e.err
	e.err = nil
	return err
}

// split adds a record for each direction of r that has packets.
func (e *Exporter) split(r *flow.Record) {
	if r.Has&flow.HasForward != 0 {
		e.add(r, r.Has)
	}
	if r.Has&flow.HasReverse != 0 {
		wire.Backward(&e.backward, r)
		e.add(&e.backward, e.backward.Has)
	}
}

// add puts one data record into the packet.
func (e *Exporter) add(r *flow.Record, has flow.Has) {
	t := e.shapes.Of(has)
	n := t.Size(r)
	if !e.msg.Holds(max(n, t.Spec)) {
		e.drop(r, exporters.TooLarge)
		return
	}
	if n == 0 {
		e.drop(r, exporters.NotIP) // nothing of it has a type in v9
		return
	}
	if !e.boot.Covers(r.FlowStart(), r.FlowEnd()) {
		e.flush()
		e.boot.Restart(r.FlowStart())
		e.clock = 0 // who boots in the past has a clock of then
	}
	if !e.msg.Fits(t.ID, n) {
		e.flush()
	}
	e.templates(t)
	e.selector(r.RuleSet.Selector)
	dst := e.reserve(t.ID, n, t.Least)
	t.Put(dst, r, e.boot.At)
	e.clock = max(e.clock, r.End)
	e.tally(&e.flows, r)
}

func (e *Exporter) tally(t *exporters.Tally, r *flow.Record) {
	if e.cfg.Biflow == exporters.Pair {
		t.Add(r)
	} else {
		t.AddForward(r)
	}
}

func (e *Exporter) drop(r *flow.Record, why exporters.Reason) {
	var t exporters.Tally
	e.tally(&t, r)
	e.stats.Drop(why, t)
}

// templates sends all templates when that is due, and else that of the next
// record if it was never sent.
func (e *Exporter) templates(next *wire.Template) {
	if e.renew {
		e.flush()
		e.introduce()
	}
	if !next.Sent {
		e.define(next)
	}
}

// introduce sends all templates, and the names of interfaces.
func (e *Exporter) introduce() {
	e.renew, e.packets, e.renewed = false, 0, time.Now()
	copy(e.reserve(optionsSet, len(interfaceTemplate), 4), interfaceTemplate)
	for _, t := range e.shapes.All() {
		e.define(t)
	}
	for _, i := range e.interfaces {
		e.name(i)
	}
	e.knownSelectors()
}

// repeat sends all templates before the packet that is about to leave, which
// gets the number after theirs.
func (e *Exporter) repeat() {
	msg, count, flows, leaving := e.msg, e.count, e.flows, e.leaving
	e.aside.Reset()
	e.msg, e.count, e.flows = e.aside, 0, exporters.Tally{}
	if leaving {
		e.sequence--
	}
	e.introduce()
	e.flush()
	e.msg, e.count, e.flows = msg, count, flows
	if leaving {
		putSequence(msg.Buf, e.sequence)
		e.sequence++
	}
}

func (e *Exporter) define(t *wire.Template) {
	e.scratch = t.AppendRecord(e.scratch[:0])
	copy(e.reserve(templateSet, len(e.scratch), 4), e.scratch)
	t.Sent = true
}

// reserve returns the octets of one more record in a FlowSet, after sending
// what was collected if they would not fit.
func (e *Exporter) reserve(id uint16, n, least int) []byte {
	if !e.msg.Fits(id, n) {
		e.flush()
	}
	e.count++
	return e.msg.Grow(id, n, least)
}

// interfaceTemplate tells the names of interfaces: options template 256, with
// one scope of four octets, Interface (2), and IF_NAME (82).
var interfaceTemplate = []byte{1, 0, 0, 4, 0, 4, 0, 2, 0, 4, 0, 82, 0, nameSize}

// nameSize is the octets of an interface name; v9 knows no variable length.
const nameSize = 16

func (e *Exporter) names(interfaces []flow.Interface) {
	for _, i := range interfaces {
		if slices.Contains(e.interfaces, i) {
			continue
		}
		e.interfaces = append(e.interfaces, i)
		if !e.renew {
			e.name(i)
		}
	}
}

func (e *Exporter) name(i flow.Interface) {
	rec := e.reserve(interfaceID, 4+nameSize, 4+nameSize)
	clear(rec)
	binary.BigEndian.PutUint32(rec, i.Index)
	copy(rec[4:], i.Name)
}

// flush sends the packet if there is anything in it.
func (e *Exporter) flush() {
	if e.msg.Empty() {
		return
	}
	e.msg.EndSet()
	e.header(e.msg.Buf)
	e.send()
	e.msg.Reset()
	e.count, e.flows = 0, exporters.Tally{}
}

// header writes the packet header (RFC 3954 §5.1). The sequence counts
// packets.
func (e *Exporter) header(b []byte) {
	if e.cfg.Live {
		e.clock = max(e.clock, time.Now().UnixNano())
	}
	seconds, uptime := e.boot.Header(e.clock)
	binary.BigEndian.PutUint16(b, 9)
	binary.BigEndian.PutUint16(b[2:], e.count)
	binary.BigEndian.PutUint32(b[4:], uptime)
	binary.BigEndian.PutUint32(b[8:], seconds)
	putSequence(b, e.sequence)
	binary.BigEndian.PutUint32(b[16:], e.cfg.Domain)
	e.sequence++
}

func putSequence(b []byte, n uint32) { binary.BigEndian.PutUint32(b[12:], n) }

func (e *Exporter) send() {
	e.pacer.Take(e.ctx, int(e.count))
	e.leaving = true
	err := e.udp.Send(e.msg.Buf)
	e.leaving = false
	e.packets++
	every := e.cfg.Refresh.Messages
	if err != nil || every > 0 && e.packets >= every {
		e.renew = true
	}
	if err != nil {
		e.stats.Drop(exporters.ReasonOf(err), e.flows)
		if e.err == nil {
			e.err = err
		}
		return
	}
	e.stats.Sent(e.flows.Records, len(e.msg.Buf))
	e.stats.Up.Store(e.udp.Reached())
}

// Tick sends what waits, live, and repeats templates when their time is come.
func (e *Exporter) Tick(now time.Time) error {
	every := e.cfg.Refresh.Time
	if every > 0 && now.Sub(e.renewed) >= every {
		e.renew = true
	}
	if !e.cfg.Live {
		return nil
	}
	e.udp.Open(&e.stats)
	e.flush()
	if e.sequence > 0 {
		e.udp.Check()
	}
	if e.renew && e.sequence > 0 {
		e.introduce()
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
