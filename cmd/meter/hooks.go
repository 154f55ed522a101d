package main

import (
	"fmt"
	"strings"
	"time"

	"flowmeter/exporters/web"
	"flowmeter/meter"
)

// hooks are what the pages of the service show and do.
func (r *service) hooks() web.Hooks {
	return web.Hooks{
		Metrics: newPage(r.meters(), r.out),
		Healthy: r.progress,
		Ready:   r.down,
		Status:  r.status,
	}
}

// stuck is how long a live worker may be at one batch before it is taken to
// hang: it shows itself ten times a second.
const stuck = 10 * time.Second

// progress returns an error if a live worker hangs. Those that read traces may
// have to wait, for a pipe.
func (r *service) progress() error {
	for _, in := range r.inputs {
		if at := in.meter.Progress(); !at.IsZero() && time.Since(at) > stuck {
			return fmt.Errorf("input %s: a worker has not shown itself since %s", in.Name, at.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// down returns what is not up: interfaces that are named, and exporters.
func (r *service) down() []string {
	var all []string
	for _, in := range r.inputs {
		if in.rings == nil {
			continue
		}
		for _, s := range in.rings.Stats() {
			if !s.Up && in.names(s.Name) {
				all = append(all, fmt.Sprintf("input %s: interface %s is down", in.Name, s.Name))
			}
		}
	}
	return append(all, r.out.down()...)
}

func (r *service) status() any {
	s := statusOf(meter.AccountOf(r.meters()), r.out)
	s.Name = r.settings.Name
	for i := range s.Inputs {
		s.Inputs[i].Traces = r.inputs[i].Traces
		s.Inputs[i].Interfaces = r.inputs[i].interfaces()
	}
	return s
}

// names are those of all inputs.
func (r *service) names() string {
	var all []string
	for _, in := range r.inputs {
		all = append(all, in.Name)
	}
	return strings.Join(all, ", ")
}

// mapped returns how much memory beside Go's heap the inputs may take: tables
// and rings.
func (r *service) mapped() uint64 {
	sum := tableOctets(&r.settings.Meter) * uint64(len(r.inputs))
	for _, in := range r.inputs {
		if in.rings != nil {
			sum += uint64(in.Live.Size) * uint64(in.workers) * uint64(max(1, len(in.rings.Stats())))
		}
	}
	return sum
}
