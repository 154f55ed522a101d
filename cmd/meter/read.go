package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/capture"
)

type readCmd struct {
	meterFlags
	outputFlags
	Top         int           `default:"10" help:"Print this many of the largest flows; 0 for none."`
	Sort        string        `default:"octets" placeholder:"FIELD" help:"What the largest flows are chosen by: octets, packets, duration, start or a numeric field."`
	Count       uint64        `help:"Stop after this many packets."`
	Duration    time.Duration `help:"Stop after this much time of the trace."`
	Merge       bool          `help:"Read the traces together, in the order of their packets' times, not one after the other."`
	Against     string        `placeholder:"FILE" help:"Meter nothing, but compare the rule sets with those of FILE: which packets and octets go from where to where."`
	RulesReport bool          `help:"Print how many packets and octets each rule decided, and which decided none."`
	Quiet       bool          `short:"q" help:"Print neither summary nor progress."`
	Traces      []string      `arg:"" name:"trace" help:"Trace files (pcap, pcapng, ERF; plain or compressed), globs, or - for standard input."`
}

// Help is shown below the usage.
func (*readCmd) Help() string {
	return `Example: the ten largest flows of a capture, and all of them as JSON lines:

  meter read -o flows.jsonl capture.pcap.gz

With --config, the networks and rule sets are used; the exporters are not:
records go where --output says.`
}

// Run meters the traces.
func (c *readCmd) Run(a *app) error {
	settings, err := c.settings(ignoreService)
	if err != nil {
		return err
	}
	a.warn(settings.Warnings)
	settings.Meter.Limits = meter.Limits{Count: c.Count, Duration: c.Duration.Nanoseconds()}
	if err := onceStdin(c.Traces); err != nil {
		return err
	}
	paths, missing := capture.Expand(c.Traces)
	if len(paths) == 0 {
		return missing
	}
	if missing != nil {
		a.partial(missing)
	}
	if c.Against != "" {
		return c.compare(a, settings, paths)
	}
	out := newOutputs(false, a.log)
	var largest bytes.Buffer // shown below the account
	if c.Top > 0 && !c.Quiet {
		table, err := text.NewTable(&largest, text.TableConfig{Top: c.Top, Sort: c.Sort, Width: 0})
		if err != nil {
			return usageError{err}
		}
		_ = out.outlet("table", func() error { out.add("table", table); return nil })
	}
	out.inputs = paths
	if err := c.addAll(out, settings.ID, a.stdout); err != nil {
		return err
	}
	if err := out.holdSampling(settings); err != nil {
		return usageError{err}
	}
	report := a.stdout
	if out.onStdout {
		report = a.stderr
	}
	return c.meter(a, settings, paths, out, func(m *meter.Meter) error {
		var account bytes.Buffer
		a := m.Account()
		printSummary(&account, &a)
		if c.RulesReport {
			printRules(&account, meter.RuleReports(m))
		}
		account.Write(largest.Bytes())
		_, err := account.WriteTo(report)
		return err
	})
}

// onceStdin refuses to read standard input twice.
func onceStdin(traces []string) error {
	if i := slices.Index(traces, "-"); i >= 0 && slices.Contains(traces[i+1:], "-") {
		return usageError{errors.New("standard input (-) is named twice: it can be read once")}
	}
	return nil
}

// meter runs the meter over the traces and prints its account.
func (c *readCmd) meter(a *app, s *meter.Settings, paths []string, out *outputs, report func(*meter.Meter) error) error {
	m := meter.New(s.Meter, out.meterExporters())
	in := newInputs(paths)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := newWatch(a, out, m.Stop, cancel)
	if !c.Quiet {
		defer in.showProgress(a.stderr)()
	}
	out.start(ctx)
	balance := m.Run(in.open(c.Merge), a.partial)
	meter.Finish(out.meterExporters(), meter.AccountOf([]*meter.Meter{m}))
	lost := out.wait()
	w.end()
	for _, err := range []error{balance, lost} {
		if err != nil {
			a.partial(err)
		}
	}
	if w.hungUp {
		return nil
	}
	if !c.Quiet {
		if err := report(m); err != nil && !errors.Is(err, syscall.EPIPE) {
			a.partial(err)
		}
	}
	if n, ok := w.signal.(syscall.Signal); ok {
		a.status = 128 + int(n)
	}
	return nil
}
