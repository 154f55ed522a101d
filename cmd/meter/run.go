package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"flowmeter/exporters/web"
	"flowmeter/meter"
	"flowmeter/meter/capture"
)

type runCmd struct {
	meterFlags
	outputFlags
	Web webFlags `embed:""`
	Log logFlags `embed:""`
}

// Help is shown below the usage.
func (*runCmd) Help() string {
	return `Example:

  meter run -c /etc/meter/config.yaml

Inputs are the traces that the configuration names. The run ends with the last
of them, or at SIGINT or SIGTERM: all flows are then exported and the balance is
printed.`
}

// Run meters the inputs of the configuration and serves metrics.
func (c *runCmd) Run(a *app) error {
	var section exporterSection
	settings, err := c.settings(section.fields())
	if err != nil {
		return err
	}
	if len(settings.Inputs) == 0 {
		return usageError{errors.New("no inputs: name them in the configuration, as inputs: [{traces: [/var/traces/*.pcap]}]")}
	}
	a.warn(settings.Warnings)
	pages, err := c.Web.over(section.web.served)
	if err != nil {
		return err
	}
	logged, err := c.Log.over(section.log)
	if err != nil {
		return err
	}
	defer a.openLog(logged)()
	out := newOutputs(false, a.log)
	if err := section.build(out, settings); err != nil {
		return usageError{err}
	}
	if err := c.addAll(out, settings.ID, a.stdout); err != nil {
		return err
	}
	r := &service{app: a, settings: settings, out: out}
	ifaces := &meter.InterfaceTable{}
	for i, in := range settings.Inputs {
		cfg := settings.Meter
		cfg.Interfaces = ifaces
		cfg.Input = in.Name(i)
		r.meters = append(r.meters, meter.New(cfg, out.meterExporters()))
	}
	return r.run(pages)
}

// service is a run of all inputs.
type service struct {
	*app
	settings *meter.Settings
	out      *outputs
	meters   []*meter.Meter
}

func (r *service) run(pages *web.Config) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served, err := r.serve(ctx, pages, r.hooks())
	if err != nil {
		return usageError{err}
	}
	manager := r.newLifecycle()
	manager.watch(ctx, r.progress)
	r.setMemoryLimit(tableOctets(&r.settings.Meter) * uint64(len(r.meters)))
	w := newWatch(r.app, r.out, r.stop, cancel)
	manager.ready("metering traces")
	r.out.start(ctx)
	for i, m := range r.meters {
		r.meter(m, &r.settings.Inputs[i])
	}
	manager.stopping()
	meter.Finish(r.out.meterExporters(), r.meters...)
	lost := r.out.wait()
	w.end()
	if lost != nil {
		r.partial(lost)
	}
	if w.hungUp {
		return nil
	}
	report := r.stdout
	if r.out.onStdout {
		report = r.stderr
	}
	for i, m := range r.meters {
		if len(r.meters) > 1 {
			fmt.Fprintf(report, "input %s: %s\n", r.settings.Inputs[i].Name(i), strings.Join(r.settings.Inputs[i].Traces, ", "))
		}
		printSummary(report, m)
	}
	cancel()
	return <-served
}

// meter runs the meter of one input. The inputs are traces: they are read one
// after the other.
func (r *service) meter(m *meter.Meter, in *meter.Input) {
	paths, missing := capture.Expand(in.Traces)
	if missing != nil {
		r.partial(missing)
	}
	if err := m.Run(newInputs(paths).open(false), r.partial); err != nil {
		r.partial(err)
	}
}

// stop ends all meters.
func (r *service) stop() {
	for _, m := range r.meters {
		m.Stop()
	}
}

// hooks are what the pages of the service show.
func (r *service) hooks() web.Hooks {
	return web.Hooks{
		Metrics: newPage(r.meters, r.out),
		Healthy: r.progress,
		Ready:   r.out.down,
		Status:  r.status,
	}
}

// progress is nil: reading traces, a worker may have to wait for a pipe.
func (r *service) progress() error { return nil }

func (r *service) status() any {
	s := statusOf(meter.AccountOf(r.meters), r.out)
	s.Name = r.settings.Name
	for i := range s.Inputs {
		s.Inputs[i].Traces = r.settings.Inputs[i].Traces
	}
	return s
}
