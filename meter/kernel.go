package meter

import (
	"fmt"
	"strings"

	"flowmeter/meter/capture/ring"
	"flowmeter/rules"
)

// FilterIn says who leaves out what an input's filter does not match.
type FilterIn uint8

const (
	InMeter  FilterIn = iota // the meter, which counts it as filtered
	InKernel                 // the kernel, as far as it can tell; that is in no account
)

var filterIns = []string{"meter", "kernel"}

// String returns meter or kernel.
func (f FilterIn) String() string { return filterIns[f] }

// KernelPlan is what the kernel does with the frames of a live input before
// the meter sees them.
type KernelPlan struct {
	Live  ring.Config // with Filter and Cut in place
	Drops string      // by what it drops frames, which are in no account: "bpf", "filter"; "" for nothing
}

// String tells it in words.
func (p *KernelPlan) String() string {
	var does []string
	if p.Drops != "" {
		does = append(does, fmt.Sprintf("drops by %s, in no account", p.Drops))
	}
	if p.Live.Cut != nil {
		does = append(does, "cuts what the rule sets ignore at their start, counted as ignored")
	}
	if does == nil {
		return "takes every frame"
	}
	return strings.Join(does, "; ")
}

// ForKernel plans what the kernel is to do for a live input, which is metered
// with the settings of c.
func (in *Input) ForKernel(c *Config) (*KernelPlan, error) {
	p := &KernelPlan{Live: *in.Live}
	k := rules.Kernel{Links: ring.LinkTypes(), Snaplen: p.Live.Snaplen, Segments: p.Live.Offload != ring.Frames, Own: !in.Own}
	if p.Live.Filter != nil {
		p.Drops = "bpf"
	}
	filter := c.Filter
	if in.Filter != nil {
		filter = in.Filter
	}
	if in.FilterIn == InKernel && filter != nil {
		var err error
		k.Room = p.Live.Room()
		if p.Live.Filter, err = k.Drop(filter); err != nil {
			return nil, fmt.Errorf("input %s: filter_in: kernel: %w (write filter_in: meter)", in.Name, err)
		}
		p.Drops = "filter"
	}
	k.Room = p.Live.Room()
	p.Live.Cut = k.Cut(c.RuleSets, filter)
	return p, nil
}

// checkFilterIn says what does not go together with filter_in: kernel.
func (in *Input) checkFilterIn() {
	if in.FilterIn != InKernel {
		return
	}
	at := in.filterIn
	switch {
	case in.Live == nil:
		at.Errorf("leave it out: traces are filtered by the meter", "filter_in: kernel, but the input has no interfaces")
	case in.Live.Filter != nil:
		at.Errorf("write one of the two; filter: beside bpf: with filter_in: meter", "filter_in: kernel and bpf: are both the kernel's filter")
	}
}
