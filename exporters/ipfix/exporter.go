package ipfix

import (
	"context"
	"crypto/md5"
	"errors"
	"math/bits"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// Exporter is an exporters.Sink that speaks IPFIX.
type Exporter struct {
	cfg    Config
	stats  exporters.Stats
	shapes *wire.Shapes
	out    transport
	opts   *options
	file   *fileSpan // nil unless a file is written
	apart  bool      // what a session begins with is in messages of its own

	main     *packer // records, and what must come just before them
	announce *packer // what a session begins with
	meter    *packer // what is told of the meter itself: one of the two

	backward  flow.Record // room for the reverse direction of a split record
	clock     int64       // export time, ns since 1970; never goes back
	sequence  [2]uint32   // of the flows' domain, and of the meter's
	opened    bool
	renew     bool      // templates are due again
	announced time.Time // wall clock
	messages  int       // since then
	scratch   []byte
	err       error // first one of the call
}

// New returns an exporter. It does nothing until it is used.
func New(cfg Config) (*Exporter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Exporter{cfg: cfg, shapes: newShapes(&cfg), opts: newOptions(&cfg)}
	e.out = newTransport(e)
	e.main, e.announce = e.newPacker(), e.newPacker()
	e.meter = e.main
	switch {
	case cfg.Transport == UDP:
		e.meter = e.announce
		e.separate()
	case cfg.stream() && cfg.Live:
		e.meter, e.apart = e.announce, true
	}
	if cfg.Transport == File || cfg.Transport == Writer {
		e.file = &fileSpan{}
	}
	return e, nil
}

func (e *Exporter) newPacker() *packer {
	spare := 0
	if e.cfg.Checksum {
		spare = checksumRoom
	}
	return &packer{Message: wire.NewMessage(headerSize, e.cfg.maxMessage(), spare),
		domain: e.cfg.Domain, sequence: &e.sequence[0], send: e.send}
}

// separate puts what is told of the meter into messages of observation domain
// 0, which stands for no domain in particular (RFC 7011 §3.1), with a sequence
// of their own. nfcapd counts flow records only, against the RFC: options
// among them look to it like losses.
func (e *Exporter) separate() {
	e.announce.domain = 0
	if e.cfg.Domain != 0 {
		e.announce.sequence = &e.sequence[1]
	}
}

// Stats returns the exporter's account.
func (e *Exporter) Stats() *exporters.Stats { return &e.stats }

// Start sets the context that ends all waiting for a collector.
func (e *Exporter) Start(ctx context.Context) { e.out.start(ctx) }

// Open creates the file, if one is written, so that a path that cannot be
// written is known before the first packet. Without it, the first record does.
func (e *Exporter) Open() error { return e.out.open() }

// Export adds the records of a batch to the message that is being filled, and
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
		e.statistics(b.Stats)
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

// add puts one data record into the message.
func (e *Exporter) add(r *flow.Record, has flow.Has) {
	t := e.shapes.Of(has)
	n := t.Size(r)
	if !e.main.Holds(max(n, t.Spec)) {
		if has&flow.HasMeasured == 0 {
			e.tooLarge(r)
			return
		}
		if has, t, n = e.trim(r, has); t == nil {
			return
		}
	}
	if !e.main.Fits(t.ID, n) {
		e.main.flush()
	}
	if has&flow.HasMeasured != 0 && e.opts.listTypes != nil {
		e.tellLists()
	}
	e.prepare(r.End)
	if !t.Sent || r.RuleSet != e.opts.lastSet {
		e.tell(r, t)
	}
	dst := e.main.reserve(t.ID, n, t.Least)
	e.clock = max(e.clock, r.End)
	t.Put(dst, r, 0)
	e.main.records++
	e.count(&e.main.flows, r)
	if e.file != nil {
		e.file.add(r, e.cfg.Biflow)
	}
}

// trim leaves distributions out of a record that no message holds, the last
// first, until one does. It returns no template if none does even then.
func (e *Exporter) trim(r *flow.Record, has flow.Has) (flow.Has, *wire.Template, int) {
	for has&flow.HasMeasured != 0 {
		has &^= 1 << (bits.Len64(uint64(has&flow.HasMeasured)) - 1)
		t := e.shapes.Of(has)
		if n := t.Size(r); e.main.Holds(max(n, t.Spec)) {
			e.stats.Trimmed.Add(1)
			return has, t, n
		}
	}
	e.tooLarge(r)
	return has, nil, 0
}

func (e *Exporter) count(t *exporters.Tally, r *flow.Record) {
	if e.cfg.Biflow == exporters.Pair {
		t.Add(r)
	} else {
		t.AddForward(r)
	}
}

func (e *Exporter) tooLarge(r *flow.Record) {
	var t exporters.Tally
	e.count(&t, r)
	e.stats.Drop(exporters.TooLarge, t)
}

// prepare begins the session before its first record, and repeats templates
// and options when they are due. Time is in ns since 1970.
func (e *Exporter) prepare(time int64) {
	switch {
	case !e.opened:
		e.clock = max(e.clock, time)
		e.opened = true
		e.note(e.out.begin())
	case e.renew:
		e.main.flush()
		e.introduce()
	}
}

// tell tells what a collector must know to read a record.
func (e *Exporter) tell(r *flow.Record, t *wire.Template) {
	p := e.main
	if e.apart {
		p = e.announce
	}
	if r.RuleSet != e.opts.lastSet {
		e.opts.ruleSet(e.meter, r.RuleSet)
		e.opts.selector(p, r.RuleSet.Selector)
	}
	if !t.Sent {
		e.define(p, t)
	}
	e.told()
}

// tellLists tells the types of lists before the template of the first record
// that has any.
func (e *Exporter) tellLists() {
	if e.opened {
		e.opts.lists(e.meter)
		e.told()
	}
	e.opts.knowLists()
}

// told sends at once what was told of the meter, where that has messages of
// its own.
func (e *Exporter) told() {
	if e.meter != e.main {
		e.meter.flush()
	}
}

// define adds a template to a message, and except over UDP its flow keys: an
// option that must be in the domain of the flows.
func (e *Exporter) define(p *packer, t *wire.Template) {
	e.scratch = t.AppendRecord(e.scratch[:0])
	p.template(templateSet, e.scratch)
	t.Sent = true
	if e.cfg.Transport != UDP {
		e.opts.flowKeys(p, t)
	}
}

// introduce sends all that a collector must know to read what follows.
func (e *Exporter) introduce() {
	e.renew, e.messages, e.announced = false, 0, time.Now()
	e.opts.templates(e.announce)
	e.opts.known(e.announce)
	p := e.announce
	if e.cfg.Transport == UDP {
		p = e.main
	}
	for _, t := range e.shapes.All() {
		e.define(p, t)
	}
	e.opts.knownSelectors(p)
	e.announce.flush()
}

// send finishes a message and gives it to the transport.
func (e *Exporter) send(p *packer) {
	e.seal(p)
	err := e.out.send(p)
	*p.sequence += uint32(p.records)
	if err != nil {
		e.stats.Drop(exporters.ReasonOf(err), p.flows)
		e.note(err)
	}
}

// seal finishes a message. A checksum is the last record: the MD5 of the
// message with zeros where the sum stands (RFC 5655 §8.1.1).
func (e *Exporter) seal(p *packer) {
	if !e.cfg.Checksum {
		p.seal(e.exportTime())
		return
	}
	rec := p.Tail(checksumID, checksumSize)
	clear(rec)
	p.records++
	p.seal(e.exportTime())
	sum := md5.Sum(p.Buf)
	copy(rec[1:], sum[:])
}

// exportTime is the wall clock live; reading traces, the decided-end time of
// the message's last record, so that the same records give the same octets.
func (e *Exporter) exportTime() uint32 {
	if e.cfg.Live {
		e.clock = max(e.clock, time.Now().UnixNano())
	}
	return uint32(e.clock / 1e9)
}

func (e *Exporter) note(err error) {
	if e.err == nil {
		e.err = err
	}
}

// Tick sends what waits, live, and repeats templates when their time is come.
func (e *Exporter) Tick(now time.Time) error {
	if e.opened && e.out.stale(now) {
		e.renew = true
	}
	if !e.cfg.Live {
		return nil
	}
	e.main.flush()
	if e.renew {
		e.introduce()
		e.main.flush()
	}
	e.note(e.out.flush())
	return e.done()
}

// Reopen ends a file that was moved away, and begins another, which explains
// itself as the first did.
func (e *Exporter) Reopen() error {
	s, isFile := e.out.(*streamOut)
	if !isFile {
		return nil
	}
	moved, err := s.Reopen(e.finish)
	if moved {
		e.opened, e.file, e.sequence = false, &fileSpan{}, [2]uint32{}
	}
	return err
}

// finish sends what waits, and what stands at the end of a file.
func (e *Exporter) finish() error {
	if e.file != nil {
		e.prepare(0)
		e.file.finish(e)
	}
	e.main.flush()
	return e.done()
}

// Close sends what waits and closes the connection or the file.
func (e *Exporter) Close() error {
	return errors.Join(e.finish(), e.out.close())
}
