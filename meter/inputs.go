package meter

import (
	"fmt"
	"slices"
	"strings"

	"flowmeter/meter/capture/ring"
	"flowmeter/meter/conf"
	"flowmeter/rules"
)

// Input is where frames come from: traces, or live interfaces whose packets
// share flows. Different inputs never share flows.
type Input struct {
	Name   string        // for metrics and logs
	Traces []string      // paths and globs; "-" is standard input
	Live   *ring.Config  // nil for traces
	Filter *rules.Filter // frames that it does not match are left out, and counted; nil for none
	Sample int           // meter one frame in so many, chosen at random; 0 or 1 for all
	Own    bool          // meter the packets of the meter's own exporters, too

	// Text is all that the configuration says of the input, in one form, and
	// Source what it says of where frames come from: an input whose Source stays
	// goes on over a reload.
	Text, Source string

	// FilterIn says where Filter is applied.
	FilterIn FilterIn

	filter   conf.Value // Filter, before the networks and sets that it names are known
	filterIn conf.Value
}

// LiveInput returns an input of live interfaces with the default settings.
func LiveInput(interfaces []string) (Input, error) {
	live := ring.Default()
	live.Interfaces = interfaces
	in := Input{Live: &live}
	in.Name, in.Source = in.defaultName(0), in.source()
	return in, live.Validate()
}

// Live tells whether frames come from an interface: the meter then waits for
// no exporter.
func (s *Settings) Live() bool {
	return slices.ContainsFunc(s.Inputs, func(in Input) bool { return in.Live != nil })
}

// String tells what an input reads.
func (in *Input) String() string {
	if in.Live != nil {
		return "interfaces " + strings.Join(in.Live.Interfaces, ", ")
	}
	return "traces " + strings.Join(in.Traces, ", ")
}

// parseInputs reads `inputs:`.
func parseInputs(v conf.Value) (all []Input) {
	v.Each(func(item conf.Value) {
		in := parseInput(item)
		if in.Name == "" {
			in.Name = in.defaultName(len(all))
		}
		if slices.ContainsFunc(all, func(o Input) bool { return o.Name == in.Name }) {
			item.Errorf("give one of them another name:", "two inputs have the name %q", in.Name)
		}
		in.Text, in.Source = item.Text(), in.source()
		all = append(all, in)
	})
	return all
}

// source tells inputs apart whose frames come to the meter in different ways.
func (in *Input) source() string {
	if in.Live == nil {
		return strings.Join(in.Traces, " ")
	}
	live := *in.Live
	live.Filter, live.Cut = nil, nil // of these a running input takes others
	return fmt.Sprintf("%+v own=%v", live, in.Own)
}

// defaultName is what the input reads, or its place in the list.
func (in *Input) defaultName(place int) string {
	if in.Live != nil {
		return strings.Join(in.Live.Interfaces, ",")
	}
	return fmt.Sprintf("traces%d", place)
}

func parseInput(v conf.Value) Input {
	var in Input
	live := ring.Default()
	isLive := conf.Value{}
	v.Map(conf.Fields{
		"name":        func(v conf.Value) { in.Name = v.Str() },
		"traces":      func(v conf.Value) { in.Traces = v.Strings() },
		"interface":   func(v conf.Value) { isLive, live.Interfaces = v, []string{v.Str()} },
		"interfaces":  func(v conf.Value) { isLive, live.Interfaces = v, v.Strings() },
		"snaplen":     func(v conf.Value) { live.Snaplen = int(v.Int(1, 1<<20)) },
		"ring":        func(v conf.Value) { live.Size = int(v.Size(1, 1<<40)) },
		"promiscuous": func(v conf.Value) { live.Promiscuous = v.Bool() },
		"offload":     func(v conf.Value) { live.Offload = ring.Offload(v.Enum("segments", "frames", "always-segments")) },
		"bpf":         func(v conf.Value) { parseBPF(v, &live) },
		"filter":      func(v conf.Value) { in.filter = v },
		"filter_in":   func(v conf.Value) { in.filterIn, in.FilterIn = v, FilterIn(v.Enum(filterIns...)) },
		"sample":      func(v conf.Value) { in.Sample = int(v.Int(1, maxSample)) },
		"own_traffic": func(v conf.Value) { in.Own = v.Enum("leave-out", "meter") == 1 },
	})
	switch {
	case isLive.Node != nil && in.Traces != nil:
		v.Errorf("write two inputs", "an input has interfaces or traces, not both")
	case isLive.Node != nil:
		in.Live = &live
		if err := live.Validate(); err != nil && len(v.C.Errors) == 0 {
			isLive.Errorf("", "%v", err)
		}
	case in.Traces == nil:
		v.Errorf("interface: eth0, or traces: [/var/traces/*.pcap.gz]", "an input without interfaces and traces")
	}
	in.checkFilterIn()
	return in
}

// parseBPF reads a program as tcpdump -ddd prints it.
func parseBPF(v conf.Value, live *ring.Config) {
	program, err := ring.ParseDDD(v.Str())
	if err != nil {
		v.Errorf("write what this prints: tcpdump -ddd -y EN10MB 'EXPRESSION'", "%v", err)
	}
	live.Filter = program
}

// finish reads what needs networks and sets.
func (in *Input) finish(nets *rules.Networks, sets rules.Sets) {
	if in.filter.Node != nil {
		in.Filter = rules.ReadFilter(in.filter, nets, sets)
	}
}
