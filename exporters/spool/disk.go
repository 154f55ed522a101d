package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"flowmeter/exporters"
)

// Disk is a spool's files. It is for one goroutine at a time.
type Disk struct {
	cfg        Config
	log        *slog.Logger
	stats      *exporters.Stats
	generation uint64
	running    running
	pos        position  // as it is to be
	written    position  // as the file has it
	intro      []Message // what a file of this run begins with

	segments []*segment // oldest first
	octets   int64      // of all

	out      *os.File // last segment, if it is being written
	began    time.Time
	sequence uint32 // data records in it
	buf      []byte

	at   *segment // that is being read; nil: begin with the oldest
	file *os.File
	in   *reader
	next uint64 // number of the next message to read
}

// Found is what an earlier run left.
type Found struct {
	Messages uint64
	Flows    uint64 // flow records
	Octets   int64
	Torn     int64 // octets of messages that were not whole, cut off
	Killed   int64 // flow records that a killed run held in memory, as it last said; -1: it ended in order
}

// OpenDisk takes the directory of cfg and reads what an earlier run left in it.
// What is lost is counted in stats.
func OpenDisk(cfg Config, generation uint64, stats *exporters.Stats, log *slog.Logger) (d *Disk, f Found, err error) {
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, f, err
	}
	d = &Disk{cfg: cfg, log: log, stats: stats, generation: generation}
	if d.running, f.Killed, err = hold(cfg.Dir); err != nil {
		return nil, f, err
	}
	if err := d.recover(&f); err != nil {
		d.running.file.Close()
		return nil, f, err
	}
	return d, f, d.running.note(0)
}

// recover reads the segments and cuts off what was not written whole.
func (d *Disk) recover(f *Found) error {
	var err error
	if d.pos, err = readPosition(d.path("position")); err != nil {
		return err
	}
	d.written = d.pos
	all, err := listSegments(d.cfg.Dir)
	if err != nil {
		return err
	}
	for i, g := range all {
		fnd, err := g.load()
		if err != nil {
			return err
		}
		if fnd.torn > 0 {
			f.Torn += fnd.torn
			err = os.Truncate(g.path, g.size)
		}
		if g.last < g.first || g.last < d.pos.safe {
			err = errors.Join(err, os.Remove(g.path)) // empty, or done with
			continue
		}
		if err != nil {
			return err
		}
		d.damaged(g, fnd.lost)
		d.pos.total = max(d.pos.total, fnd.total)
		d.segments = append(d.segments, all[i])
		d.octets += g.size
	}
	d.pos.safe = max(d.pos.safe, 1)
	if len(d.segments) > 0 {
		d.pos.safe = max(d.pos.safe, d.segments[0].first)
	}
	d.pos.sent = max(d.pos.sent, d.pos.safe)
	if err := d.Rewind(d.pos.safe); err != nil {
		return err
	}
	for _, g := range d.segments {
		f.Flows += g.unsent().Records
	}
	f.Messages, f.Octets = d.End()-d.pos.safe, d.octets
	d.account()
	return nil
}

func (d *Disk) path(name string) string { return filepath.Join(d.cfg.Dir, name) }

func (d *Disk) damaged(g *segment, flows uint64) {
	if flows == 0 {
		return
	}
	d.gap("damaged messages", g, exporters.SpoolDamaged, exporters.Tally{Records: flows, First: g.flows.First, Last: g.flows.Last})
}

// gap counts and tells of flow records that are in the spool no more.
func (d *Disk) gap(what string, g *segment, why exporters.Reason, t exporters.Tally) {
	d.stats.Drop(why, t)
	d.stats.SpoolGaps.Add(1)
	d.log.Warn("gap in the spool: "+what, "file", g.path, "records", t.Records, "reason", why.String())
}

// account brings the gauges up to date.
func (d *Disk) account() {
	var unsent uint64
	for _, g := range d.segments {
		unsent += g.unsent().Records
	}
	d.stats.SpoolOctets.Store(d.octets)
	d.stats.SpoolRecords.Store(int64(unsent))
}

// Start is the number of the first message that is there, End that after the
// last.
func (d *Disk) Start() uint64 {
	if len(d.segments) == 0 {
		return d.End()
	}
	return d.segments[0].first
}

// End returns the number after that of the last message.
func (d *Disk) End() uint64 {
	if n := len(d.segments); n > 0 {
		return d.segments[n-1].last + 1
	}
	return d.pos.sent
}

// Unread tells whether there are messages that Next has not returned.
func (d *Disk) Unread() bool { return len(d.segments) > 0 && d.next < d.End() }

// Append writes a message whose number is higher than all before. After an
// error the file is as it was.
func (d *Disk) Append(m *Message) error {
	g, err := d.target(m)
	if err != nil {
		return err
	}
	if err := d.put(g, m); err != nil {
		return err
	}
	g.last = m.Number
	g.flows = sum(g.flows, m.Flows)
	d.limit()
	d.account()
	return nil
}

// put writes one message behind the others.
func (d *Disk) put(g *segment, m *Message) error {
	total := d.pos.total + m.Flows.Records
	d.buf = seal(d.buf[:0], m, total, d.sequence)
	if _, err := d.out.WriteAt(d.buf, g.size); err != nil {
		if terr := d.out.Truncate(g.size); terr != nil {
			d.finish() // what stands behind is cut off when it is read
		}
		return err
	}
	d.pos.total = total
	d.sequence += uint32(m.Records) + 1
	g.size += int64(len(d.buf))
	g.written = time.Now()
	d.octets += int64(len(d.buf))
	return nil
}

// target returns the segment that m goes to: a new one when the last is full,
// old, or of another run.
func (d *Disk) target(m *Message) (*segment, error) {
	if d.out != nil {
		g := d.segments[len(d.segments)-1]
		if g.size < d.cfg.segmentSize() && time.Since(d.began) < d.cfg.Age/8 {
			return g, nil
		}
		d.finish()
	}
	return d.begin(m)
}

// begin makes a new segment, which begins with what a session must know.
func (d *Disk) begin(m *Message) (*segment, error) {
	g := &segment{path: d.path(segmentName(m.Number, d.generation)), generation: d.generation, first: m.Number, last: m.Number - 1}
	out, err := os.OpenFile(g.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	d.out, d.began, d.sequence = out, time.Now(), 0
	head := append(append([]byte{}, m.Buf[:headerSize]...), appendTemplate(nil, d.cfg.Enterprise)...)
	for i := -1; i < len(d.intro) && err == nil; i++ {
		first := Message{Buf: head}
		if i >= 0 {
			first = d.intro[i]
			first.Number = 0
			copy(first.Buf[4:8], m.Buf[4:8]) // not younger than what follows
		}
		err = d.put(g, &first)
	}
	if err != nil {
		d.octets -= g.size
		if d.out != nil {
			d.out.Close()
			d.out = nil
		}
		return nil, errors.Join(err, os.Remove(g.path))
	}
	d.segments = append(d.segments, g)
	return g, nil
}

// finish ends the segment that is being written. Bringing it to the disk may
// take long, so nobody waits for it.
func (d *Disk) finish() {
	if out := d.out; out != nil {
		d.out = nil
		go func() {
			_ = out.Sync() // the checksums tell what did not arrive
			out.Close()
		}()
	}
}

// limit deletes the oldest segments while there is too much.
func (d *Disk) limit() {
	for d.octets > d.cfg.Size && len(d.segments) > 1 {
		d.drop(exporters.SpoolFull)
	}
}

// expire deletes what is too old.
func (d *Disk) expire(now time.Time) {
	for len(d.segments) > 0 && now.Sub(d.segments[0].written) > d.cfg.Age {
		d.drop(exporters.SpoolAge)
	}
}

// drop deletes the oldest segment; what of it was never sent is lost.
func (d *Disk) drop(why exporters.Reason) {
	g := d.segments[0]
	if t := g.unsent(); t.Records > 0 {
		d.gap("its oldest file was deleted", g, why, t)
	}
	d.remove(g)
	d.pos.safe = max(d.pos.safe, g.last+1)
	d.pos.sent = max(d.pos.sent, d.pos.safe)
	d.next = max(d.next, g.last+1)
}

// remove deletes the file of the oldest segment.
func (d *Disk) remove(g *segment) {
	if len(d.segments) == 1 && d.out != nil {
		d.out.Close()
		d.out = nil
	}
	if d.at == g {
		d.closeReader()
	}
	d.pos.sent = max(d.pos.sent, g.last+1) // the numbers of what follows go on from here
	d.segments = d.segments[1:]
	d.octets -= g.size
	if err := os.Remove(g.path); err != nil {
		d.log.Error("spool: a file cannot be deleted", "error", err)
	}
}

func (d *Disk) closeReader() {
	if d.file != nil {
		d.file.Close()
	}
	d.at, d.file, d.in = nil, nil, nil
}

// Next returns the next message to send, in the order of numbers; its octets
// are valid until the next call. ok is false when all were returned. What
// cannot be read is counted as damaged.
func (d *Disk) Next() (m Message, ok bool) {
	for d.Unread() {
		if d.at == nil && !d.enter(d.segmentOf(d.next)) {
			continue
		}
		m, _, err := d.in.next()
		if err != nil {
			d.failed(err)
			d.pass(d.at)
			continue
		}
		if m.Number < d.next {
			continue // of the head, or sent before
		}
		m.open()
		m.Generation = d.at.generation
		d.next = m.Number + 1
		d.at.sent = sum(d.at.sent, m.Flows)
		d.account()
		return m, true
	}
	return m, false
}

// failed tells of an error of reading.
func (d *Disk) failed(err error) {
	if !errors.Is(err, io.EOF) {
		d.log.Error("spool: a file cannot be read", "error", err)
	}
}

// pass goes on to the segment after the one that has been read to its end.
func (d *Disk) pass(g *segment) {
	d.closeReader()
	d.settle(g)
	d.next = max(d.next, g.last+1)
	d.account()
}

// settle counts what was not found in a segment that has been read: it was
// damaged while it lay there.
func (d *Disk) settle(g *segment) {
	if t := g.unsent(); t.Records > 0 {
		d.damaged(g, t.Records)
		g.sent = g.flows
	}
}

// segmentOf returns the segment of a message, or the first after it.
func (d *Disk) segmentOf(n uint64) *segment {
	for _, g := range d.segments {
		if n <= g.last {
			return g
		}
	}
	return nil
}

// enter opens a segment to be read from its beginning, or else passes it.
func (d *Disk) enter(g *segment) bool {
	d.closeReader()
	file, err := os.Open(g.path)
	if err != nil {
		d.failed(err)
		d.pass(g)
		return false
	}
	d.at, d.file, d.in = g, file, newReader(file)
	return true
}

// Preamble returns what a session of another run's templates must begin with,
// before the message that Next returns: all messages with templates that stand
// before it in its file. The first of a file defines the trailer alone, and is
// left out.
func (d *Disk) Preamble() (msgs []Message, err error) {
	g := d.segmentOf(d.next)
	if g == nil {
		return nil, nil
	}
	file, err := os.Open(g.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := newReader(file)
	for i := 0; ; i++ {
		m, _, err := r.next()
		if errors.Is(err, io.EOF) || err == nil && m.Number >= d.next {
			return msgs, nil
		}
		if err != nil {
			return nil, err
		}
		if m.Intro && i > 0 {
			m.open()
			m.Buf = append([]byte{}, m.Buf...)
			msgs = append(msgs, m)
		}
	}
}

// Rewind makes Next begin with message n, or the first one after it.
func (d *Disk) Rewind(n uint64) error {
	d.closeReader()
	d.next = n
	for _, g := range d.segments {
		g.sent = exporters.Tally{}
		if n > g.last {
			g.sent = g.flows
		} else if n > g.first {
			if err := g.resum(n); err != nil {
				return err
			}
		}
	}
	d.account()
	return nil
}

// resum counts what of a segment stands before message n.
func (g *segment) resum(n uint64) error {
	file, err := os.Open(g.path)
	if err != nil {
		return err
	}
	defer file.Close()
	for r := newReader(file); ; {
		m, _, err := r.next()
		if errors.Is(err, io.EOF) || err == nil && m.Number >= n {
			return nil
		}
		if err != nil {
			return err
		}
		g.sent = sum(g.sent, m.Flows)
	}
}

// Sent notes that the messages before number n may have been sent.
func (d *Disk) Sent(n uint64) error {
	d.pos.sent = max(d.pos.sent, n)
	return d.save()
}

// Forget deletes what holds only messages before number n.
func (d *Disk) Forget(n uint64) {
	d.pos.safe = max(d.pos.safe, n)
	d.pos.sent = max(d.pos.sent, d.pos.safe)
	for len(d.segments) > 0 && d.segments[0].last < min(n, d.next) {
		d.settle(d.segments[0])
		d.remove(d.segments[0])
	}
	d.account()
}

// save writes the position, if it has changed.
func (d *Disk) save() error {
	if d.pos == d.written {
		return nil
	}
	if err := d.pos.write(d.path("position")); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	d.written = d.pos
	return nil
}

// Tick is for about every second: it deletes what is too old, and notes how
// far the collector got and how many records wait in memory.
func (d *Disk) Tick(now time.Time, waiting int64) error {
	d.expire(now)
	d.account()
	return errors.Join(d.save(), d.running.note(waiting))
}

// Close ends the use of the spool. What is in it stays for the next run, which
// is told that the messages before number sent were sent.
func (d *Disk) Close(sent uint64) error {
	d.closeReader()
	d.pos.sent = max(sent, d.pos.safe)
	err := d.save()
	if d.out != nil {
		err = errors.Join(err, d.out.Sync(), d.out.Close())
		d.out = nil
	}
	return errors.Join(err, d.running.release())
}

// abandon lets go of the files without a word, as a crash does. It is for
// tests.
func (d *Disk) abandon() {
	d.closeReader()
	if d.out != nil {
		d.out.Close()
	}
	d.running.file.Close()
}
