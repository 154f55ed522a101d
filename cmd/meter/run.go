package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"flowmeter/exporters/web"
	"flowmeter/meter"
	"flowmeter/meter/capture/ring"
)

type runCmd struct {
	Interface []string `short:"i" placeholder:"NAME" help:"Meter a live interface, in place of the inputs of the configuration. Several share their flows, as the halves of a tap; eth* and any are understood."`
	meterFlags
	outputFlags
	Web webFlags `embed:""`
	Log logFlags `embed:""`
}

// Help is shown below the usage.
func (*runCmd) Help() string {
	return `Examples:

  meter run -c /etc/meter/config.yaml
  meter run -i eth0 -o ipfix://192.0.2.1:4739

The run ends at SIGINT or SIGTERM, or with the last trace where all inputs are
traces: all flows are then exported and the balance is printed.`
}

// Run meters the inputs of the configuration and serves metrics.
func (c *runCmd) Run(a *app) error {
	var section exporterSection
	settings, err := c.settings(section.fields())
	if err != nil {
		return err
	}
	if err := c.chooseInputs(settings); err != nil {
		return usageError{err}
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
	out := newOutputs(settings.Live(), a.log)
	if err := section.build(out, settings); err != nil {
		return usageError{err}
	}
	if err := c.addAll(out, settings.ID, a.stdout); err != nil {
		return err
	}
	r := &service{app: a, settings: settings, out: out}
	if err := r.build(); err != nil {
		return usageError{err}
	}
	return r.run(pages)
}

// chooseInputs puts the interfaces of the command line in the place of the
// inputs of the configuration.
func (c *runCmd) chooseInputs(s *meter.Settings) error {
	if len(c.Interface) > 0 {
		in, err := meter.LiveInput(c.Interface)
		if err != nil {
			return fmt.Errorf("--interface: %w", err)
		}
		s.Inputs = []meter.Input{in}
	}
	if len(s.Inputs) == 0 {
		return errors.New("no inputs: name an interface (-i eth0), or inputs in the configuration: inputs: [{interface: eth0}]")
	}
	return nil
}

// service is a run of all inputs.
type service struct {
	*app
	settings *meter.Settings
	out      *outputs
	inputs   []*runningInput
}

// reportEvery is how often live exporters are told the meter's account.
const reportEvery = time.Minute

// build makes the meters of all inputs. Nothing is opened.
func (r *service) build() error {
	ifaces := &meter.InterfaceTable{}
	var errs []error
	for i := range r.settings.Inputs {
		in, err := newRunningInput(r.settings, &r.settings.Inputs[i], ifaces, r.out, r.log)
		errs = append(errs, err)
		r.inputs = append(r.inputs, in)
	}
	return errors.Join(errs...)
}

func (r *service) run(pages *web.Config) error {
	if err := r.open(); err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	served, err := r.serve(ctx, pages, r.hooks())
	if err != nil {
		r.stop()
		return usageError{err}
	}
	manager := r.newLifecycle()
	manager.watch(ctx, r.progress)
	r.setMemoryLimit(r.mapped())
	w := newWatch(r.app, r.out, r.stop, cancel)
	r.out.start(ctx)
	r.meterAll(ctx, func() { manager.ready("metering " + r.names()) })
	manager.stopping()
	meter.Finish(r.out.meterExporters(), r.meters()...)
	lost := r.out.wait()
	w.end()
	if lost != nil {
		r.partial(lost)
	}
	if w.hungUp {
		return nil
	}
	r.printAccount()
	cancel()
	return <-served
}

// open opens all live interfaces, or none.
func (r *service) open() error {
	for _, in := range r.inputs {
		if in.rings == nil {
			continue
		}
		if err := in.rings.Open(); err != nil {
			r.stop()
			return err
		}
		r.log.Info("reading interfaces", "input", in.Name, "interfaces", strings.Join(in.Live.Interfaces, ","))
	}
	return nil
}

// meterAll meters all inputs to their end: live ones side by side, traces one
// after the other.
func (r *service) meterAll(ctx context.Context, begun func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	for _, in := range r.inputs {
		if in.rings != nil {
			running.Go(func() { in.meterLive(ctx, r.partial) })
		}
	}
	running.Go(func() {
		for _, in := range r.inputs {
			if in.rings == nil {
				in.meterTraces(r.partial)
			}
		}
	})
	if r.settings.Live() {
		go r.report(ctx)
	}
	begun()
	running.Wait()
}

// report tells the exporters the account from time to time.
func (r *service) report(ctx context.Context) {
	for tick := time.Tick(reportEvery); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			meter.Report(r.out.meterExporters(), r.meters()...)
		}
	}
}

func (r *service) meters() []*meter.Meter {
	all := make([]*meter.Meter, len(r.inputs))
	for i, in := range r.inputs {
		all[i] = in.meter
	}
	return all
}

// stop ends all meters.
func (r *service) stop() {
	for _, in := range r.inputs {
		in.stop()
	}
}

// printAccount prints what became of every packet.
func (r *service) printAccount() {
	report := r.stdout
	if r.out.onStdout {
		report = r.stderr
	}
	for _, in := range r.inputs {
		if len(r.inputs) > 1 || in.rings != nil {
			fmt.Fprintf(report, "input %s: %v\n", in.Name, in.Input)
		}
		printSummary(report, in.meter)
		if in.rings != nil {
			printCapture(report, in.rings.Stats(), in.drops)
		}
	}
}

// printCapture prints what the kernel says of live interfaces, and whether the
// account starts behind a filter of the kernel.
func printCapture(w io.Writer, all []ring.InterfaceStats, drops string) {
	if drops != "" {
		fmt.Fprintf(w, "the account starts behind the kernel's filter (%s:), which drops without counting\n", drops)
	}
	for i := range all {
		s := &all[i]
		fmt.Fprintf(w, "%s: %s came in, %d dropped by the kernel for want of room in the ring\n", s.Name, plural(s.Packets, "frame"), s.Drops)
	}
}
