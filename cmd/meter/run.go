package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"flowmeter/cmd/meter/internal/logs"
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
	settings, section, err := c.parse()
	if err != nil {
		return err
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
	if len(out.queues) == 0 && pages == nil {
		a.log.Warn("no exporter and no web pages: records go nowhere (for example: -o flows.jsonl, or -o ipfix://HOST:PORT)")
	}
	r := &service{app: a, cmd: c, settings: settings, out: out, pages: pages, logged: logged, shared: &shared{}, reloads: reloads{at: time.Now()}}
	if err := out.holdSampling(settings); err != nil {
		return usageError{err}
	}
	if r.inputs, err = r.build(settings, out); err != nil {
		return usageError{err}
	}
	return r.run()
}

// parse reads the configuration, with what the command line says over it.
func (c *runCmd) parse() (*meter.Settings, *exporterSection, error) {
	section := &exporterSection{}
	settings, err := c.settings(section.fields())
	if err != nil {
		return nil, nil, err
	}
	if err := c.chooseInputs(settings); err != nil {
		return nil, nil, usageError{err}
	}
	return settings, section, nil
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
		return errors.New("no inputs: name an interface (-i eth0), or inputs in the configuration: meter: {inputs: [{interface: eth0}]}")
	}
	return nil
}

// service is a run of all inputs.
type service struct {
	*app
	cmd    *runCmd
	shared *shared
	pages  *web.Config // that are served; nil: none
	logged logs.Config

	changing sync.Mutex   // held by a reload, and by whoever must not meet one
	mu       sync.RWMutex // of what a reload changes: all below; to read it, one of the two is enough
	settings *meter.Settings
	out      *outputs
	inputs   []*runningInput
	leaving  []*runningInput // that a reload took away, and that have not ended
	reloads  reloads
	retired  []retiredInput

	hangUps chan os.Signal
	ctx     context.Context // ends the exporters
	manager *lifecycle
	running sync.WaitGroup // inputs
}

// reportEvery is how often live exporters are told the meter's account.
const reportEvery = time.Minute

// build makes the meters of the inputs of a configuration. Nothing is opened.
// Those that run already and stay as they are are taken over.
func (r *service) build(s *meter.Settings, out *outputs) (all []*runningInput, err error) {
	var errs []error
	for i := range s.Inputs {
		if in := r.input(s.Inputs[i].Name, s.Inputs[i].Source); in != nil {
			all = append(all, in)
			continue
		}
		in, err := newRunningInput(s, &s.Inputs[i], r.shared, out, r.log)
		errs = append(errs, err)
		all = append(all, in)
	}
	return all, errors.Join(errs...)
}

// input returns the running input of that name and source, or nil.
func (r *service) input(name, source string) *runningInput {
	for _, in := range r.inputs {
		if in.Name == name && in.Source == source && in.rings != nil {
			return in
		}
	}
	return nil
}

func (r *service) run() error {
	r.catchHangUps()
	if err := r.open(r.inputs); err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.ctx, r.manager = ctx, r.newLifecycle()
	begun := r.beginning()
	served, err := r.serve(ctx, r.pages, r.hooks())
	if err != nil {
		begun()
		r.stop()
		return usageError{err}
	}
	r.manager.watch(ctx, r.progress)
	r.setMemoryLimit(r.mapped())
	w := newWatch(r.app, r.out, r.stop, cancel)
	defer r.heedHangUps()()
	r.out.start(ctx)
	r.beginAll()
	live := r.settings.Live() // which no reload changes
	begun()
	r.await(ctx, live)
	r.manager.stopping()
	meter.Finish(r.out.meterExporters(), r.account())
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

// beginning has reloads, pages and a stop wait for the start, until the function
// returned is called: what has not begun can be neither changed nor stopped.
func (r *service) beginning() (begun func()) {
	r.changing.Lock()
	r.mu.Lock()
	return func() {
		r.mu.Unlock()
		r.changing.Unlock()
	}
}

// open opens the live interfaces of inputs, or none.
func (r *service) open(inputs []*runningInput) error {
	for i, in := range inputs {
		if in.rings == nil || in.open {
			continue
		}
		if err := in.rings.Open(); err != nil {
			for _, opened := range inputs[:i] {
				if !opened.started {
					opened.stop()
				}
			}
			return fmt.Errorf("input %s: %w", in.Name, err)
		}
		in.open = true
		r.log.Info("reading interfaces", "input", in.Name, "interfaces", strings.Join(in.Live.Interfaces, ","))
	}
	return nil
}

// beginAll meters all inputs to their end: live ones side by side, traces one
// after the other.
func (r *service) beginAll() {
	var traces []*runningInput
	for _, in := range r.inputs {
		if in.rings == nil {
			traces = append(traces, in)
		} else {
			r.begin(in)
		}
	}
	r.running.Go(func() {
		for _, in := range traces {
			in.meterTraces(r.partial)
		}
	})
	r.manager.ready("metering " + r.names())
}

// await waits for the end of all inputs, and tells meanwhile how they are.
func (r *service) await(ctx context.Context, live bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if live {
		go r.report(ctx)
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		r.watchOverload(ctx)
	}()
	r.running.Wait()
	cancel()
	<-told
}

// begin meters a live input until it is stopped. It can be reloaded when begin
// returns.
func (r *service) begin(in *runningInput) {
	in.started = true
	r.running.Go(func() { in.meterLive(r.ctx, r.partial) })
	<-in.meter.Begun()
}

// report tells the exporters the account from time to time.
func (r *service) report(ctx context.Context) {
	for tick := time.Tick(reportEvery); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			r.mu.RLock()
			meter.Report(r.out.meterExporters(), r.account())
			r.mu.RUnlock()
		}
	}
}

// account is that of all inputs since the run began.
func (r *service) account() *meter.Account {
	var ended []meter.InputAccount
	for i := range r.retired {
		ended = append(ended, r.retired[i].account)
	}
	for _, in := range r.leaving {
		ended = append(ended, in.meter.Account())
	}
	return meter.AccountOf(r.meters(), ended...)
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
	r.changing.Lock()
	defer r.changing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reloads.over = true
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
	for i := range r.retired {
		r.retired[i].print(report)
	}
	for _, in := range r.inputs {
		if len(r.inputs) > 1 || in.rings != nil {
			fmt.Fprintf(report, "input %s: %v\n", in.Name, in.Input)
		}
		account := in.meter.Account()
		printInput(report, &account, in.drops)
	}
}

// printInput prints the account of one input.
func printInput(w io.Writer, a *meter.InputAccount, drops string) {
	printSummary(w, a)
	printCapture(w, a.Captures, drops)
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
