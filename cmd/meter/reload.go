package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"time"

	"flowmeter/cmd/meter/internal/logs"
	"flowmeter/exporters/web"
	"flowmeter/meter"
)

// reloads is how the last reload went. Where there was none, it is the start.
type reloads struct {
	at     time.Time
	failed error
	ever   bool
	over   bool // the service stops: there will be none any more
}

func (r *reloads) status() *web.ReloadStatus {
	if !r.ever {
		return nil
	}
	s := &web.ReloadStatus{Time: r.at.UTC(), Success: r.failed == nil}
	if r.failed != nil {
		s.Error = r.failed.Error()
	}
	return s
}

// catchHangUps has SIGHUP wait for heedHangUps, where there is a file to be read
// again, rather than end a process that has just begun.
func (r *service) catchHangUps() {
	r.hangUps = make(chan os.Signal, 1)
	if r.cmd.Config != "" {
		signal.Notify(r.hangUps, syscall.SIGHUP)
	}
}

// heedHangUps reloads at SIGHUP. The function returned ends that.
func (r *service) heedHangUps() (end func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-r.hangUps:
				_ = r.reload(r.ctx) // logged
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(r.hangUps)
		close(done)
	}
}

// reload reads the configuration again and goes over to it. If there is a
// mistake in it, nothing changes.
func (r *service) reload(context.Context) error {
	r.manager.reloading()
	r.changing.Lock()
	defer r.changing.Unlock()
	r.out.reopen() // also if there is a mistake: what moved the files may delete them
	err := errStopping
	if !r.reloads.over {
		err = r.change()
	}
	r.mu.Lock()
	r.reloads.at, r.reloads.failed, r.reloads.ever = time.Now(), err, true
	r.mu.Unlock()
	if err != nil {
		r.log.Error("the configuration was not reloaded: all goes on as before", "error", err)
	} else {
		r.log.Info("the configuration was reloaded", "inputs", r.names())
	}
	r.manager.ready("metering " + r.names())
	return err
}

var (
	errStopping   = errors.New("the meter is stopping")
	errOnlyTraces = errors.New("nothing can be reloaded while traces are read: stop and start again")
)

// change goes over to the configuration as it is now. All that can fail comes
// first. While what ends brings to its end what it has, the pages are served.
func (r *service) change() error {
	settings, section, err := r.cmd.parse()
	if err != nil {
		return err
	}
	if err := r.fixed(settings, section); err != nil {
		return err
	}
	out, err := r.out.successor(section, settings)
	defer func() { out.discard() }() // what will not be started
	if err != nil {
		return err
	}
	if err := out.holdSampling(settings); err != nil {
		return err
	}
	inputs, err := r.build(settings, out)
	if err != nil {
		return err
	}
	if err := planAll(settings); err != nil {
		return err
	}
	if err := r.open(inputs); err != nil {
		return err
	}
	before := r.out
	err = r.swap(settings, inputs, out)
	r.out.begin(r.ctx) // at once: what ends may take its time, and queues fill
	r.retire()
	r.out.finish(before, r.account())
	return err
}

// swap has the inputs go over to the new settings and exporters, each between
// two packets.
func (r *service) swap(settings *meter.Settings, inputs []*runningInput, out *outputs) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.inputs
	r.settings, r.out, r.inputs = settings, out, inputs
	var errs []error
	for i, in := range r.inputs {
		if !slices.Contains(old, in) {
			r.begin(in)
			continue
		}
		in.Input = &r.settings.Inputs[i]          // of the same source, perhaps with another filter
		if err := r.reloadInput(in); err != nil { // it cannot go on beside the others
			errs = append(errs, fmt.Errorf("input %s, which ends: %w", in.Name, err))
			r.inputs[i] = nil
		}
	}
	r.inputs = slices.DeleteFunc(r.inputs, func(in *runningInput) bool { return in == nil })
	for _, in := range old {
		if !slices.Contains(r.inputs, in) {
			r.leaving = append(r.leaving, in)
		}
	}
	err := errors.Join(errs...)
	if err != nil {
		r.partial(err)
	}
	return err
}

// retire ends the inputs that are leaving, and keeps their accounts for the end
// of the run.
func (r *service) retire() {
	for _, in := range r.leaving {
		in.stop()
	}
	for len(r.leaving) > 0 {
		in := r.leaving[0]
		<-in.ended
		r.mu.Lock()
		r.leaving = r.leaving[1:]
		r.retired = append(r.retired, in.retire(time.Now()))
		r.mu.Unlock()
	}
}

// planAll returns an error if the kernel cannot do what an input wants.
func planAll(s *meter.Settings) error {
	var errs []error
	for i := range s.Inputs {
		cfg := s.Meter
		cfg.Filter = filterOf(s, &s.Inputs[i])
		_, err := s.Inputs[i].ForKernel(&cfg)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// reloadInput has an input that goes on go over to the new settings. In between
// the kernel hands over every frame whole, so that none is left out by other
// rules than those of the moment at which it came in.
func (r *service) reloadInput(in *runningInput) error {
	cfg := r.settings.Meter
	cfg.Filter = filterOf(r.settings, in.Input)
	plan, err := in.ForKernel(&cfg)
	if err != nil {
		return err
	}
	if err := in.rings.Reprogram(in.Live.Filter, nil); err != nil {
		return err
	}
	err = in.meter.Reload(meter.Change{RuleSets: cfg.RuleSets, Filter: cfg.Filter,
		Sample: sampleOf(r.settings, in.Input), Selector: r.shared.selectorOf(r.settings, in.Input), Exporters: r.out.meterExporters()})
	if err != nil {
		return err
	}
	in.drops = plan.Drops
	return in.rings.Reprogram(plan.Live.Filter, plan.Live.Cut)
}

// fixed returns an error if something changed that needs a new start.
func (r *service) fixed(s *meter.Settings, x *exporterSection) error {
	if onlyTraces(r.settings, s) {
		return errOnlyTraces
	}
	pages, err := r.cmd.Web.over(x.web.served)
	if err != nil {
		return err
	}
	logged, err := r.cmd.Log.over(x.log)
	if err != nil {
		return err
	}
	if keys := restartKeys(fixture{r.settings, r.pages, r.logged}, fixture{s, pages, logged}); keys != nil {
		return fmt.Errorf("%s changed: that needs a new start (systemctl restart meter)", strings.Join(keys, ", "))
	}
	return nil
}

// onlyTraces tells whether one of two configurations reads traces, which it
// does to their end.
func onlyTraces(a, b *meter.Settings) bool {
	trace := func(in meter.Input) bool { return in.Live == nil }
	return slices.ContainsFunc(a.Inputs, trace) || slices.ContainsFunc(b.Inputs, trace)
}

// fixture is the configuration of what stands from the start on.
type fixture struct {
	settings *meter.Settings
	pages    *web.Config // nil: none
	logged   logs.Config
}

// restartKeys returns the keys that changed and that a running meter cannot
// take over.
func restartKeys(a, b fixture) (keys []string) {
	for _, c := range []struct {
		key     string
		changed bool
	}{
		{"meter.id", a.settings.ID != b.settings.ID},
		{"meter.workers", a.settings.Meter.Workers != b.settings.Meter.Workers},
		{"meter.decision_cache", a.settings.Meter.CacheSize != b.settings.Meter.CacheSize},
		{"web", !reflect.DeepEqual(a.pages, b.pages)},
		{"log", a.logged.Format != b.logged.Format || a.logged.Level != b.logged.Level},
	} {
		if c.changed {
			keys = append(keys, c.key)
		}
	}
	return keys
}
