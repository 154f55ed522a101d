package spool

import (
	"errors"
	"os"
	"slices"
	"time"

	"flowmeter/exporters"
)

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
			first.Number, first.Buf = 0, slices.Clone(first.Buf) // a session may be sending it
			copy(first.Buf[4:8], m.Buf[4:8])                     // not younger than what follows
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

// drop deletes the oldest segment; what of it was to be sent is lost, also if it
// was sent before and may not have arrived.
func (d *Disk) drop(why exporters.Reason) {
	g := d.segments[0]
	if t := g.unsent(); t.Records > 0 {
		d.stats.TakeBack(d.inDoubt(g))
		d.gap("its oldest file was deleted", g, why, t)
	}
	d.remove(g)
	d.pos.safe = max(d.pos.safe, g.last+1)
	d.pos.sent = max(d.pos.sent, d.pos.safe)
	d.next = max(d.next, g.last+1)
}

// inDoubt sums what of a segment is to be sent again and was counted as exported
// by this run.
func (d *Disk) inDoubt(g *segment) (t exporters.Tally) {
	from, to := max(d.next, d.firstSent, g.first), min(d.everSent, g.last+1)
	if from >= to {
		return t
	}
	t, err := g.between(from, to)
	if err != nil {
		d.failed(err)
	}
	return t
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
