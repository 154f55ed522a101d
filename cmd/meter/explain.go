package main

import (
	"bufio"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"time"

	"flowmeter/meter"
	"flowmeter/meter/capture"
	"flowmeter/rules"
)

type explainCmd struct {
	meterFlags
	Packet   []uint64      `placeholder:"N" help:"Explain only these packets, numbered within each trace from 1, as Wireshark numbers them."`
	Show     string        `placeholder:"EXPR" help:"Explain only packets that the expression matches; the others are metered too."`
	Flow     []string      `placeholder:"ID" help:"Explain only the packets of these flows: the flowId of their records."`
	JSON     bool          `name:"json" help:"Print one JSON object for each packet."`
	All      bool          `help:"Print every rule that was tried, also in long runs of rules that are not true."`
	Count    uint64        `help:"Stop after this many packets."`
	Duration time.Duration `help:"Stop after this much time of the trace."`
	Merge    bool          `help:"Read the traces together, in the order of their packets' times, not one after the other."`
	Traces   []string      `arg:"" name:"trace" help:"Trace files (pcap, pcapng, ERF; plain or compressed), globs, or - for standard input."`
}

// Help is shown below the usage.
func (*explainCmd) Help() string {
	return `Example: why packet 12 was counted as it was, and which packets a record is made of:

  meter explain -r rules.yaml --packet 12 capture.pcap
  meter explain -r rules.yaml --flow 6f1ed002ab5595bd capture.pcap

For each packet and rule set: the rules that were tried, the values that they
looked at, the key, the direction and why, the verdict, and the flow.`
}

// Run explains packets of traces.
func (c *explainCmd) Run(a *app) error {
	settings, err := c.settings(ignoreService)
	if err != nil {
		return err
	}
	a.warn(settings.Warnings)
	settings.Meter.Limits = meter.Limits{Count: c.Count, Duration: c.Duration.Nanoseconds()}
	if err := onceStdin(c.Traces); err != nil {
		return err
	}
	chosen, err := c.choice(settings)
	if err != nil {
		return usageError{err}
	}
	paths, missing := capture.Expand(c.Traces)
	if len(paths) == 0 {
		return missing
	}
	if missing != nil {
		a.partial(missing)
	}
	out := bufio.NewWriter(a.stdout)
	show := newExplainText(out, c.All).packet
	if c.JSON {
		show = newExplainJSON(out).packet
	}
	shown := 0
	err = meter.Explain(settings.Meter, newInputs(paths).open(c.Merge), a.partial, func(x *meter.Explanation) error {
		if !chosen.has(x) {
			return nil
		}
		shown++
		return show(x)
	})
	if err = errors.Join(err, out.Flush()); err != nil && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	if err == nil && shown == 0 && !chosen.everything() {
		fmt.Fprintln(a.stderr, "meter: no such packet")
		a.status = max(a.status, exitPartial)
	}
	return nil
}

// choice says which packets are explained.
type choice struct {
	packets []uint64
	flows   []uint64
	filter  *rules.Filter
}

func (c *explainCmd) choice(s *meter.Settings) (*choice, error) {
	chosen := &choice{packets: c.Packet}
	for _, id := range c.Flow {
		n, err := strconv.ParseUint(id, 16, 64)
		if err != nil || len(id) != 16 {
			return nil, fmt.Errorf("--flow %s: a flowId has 16 hexadecimal digits", id)
		}
		chosen.flows = append(chosen.flows, n)
	}
	if c.Show == "" {
		return chosen, nil
	}
	var err error
	chosen.filter, err = rules.ParseFilter("--show", c.Show, s.Networks, nil)
	return chosen, err
}

func (c *choice) everything() bool { return c.packets == nil && c.flows == nil && c.filter == nil }

func (c *choice) has(x *meter.Explanation) bool {
	if c.packets != nil && !slices.Contains(c.packets, x.Number) {
		return false
	}
	if c.filter != nil && (x.Left != "" && x.Left != leftByFilter || !c.filter.Match(x.Headers, x.Data)) {
		return false
	}
	return c.flows == nil || slices.ContainsFunc(x.Sets, func(s meter.Explained) bool {
		return s.Fate.Verdict == rules.Counted && slices.Contains(c.flows, s.Flow.FlowID)
	})
}

// leftByFilter is meter.Explanation.Left of what --filter left out: its headers
// are known.
const leftByFilter = "filtered"
