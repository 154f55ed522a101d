package ipfix

import (
	"encoding/binary"
	"math"

	"flowmeter/meter/flow"
)

// uniformProbabilistic is the selectorAlgorithm (IE 304) of the meter's
// sampling: each packet is chosen with the same probability, whatever became
// of the others (RFC 5475 §5.2.2.1).
const uniformProbabilistic = 4

// selectorLayout is the Selector Report Interpretation (RFC 5476 §6.5.2) of
// uniform probabilistic sampling, samplingProbability (311). What follows says
// the same again to collectors that do not know that: size and population (309,
// 310), and samplingInterval (34), which is what nfdump, pmacct and goflow2
// read. nfdump 1.7.1 reads no scope, so that selectorId stands twice, and takes
// no notice of a record that has samplingAlgorithm (35), too.
var selectorLayout = layout{selectorID, 1, []spec{{id: 302, size: 8}, {id: 302, size: 8}, {id: 304, size: 2}, {id: 311, size: 8},
	{id: 309, size: 4}, {id: 310, size: 4}, {id: 34, size: 4}}}

// selector tells how the packets of the next record were chosen, in the
// observation domain of the flows, unless that is known. The options template
// is sent with the first: most meters have none.
func (o *options) selector(p *packer, s *flow.Selector) {
	first := len(o.selectors.All()) == 0
	if !o.selectors.New(s) {
		return
	}
	if first {
		o.selectorTemplate(p)
	}
	o.selectorRecord(p, s)
}

// knownSelectors tells all of them again.
func (o *options) knownSelectors(p *packer) {
	for i, s := range o.selectors.All() {
		if i == 0 {
			o.selectorTemplate(p)
		}
		o.selectorRecord(p, s)
	}
}

func (o *options) selectorTemplate(p *packer) {
	o.scratch = selectorLayout.append(o.scratch[:0], o.cfg.Enterprise)
	p.template(optionsSet, o.scratch)
}

func (o *options) selectorRecord(p *packer, s *flow.Selector) {
	rec := binary.BigEndian.AppendUint64(o.scratch[:0], uint64(s.ID))
	rec = binary.BigEndian.AppendUint64(rec, uint64(s.ID))
	rec = binary.BigEndian.AppendUint16(rec, uniformProbabilistic)
	rec = binary.BigEndian.AppendUint64(rec, math.Float64bits(s.Probability()))
	for _, n := range []uint32{1, s.Interval, s.Interval} {
		rec = binary.BigEndian.AppendUint32(rec, n)
	}
	o.scratch = rec
	p.option(&selectorLayout, rec)
	p.intro = true
}
