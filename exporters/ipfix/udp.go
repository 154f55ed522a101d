package ipfix

import (
	"context"
	"time"

	"flowmeter/exporters"
)

// udpOut sends datagrams, and templates again and again.
type udpOut struct {
	e     *Exporter
	udp   *exporters.UDP
	pacer *exporters.Pacer
	ctx   context.Context

	leaving        *packer // whose message is on its way
	main, announce *packer // for templates that go out before it
}

func newUDPOut(e *Exporter) *udpOut {
	o := &udpOut{e: e, pacer: exporters.NewPacer(e.cfg.RateOf()), ctx: context.Background()}
	o.udp = exporters.NewUDP(e.cfg.Datagrams(e.cfg.GiveUp), o.repeat)
	return o
}

func (o *udpOut) start(ctx context.Context) {
	o.ctx = ctx
	o.udp.Start(ctx)
	if o.e.cfg.Live {
		o.udp.Open(&o.e.stats)
	}
}

func (o *udpOut) open() error { return nil }

func (o *udpOut) begin() error {
	o.e.introduce()
	return nil
}

func (o *udpOut) send(p *packer) error {
	o.pacer.Take(o.ctx, int(p.records))
	before := o.leaving
	o.leaving = p
	err := o.udp.Send(p.Buf)
	o.leaving = before
	if p == o.e.main {
		o.e.messages++
	}
	every := o.e.cfg.Refresh.Messages
	if err != nil || every > 0 && o.e.messages >= every {
		o.e.renew = true
	}
	if err == nil {
		o.e.stats.Sent(p.flows.Records, len(p.Buf))
		o.e.stats.Up.Store(o.udp.Reached())
	}
	return err
}

// repeat tells a collector that may have lost them all templates, while another
// message waits to leave: with packers of its own, and the sequence number of
// that one as it is then.
func (o *udpOut) repeat() {
	e := o.e
	if o.main == nil {
		o.main, o.announce = e.newPacker(), e.newPacker()
		o.announce.domain, o.announce.sequence = e.announce.domain, e.announce.sequence
	}
	main, announce := e.main, e.announce
	e.main, e.announce = o.main, o.announce
	e.introduce()
	e.main.flush()
	e.main, e.announce = main, announce
	if o.leaving != nil {
		stamp(o.leaving.Buf, *o.leaving.sequence)
	}
}

func (o *udpOut) stale(now time.Time) bool {
	every := o.e.cfg.Refresh.Time
	return every > 0 && now.Sub(o.e.announced) >= every
}

// flush is called about every second.
func (o *udpOut) flush() error {
	o.udp.Open(&o.e.stats)
	if o.e.opened {
		o.udp.Check()
	}
	return nil
}

func (o *udpOut) close() error { return o.udp.Close() }
