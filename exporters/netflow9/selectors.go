package netflow9

import (
	"encoding/binary"

	"flowmeter/meter/flow"
)

// randomSampling is FLOW_SAMPLER_MODE (49) and SAMPLING_ALGORITHM (35) of
// random sampling.
const randomSampling = 2

// Sampling is told twice, both times with the scope System (1) and the number
// that records have as FLOW_SAMPLER_ID (48): once as RFC 3954 has it, with mode
// (49), interval (50), and the same as 34 and 35; and once in the only form
// that nfdump 1.7.1 takes, which knows no 50 and passes over a record with 35.
var (
	samplerTemplate  = []byte{1, samplerID & 0xff, 0, 4, 0, 20, 0, 1, 0, 4, 0, 48, 0, 2, 0, 49, 0, 1, 0, 50, 0, 4, 0, 34, 0, 4, 0, 35, 0, 1}
	selectorTemplate = []byte{1, selectorID & 0xff, 0, 4, 0, 12, 0, 1, 0, 4, 0, 48, 0, 2, 0, 49, 0, 1, 0, 34, 0, 4}
)

const (
	samplerSize  = 4 + 2 + 1 + 4 + 4 + 1
	selectorSize = 4 + 2 + 1 + 4
)

// selector tells how the packets of the next record were chosen, unless that
// is known. The options templates are sent with the first: most meters have
// none.
func (e *Exporter) selector(s *flow.Selector) {
	first := len(e.selectors.All()) == 0
	if !e.selectors.New(s) {
		return
	}
	if first {
		e.selectorTemplates()
	}
	e.selectorRecords(s)
}

// knownSelectors tells all of them again.
func (e *Exporter) knownSelectors() {
	for i, s := range e.selectors.All() {
		if i == 0 {
			e.selectorTemplates()
		}
		e.selectorRecords(s)
	}
}

func (e *Exporter) selectorTemplates() {
	for _, t := range [][]byte{selectorTemplate, samplerTemplate} {
		copy(e.reserve(optionsSet, len(t), 4), t)
	}
}

func (e *Exporter) selectorRecords(s *flow.Selector) {
	putSampler(e.reserve(selectorID, selectorSize, selectorSize), s)
	full := e.reserve(samplerID, samplerSize, samplerSize)
	putSampler(full, s)
	binary.BigEndian.PutUint32(full[11:], s.Interval)
	full[15] = randomSampling
}

// putSampler writes what both records begin with: scope, number, mode and
// interval.
func putSampler(b []byte, s *flow.Selector) {
	binary.BigEndian.PutUint32(b, 0) // this system
	binary.BigEndian.PutUint16(b[4:], uint16(s.ID))
	b[6] = randomSampling
	binary.BigEndian.PutUint32(b[7:], s.Interval)
}
