package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/text"
	"flowmeter/exporters/web"
	"flowmeter/meter"
	"flowmeter/meter/flow"
)

// hooks are what the pages of the service show and do.
func (r *service) hooks() web.Hooks {
	h := web.Hooks{
		Metrics: newPage(r.shown, r.lastReload),
		Healthy: r.progress,
		Ready:   r.down,
		Status:  r.status,
		Flows:   r.flows,
		Expire:  r.expire,
	}
	if r.cmd.Config != "" {
		h.Reload = r.reload
	}
	return h
}

// shown reads the account and the exporters that there are.
func (r *service) shown() (*meter.Account, []*exporters.Queue) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.account(), r.out.queues
}

// lastReload tells how the configuration was last read.
func (r *service) lastReload() (succeeded bool, at time.Time) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.reloads.failed == nil, r.reloads.at
}

// flows writes the largest live flows of all inputs.
func (r *service) flows(w io.Writer, top int, sort string, json bool) error {
	cfg := text.TableConfig{Top: top, Sort: sort, Live: true}
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("%w: %w", web.ErrParameter, err)
	}
	table, err := text.NewTable(w, cfg)
	if err != nil {
		return err
	}
	r.mu.RLock()
	meters := r.meters()
	r.mu.RUnlock()
	for _, m := range meters {
		m.Flows(func(all []flow.Record) { _ = table.Export(&flow.Batch{Records: all}) }) // to memory
	}
	if !json {
		return table.Close()
	}
	lines, err := text.NewJSON(w, flow.ToMillis, nil)
	if err != nil {
		return err
	}
	for _, rec := range table.Largest() {
		if err := lines.Export(&flow.Batch{Records: []flow.Record{*rec}}); err != nil {
			return err
		}
	}
	return lines.Close()
}

// expire exports all live flows now.
func (r *service) expire(context.Context) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var errs []error
	for _, in := range r.inputs {
		if in.rings != nil {
			errs = append(errs, in.meter.Expire())
		}
	}
	return errors.Join(errs...)
}

// stuck is how long a live worker may be at one batch before it is taken to
// hang: it shows itself ten times a second.
const stuck = 10 * time.Second

// progress returns an error if a live worker hangs. Those that read traces may
// have to wait, for a pipe.
func (r *service) progress() error { return r.hung(stuck) }

// hung looks also at inputs that a reload took away: it waits for their end, and
// a stop for that of the reload.
func (r *service) hung(after time.Duration) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, in := range slices.Concat(r.inputs, r.leaving) {
		for i, at := range in.meter.Progress() {
			if !at.IsZero() && time.Since(at) > after {
				return fmt.Errorf("input %s: worker %d has not shown itself since %s", in.Name, i, at.UTC().Format(time.RFC3339))
			}
		}
	}
	return nil
}

// down returns what is not up: interfaces that are named, and exporters.
func (r *service) down() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
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
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := statusOf(r.account(), r.out)
	s.Name = r.settings.Name
	s.Reload = r.reloads.status()
	for i := range s.Inputs {
		s.Inputs[i].Traces = r.inputs[i].Traces
		s.Inputs[i].Interfaces = r.inputs[i].interfaces()
	}
	for _, in := range r.leaving {
		totals := in.meter.Totals()
		left := inputStatus(in.Name, &totals)
		left.State, left.Interfaces = web.Draining, in.interfaces()
		s.Inputs = append(s.Inputs, left)
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
