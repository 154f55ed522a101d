package main

import (
	"fmt"
	"io"
	"strings"

	"flowmeter/meter"
	"flowmeter/rules"
)

type checkCmd struct {
	meterFlags
	Program bool   `help:"Print the compiled program of each rule set."`
	Diff    string `placeholder:"OLD" help:"Say what becomes of each part of the configuration OLD when a running meter reloads the one of --config."`
}

// Help is shown below the usage.
func (*checkCmd) Help() string {
	return `Example:

  meter check -c /etc/meter/config.yaml
  meter check -c new.yaml --diff /etc/meter/config.yaml

All mistakes are printed at once, each with file, line and column; the exit
status is then 2.`
}

// Run constructs everything and starts nothing.
func (c *checkCmd) Run(a *app) error {
	out := newOutputs(true, a.log)
	out.dry = true
	var section exporterSection
	s, err := c.settings(section.fields())
	if err != nil {
		return err
	}
	if err := section.build(out, s); err != nil {
		return usageError{err}
	}
	if err := out.holdSampling(s); err != nil {
		return usageError{err}
	}
	a.warn(s.Warnings)
	for _, rs := range s.Meter.RuleSets {
		for _, one := range append([]*rules.RuleSet{rs}, rs.Reserves()...) {
			a.warn(one.Lint())
		}
	}
	meter.New(s.Meter, out.meterExporters())
	if c.Diff != "" {
		return c.compare(a, s, &section)
	}
	return c.describe(a, s, out, &section)
}

// compare says what a reload would change.
func (c *checkCmd) compare(a *app, s *meter.Settings, section *exporterSection) error {
	old := c.meterFlags
	old.Config = c.Diff
	var before exporterSection
	was, err := old.settings(before.fields())
	if err != nil {
		return err
	}
	d := difference{w: a.stdout, before: was, after: s, from: &before, to: section}
	return d.print()
}

// describe says what would run.
func (c *checkCmd) describe(a *app, s *meter.Settings, out *outputs, section *exporterSection) error {
	fmt.Fprintf(a.stdout, "meter %d %q, %s\n", s.ID, s.Name, plural(uint64(s.Meter.Workers), "worker"))
	if c.Config != "" && len(s.Inputs) == 0 {
		fmt.Fprintln(a.stdout, "no inputs: enough for meter read; meter run also needs -i, the service meter an input here")
	}
	for _, in := range s.Inputs {
		fmt.Fprintf(a.stdout, "input %s: %v%s\n", in.Name, &in, describeSampling(sampleOf(s, &in)))
		if in.Live == nil {
			continue
		}
		plan, err := in.ForKernel(&s.Meter)
		if err != nil {
			return usageError{err}
		}
		fmt.Fprintf(a.stdout, "input %s: the kernel %v\n", in.Name, plan)
	}
	var home []string
	for _, p := range s.Networks.Home() {
		home = append(home, p.String())
	}
	fmt.Fprintf(a.stdout, "home: %s\n", strings.Join(home, ", "))
	for _, rs := range s.Meter.RuleSets {
		fmt.Fprintf(a.stdout, "rule set %s\n", describeRuleSet(rs))
		if u := rs.Unbounded(); u != nil {
			fmt.Fprintf(a.stdout, "  keys without a bound: %s of anybody (%v)\n", u.Name, u.At)
		}
		describeOverload(a.stdout, rs.Overload)
		if c.Program {
			rs.Program.List(a.stdout)
		}
	}
	for _, q := range out.queues {
		fmt.Fprintf(a.stdout, "exporter %s\n", q.Name())
	}
	if web := section.web.served; web != nil {
		fmt.Fprintf(a.stdout, "web %s\n", describeWeb(web))
	}
	fmt.Fprintln(a.stdout, "ok")
	return nil
}

func describeRuleSet(rs *rules.RuleSet) string {
	kind := "aggregating"
	if rs.Program.Conversational() {
		kind = "conversational"
	}
	if rs.Decapsulate != rules.Outermost {
		kind += fmt.Sprintf(", decapsulate %v (flows are kept by one worker)", rs.Decapsulate)
	}
	return fmt.Sprintf("%s: %s, orient %v, active %v, idle %v, tcp_linger %v, at most %d flows",
		rs.Name, kind, rs.Orient, rs.Active, rs.Idle, rs.TCPLinger, rs.MaxFlows)
}

// describeOverload says what a rule set gives way to.
func describeOverload(w io.Writer, o *rules.Overload) {
	switch {
	case o == nil:
	case o.Standby == nil:
		fmt.Fprintf(w, "  at %d%% of its flows: %s\n", o.Flood, o.Overflow.Name)
	default:
		fmt.Fprintf(w, "  at %d%% of its flows: %s\n", o.HighWater, describeRuleSet(o.Standby))
		fmt.Fprintf(w, "  at %d%% of those: %s\n", o.Flood, o.Overflow.Name)
	}
}
