package ipfix

import (
	"encoding/binary"
	"slices"

	"flowmeter/meter/flow"
)

// exportingProcess is our exportingProcessId: a collector talks to one.
const exportingProcess = 1

// statistics tells what the meter and this exporter have done so far
// (RFC 7011 §4.1 to §4.3), and the names of interfaces not named yet.
func (e *Exporter) statistics(s *flow.Statistics) {
	e.prepare(s.Clock)
	p := e.meter
	for _, i := range s.Interfaces {
		if !slices.Contains(e.opts.interfaces, i) {
			e.opts.interfaces = append(e.opts.interfaces, i)
			e.opts.interfaceName(p, i)
		}
	}
	if e.apart {
		e.told() // the names are told in every session, the statistics are not
	}
	e.exported(p)
	if s.IgnoredPackets > 0 {
		e.ignored(p, s)
	}
	e.notSent(p)
	e.told()
	e.clock = max(e.clock, s.Clock)
}

// exported is the Metering Process Statistics record: what this collector was
// sent, without the message that tells it.
func (e *Exporter) exported(p *packer) {
	rec := binary.BigEndian.AppendUint32(e.scratch[:0], e.cfg.Domain)
	for _, n := range []uint64{e.stats.Messages.Load(), e.stats.Records.Load(), e.stats.Octets.Load()} {
		rec = binary.BigEndian.AppendUint64(rec, n)
	}
	e.scratch = rec
	p.option(&meteringLayout, rec)
}

// ignored is the Metering Process Reliability record: packets read that are
// in no flow.
func (e *Exporter) ignored(p *packer, s *flow.Statistics) {
	rec := binary.BigEndian.AppendUint32(e.scratch[:0], e.cfg.Domain)
	for _, n := range []uint64{s.IgnoredPackets, s.IgnoredOctets, uint64(s.FirstIgnored / 1e6), uint64(s.LastIgnored / 1e6)} {
		rec = binary.BigEndian.AppendUint64(rec, n)
	}
	e.scratch = rec
	p.option(&ignoredLayout, rec)
}

// notSent is the Exporting Process Reliability record. It is left out while
// nothing was lost: its times would mean nothing.
func (e *Exporter) notSent(p *packer) {
	lost := e.stats.Lost()
	if lost.Records == 0 {
		return
	}
	rec := binary.BigEndian.AppendUint32(e.scratch[:0], exportingProcess)
	for _, n := range []uint64{lost.Records, lost.Packets, lost.Octets, uint64(lost.First / 1e6), uint64(lost.Last / 1e6)} {
		rec = binary.BigEndian.AppendUint64(rec, n)
	}
	e.scratch = rec
	p.option(&notSentLayout, rec)
}
