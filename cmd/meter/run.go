package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"flowmeter/exporters/prometheus"
	"flowmeter/meter"
	"flowmeter/meter/capture"
)

type runCmd struct {
	meterFlags
	outputFlags
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
	return r.run(section.web)
}

// service is a run of all inputs.
type service struct {
	*app
	settings *meter.Settings
	out      *outputs
	meters   []*meter.Meter
}

func (r *service) run(web *prometheus.Config) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served := make(chan error, 1)
	if err := r.serve(ctx, web, served); err != nil {
		return usageError{err}
	}
	w := newWatch(r.app, r.out, r.stop, cancel)
	r.out.start(ctx)
	for i, m := range r.meters {
		r.meter(m, &r.settings.Inputs[i])
	}
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

// serve starts the metrics server and waits until it listens.
func (r *service) serve(ctx context.Context, web *prometheus.Config, served chan<- error) error {
	if web == nil {
		served <- nil
		return nil
	}
	s := prometheus.New(*web, newPage(r.meters, r.out), func() error { return nil })
	listening, failed := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		err := s.Run(ctx, func(a net.Addr) { listening <- a })
		failed <- err
		served <- err
	}()
	select {
	case addr := <-listening:
		r.log.Info("serving metrics", "url", "http://"+addr.String()+"/metrics")
		return nil
	case err := <-failed:
		return err
	}
}
