package spool

import (
	"errors"
	"io"
	"os"

	"flowmeter/exporters"
)

func (d *Disk) closeReader() {
	if d.file != nil {
		d.file.Close()
	}
	d.at, d.file, d.in = nil, nil, nil
}

// Next returns the next message to send, in the order of numbers; its octets
// are valid until the next call. ok is false when all were returned, and where
// the next one is of another generation than the given one. What cannot be read
// is counted as damaged.
func (d *Disk) Next(generation uint64) (m Message, ok bool) {
	for d.Unread() {
		if g := d.segmentOf(d.next); g != nil && g.generation != generation {
			return m, false // a damaged file may have been passed over on the way
		}
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
func (d *Disk) Rewind(n uint64) (err error) {
	d.closeReader()
	d.next = n
	for _, g := range d.segments {
		g.sent = exporters.Tally{}
		if n > g.last {
			g.sent = g.flows
		} else if n > g.first {
			if g.sent, err = g.between(g.first, n); err != nil {
				return err
			}
		}
	}
	d.account()
	return nil
}

// between sums the messages of a segment from one number to before another.
func (g *segment) between(from, to uint64) (t exporters.Tally, err error) {
	file, err := os.Open(g.path)
	if err != nil {
		return t, err
	}
	defer file.Close()
	for r := newReader(file); ; {
		m, _, err := r.next()
		if errors.Is(err, io.EOF) || err == nil && m.Number >= to {
			return t, nil
		}
		if err != nil {
			return t, err
		}
		if m.Number >= from {
			t = sum(t, m.Flows)
		}
	}
}
