package main

import (
	"errors"
	"fmt"

	"flowmeter/meter"
	"flowmeter/meter/flow"
)

// sampleOf returns how many frames of an input one is metered of: as its own
// part of the configuration says, else --sample.
func sampleOf(s *meter.Settings, in *meter.Input) int {
	if in.Sample > 0 {
		return in.Sample
	}
	return s.Meter.Sample
}

// rarest returns the largest of all inputs' sampling, and whose it is. Without
// inputs it is that of --sample.
func rarest(s *meter.Settings) (sample int, input string) {
	if len(s.Inputs) == 0 {
		return s.Meter.Sample, ""
	}
	for i := range s.Inputs {
		if n := sampleOf(s, &s.Inputs[i]); n > sample {
			sample, input = n, s.Inputs[i].Name
		}
	}
	return sample, input
}

// selectorOf returns what the records of an input say of its sampling: nothing
// if no input samples, or ever did in this run. If one does, those that do not say so, too: some
// collectors take what they are told of one for all.
func (x *shared) selectorOf(s *meter.Settings, in *meter.Input) *flow.Selector {
	if most, _ := rarest(s); most <= 1 && !x.sampled {
		return nil
	}
	x.sampled = true
	return x.selectors.Of(in.Name, sampleOf(s, in))
}

// holdSampling returns an error if the format of an exporter has no room for
// what it must tell of the sampling.
func (o *outputs) holdSampling(s *meter.Settings) error {
	var errs []error
	sample, input := rarest(s)
	if input != "" {
		input = "input " + input + ": "
	}
	for _, q := range o.queues {
		limited, ok := q.Sink().(interface{ LargestSample() int })
		if ok && sample > limited.LargestSample() {
			errs = append(errs, fmt.Errorf("%ssample: %d: exporter %s cannot tell collectors of sampling rarer than 1 in %d: sample more, or export IPFIX or NetFlow v9",
				input, sample, q.Name(), limited.LargestSample()))
		}
	}
	return errors.Join(errs...)
}

// describeSampling says what `check` says of an input's sampling.
func describeSampling(sample int) string {
	if sample <= 1 {
		return ""
	}
	return fmt.Sprintf(", 1 frame in %d at random", sample)
}
