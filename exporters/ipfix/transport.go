package ipfix

import (
	"context"
	"errors"
	"time"

	"flowmeter/exporters"
)

// transport brings finished messages to their place.
type transport interface {
	start(ctx context.Context)
	open() error              // creates a file
	begin() error             // begins the session: the exporter introduces itself
	send(p *packer) error     // p is sealed and stamped; what was sent is counted
	stale(now time.Time) bool // the collector may have lost our templates
	flush() error
	close() error
}

func newTransport(e *Exporter) transport {
	cfg := &e.cfg
	switch cfg.Transport {
	case TCP, TLS:
		return newConnected(e)
	case File:
		return &streamOut{e: e, Stream: exporters.NewFile(cfg.Path)}
	case Writer:
		return &streamOut{e: e, Stream: exporters.NewStream(cfg.Writer)}
	}
	return newUDPOut(e)
}

// newConnected returns a transport over TCP or TLS: live, one that never holds
// up the meter.
func newConnected(e *Exporter) transport {
	line := e.cfg.Line(e.cfg.GiveUp)
	if e.cfg.Transport == TLS {
		line.TLS = &e.cfg.TLS
	}
	if e.cfg.Live {
		return newLiveOut(e, line)
	}
	return &tcpOut{e: e, tcp: exporters.NewTCP(line), history: exporters.NewHistory(e.cfg.Overlap)}
}

// streamOut writes an IPFIX file.
type streamOut struct {
	e *Exporter
	*exporters.Stream
}

// start opens the file, if that was not done. If it cannot be, the first record
// says so.
func (o *streamOut) start(context.Context) { o.e.stats.Up.Store(o.Open() == nil) }
func (o *streamOut) open() error           { return o.Open() }

func (o *streamOut) begin() error {
	o.e.introduce()
	return nil
}

func (o *streamOut) send(p *packer) error {
	err := o.Send(p.Buf)
	if err == nil {
		o.e.stats.Sent(p.flows.Records, len(p.Buf))
	}
	return err
}

func (o *streamOut) stale(time.Time) bool { return false }
func (o *streamOut) flush() error         { return o.Flush() }
func (o *streamOut) close() error         { return o.Close() }

// tcpOut sends over one connection after the other. Each is a session of its
// own: templates are sent again, the sequence begins at 0, and what the last
// one may have lost is repeated.
type tcpOut struct {
	e       *Exporter
	tcp     *exporters.TCP
	history *exporters.History
}

func (o *tcpOut) start(ctx context.Context) { o.tcp.Start(ctx) }
func (o *tcpOut) open() error               { return nil }

// begin makes a connection, if there is none, and begins the session on it.
func (o *tcpOut) begin() error {
	for !o.tcp.Open() {
		if err := o.tcp.Connect(); err != nil {
			return err
		}
		o.e.sequence[0] = 0
		o.e.introduce()
		o.replay()
	}
	return nil
}

// replay sends once more what the last connection may have lost.
func (o *tcpOut) replay() {
	for _, s := range o.history.All() {
		stamp(s.Msg, o.e.sequence[0])
		if o.tcp.Send(s.Msg) != nil {
			return
		}
		o.e.sequence[0] += uint32(s.Records)
		o.e.stats.Resent.Add(s.Flows.Records)
	}
}

// send does not return until the message was written to a connection, or the
// patience for this outage is used up.
func (o *tcpOut) send(p *packer) error {
	if p == o.e.announce {
		if sent := o.history.All(); len(sent) > 0 {
			copy(p.Buf[4:8], sent[0].Msg[4:8]) // templates are not younger than what is repeated
		}
		err := o.tcp.Send(p.Buf)
		if err == nil {
			o.e.stats.Sent(0, len(p.Buf))
		}
		return err
	}
	for {
		if err := o.begin(); err != nil {
			return err
		}
		stamp(p.Buf, *p.sequence)
		if o.tcp.Send(p.Buf) == nil {
			o.history.Add(p.Buf, p.records, p.flows)
			o.e.stats.Sent(p.flows.Records, len(p.Buf))
			return nil
		}
	}
}

func (o *tcpOut) stale(time.Time) bool { return false }
func (o *tcpOut) flush() error         { return nil }

const (
	finishWait  = 2 * time.Second // for the collector to close its side
	finishTries = 3
)

// close waits until the collector has read all. If it went away before, the
// end is repeated; and if it does not come back, what it may not have got is
// counted as lost.
func (o *tcpOut) close() error {
	var err error
	for range finishTries {
		if len(o.history.All()) == 0 {
			return o.tcp.Close()
		}
		if err = o.tcp.Finish(finishWait); err == nil || errors.Is(err, exporters.ErrNoAnswer) {
			return nil
		}
		if err = o.begin(); err != nil {
			break
		}
	}
	return errors.Join(err, o.loseHistory())
}

func (o *tcpOut) loseHistory() error {
	for _, s := range o.history.All() {
		o.e.stats.TakeBack(s.Flows)
		o.e.stats.Drop(exporters.Unreachable, s.Flows)
	}
	o.e.stats.Settle()
	return errors.New("the collector closed the connection before the end: what was sent last may be lost")
}
