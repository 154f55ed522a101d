package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"flowmeter/exporters/web"
	"flowmeter/meter"
	"flowmeter/meter/capture"
	"flowmeter/meter/capture/ring"
	"flowmeter/rules"
)

// runningInput is an input of a run with what meters it.
type runningInput struct {
	*meter.Input
	meter   *meter.Meter
	rings   *ring.Input // nil for traces
	drops   string      // what the kernel drops frames by; "" for nothing
	workers int
	open    bool // its rings
	started bool
	ended   chan struct{} // closed when a live input has been metered to its end
}

// retiredInput is what is kept of an input that a reload ended.
type retiredInput struct {
	account meter.InputAccount
	text    string // what it read
	drops   string
	at      time.Time
}

func (r *runningInput) retire(at time.Time) retiredInput {
	return retiredInput{r.meter.Account(), r.Input.String(), r.drops, at}
}

func (r *retiredInput) print(w io.Writer) {
	fmt.Fprintf(w, "input %s, until the reload of %s: %s\n", r.account.Input, r.at.UTC().Format(time.RFC3339), r.text)
	printInput(w, &r.account, r.drops)
}

// shared is what the inputs of a run have in common: numbers that their records
// hold.
type shared struct {
	ifaces    meter.InterfaceTable
	names     meter.NameTable // of rule sets
	selectors meter.SelectorTable
	sampled   bool // records say how they were chosen
}

// newRunningInput makes the meter of an input. Nothing is opened.
func newRunningInput(s *meter.Settings, in *meter.Input, shared *shared, out *outputs, log *slog.Logger) (*runningInput, error) {
	cfg := s.Meter
	cfg.Interfaces, cfg.Names, cfg.Input = &shared.ifaces, &shared.names, in.Name
	cfg.Filter, cfg.Sample, cfg.Selector = filterOf(s, in), sampleOf(s, in), shared.selectorOf(s, in)
	r := &runningInput{Input: in, workers: cfg.Workers, ended: make(chan struct{})}
	if in.Live != nil {
		plan, err := in.ForKernel(&cfg)
		if err != nil {
			return nil, err
		}
		live := plan.Live
		live.Workers, live.Log = cfg.Workers, log.With("input", in.Name)
		r.drops = plan.Drops
		if r.rings, err = ring.New(live); err != nil {
			return nil, fmt.Errorf("input %s: %w", in.Name, err)
		}
		cfg.Capture = r.rings.Stats
		if !in.Own {
			cfg.Own = out.ownSockets()
		}
	}
	r.meter = meter.New(cfg, out.meterExporters())
	return r, nil
}

// filterOf returns the filter of an input: its own, else that of --filter.
func filterOf(s *meter.Settings, in *meter.Input) *rules.Filter {
	if in.Filter != nil {
		return in.Filter
	}
	return s.Meter.Filter
}

// names tells whether an interface is named as such, not picked up by a
// pattern: it has to be there.
func (r *runningInput) names(iface string) bool { return slices.Contains(r.Live.Interfaces, iface) }

// interfaces returns the status of live interfaces.
func (r *runningInput) interfaces() (all []web.InterfaceStatus) {
	if r.rings == nil {
		return nil
	}
	for _, s := range r.rings.Stats() {
		all = append(all, web.InterfaceStatus{Name: s.Name, Index: s.Index, Up: s.Up, Packets: s.Packets, Drops: s.Drops})
	}
	return all
}

// meterLive meters interfaces until they are closed.
func (r *runningInput) meterLive(ctx context.Context, failed func(error)) {
	defer close(r.ended)
	go func() {
		if err := r.rings.Run(ctx); err != nil && ctx.Err() == nil {
			failed(fmt.Errorf("input %s: interfaces that come and go are no longer noticed: %w", r.Name, err))
		}
	}()
	rings := make([]meter.Ring, r.workers)
	for i := range rings {
		rings[i] = r.rings.Ring(i)
	}
	if err := r.meter.RunLive(rings, failed); err != nil {
		failed(fmt.Errorf("input %s: %w", r.Name, err))
	}
}

// meterTraces meters traces to their end.
func (r *runningInput) meterTraces(failed func(error)) {
	paths, missing := capture.Expand(r.Traces)
	if missing != nil {
		failed(missing)
	}
	if err := r.meter.Run(newInputs(paths).open(false), failed); err != nil {
		failed(err)
	}
}

// stop ends the metering of an input. What its interfaces have taken in until
// now is still metered.
func (r *runningInput) stop() {
	if r.rings != nil {
		r.rings.Close()
		return
	}
	r.meter.Stop()
}
