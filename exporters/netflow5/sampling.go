package netflow5

import "flowmeter/meter/flow"

// LargestSample is the rarest sampling that a packet header can tell: 14 bits.
const LargestSample = 1<<14 - 1

// randomSampling is the mode in the header's upper two bits.
const randomSampling = 2

// LargestSample returns the largest interval of sampling that the format can
// tell collectors.
func (e *Exporter) LargestSample() int { return LargestSample }

// sampled begins another packet where the records before were sampled in
// another way: a header speaks for all records of its packet.
func (e *Exporter) sampled(s *flow.Selector) {
	interval := uint32(1)
	if s != nil {
		interval = s.Interval
	}
	if interval != e.interval {
		e.flush()
		e.interval = interval
	}
}

// sampling returns the sampling field of the header: mode and interval.
func sampling(interval uint32) uint16 {
	if interval <= 1 {
		return 0
	}
	return randomSampling<<14 | uint16(min(interval, LargestSample))
}
