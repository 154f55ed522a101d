package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"flowmeter/meter"
	"flowmeter/meter/conf"
	"flowmeter/rules"
)

// meterFlags are what read, run and check have in common. A flag wins over
// what the configuration says.
type meterFlags struct {
	Config      string         `short:"c" placeholder:"FILE" help:"Read the configuration from FILE."`
	Rules       string         `short:"r" placeholder:"FILE" help:"Use the rule sets of FILE."`
	Home        []string       `placeholder:"CIDR" help:"The home networks, with commas between them."`
	Filter      string         `placeholder:"EXPR" help:"Meter only packets that the expression matches."`
	Orient      string         `placeholder:"HOW" help:"Which way round packets are tried first: initiator, perimeter or first."`
	Decapsulate string         `placeholder:"WHICH" help:"Which packet is metered where one carries others in tunnels: none, the one that was sent, or innermost."`
	Active      *time.Duration `placeholder:"DURATION" help:"Close a piece of a flow after this long."`
	Idle        *time.Duration `placeholder:"DURATION" help:"End a flow this long after its last packet."`
	MaxFlows    *int           `placeholder:"N" help:"Keep at most this many flows of each rule set."`
	Sample      *int           `placeholder:"N" help:"Meter one packet in N, chosen at random."`
	Workers     *int           `placeholder:"N" help:"Meter with this many goroutines."`
}

// settings reads the configuration, or takes the defaults, and puts the flags
// over it. more reads what the meter knows nothing of, as in
// meter.ParseSettings.
func (f *meterFlags) settings(more conf.Fields) (*meter.Settings, error) {
	base := rules.DefaultNetworks()
	if len(f.Home) > 0 {
		var err error
		if base, err = rules.ParseHome(f.Home); err != nil {
			return nil, usageError{err}
		}
	}
	var src []byte
	if f.Config != "" {
		var err error
		if src, err = readFile(f.Config); err != nil {
			return nil, usageError{err}
		}
	}
	s, err := meter.ParseSettings(f.Config, src, base, more)
	if err == nil {
		err = f.apply(s)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return s, nil
}

func (f *meterFlags) apply(s *meter.Settings) error {
	if f.Rules != "" {
		if err := f.readRules(s); err != nil {
			return err
		}
	}
	if f.Filter != "" {
		filter, err := rules.ParseFilter("--filter", f.Filter, s.Networks, nil)
		if err != nil {
			return err
		}
		s.Meter.Filter = filter
	}
	if f.Workers != nil {
		s.Meter.Workers = *f.Workers
	}
	if f.Sample != nil {
		s.Meter.Sample = *f.Sample
	}
	for _, rs := range s.Meter.RuleSets {
		if err := f.applyTo(rs); err != nil {
			return err
		}
		if err := f.applyToReserves(rs); err != nil {
			return err
		}
	}
	return s.Meter.Validate()
}

// applyToReserves puts the flags over the standby of a rule set as over any
// other. Its overflow is built in, but for the timeouts, which are its own.
func (f *meterFlags) applyToReserves(rs *rules.RuleSet) error {
	if rs.Overload == nil {
		return nil
	}
	rs.Overload.Overflow.Active, rs.Overload.Overflow.Idle = rs.Active, rs.Idle
	if rs.Overload.Standby == nil {
		return nil
	}
	return f.applyTo(rs.Overload.Standby)
}

// applyTo puts the flags that speak of rule sets over one of them.
func (f *meterFlags) applyTo(rs *rules.RuleSet) error {
	for _, d := range []struct {
		flag string
		from *time.Duration
		to   *time.Duration
	}{{"--active", f.Active, &rs.Active}, {"--idle", f.Idle, &rs.Idle}} {
		if d.from == nil {
			continue
		}
		if *d.from <= 0 {
			return fmt.Errorf("%s %v: a timeout is positive", d.flag, *d.from)
		}
		*d.to = *d.from
	}
	if f.MaxFlows != nil {
		if *f.MaxFlows < 1 {
			return fmt.Errorf("--max-flows %d: at least one flow", *f.MaxFlows)
		}
		rs.MaxFlows = *f.MaxFlows
	}
	return f.applyNames(rs)
}

// applyNames puts the flags whose values are words over a rule set.
func (f *meterFlags) applyNames(rs *rules.RuleSet) error {
	if f.Orient != "" {
		o, err := rules.ParseOrient(f.Orient)
		if err != nil {
			return fmt.Errorf("--%w", err)
		}
		rs.SetOrient(o)
	}
	if f.Decapsulate != "" {
		d, err := rules.ParseDecapsulate(f.Decapsulate)
		if err != nil {
			return fmt.Errorf("--%w", err)
		}
		rs.SetDecapsulate(d)
	}
	return nil
}

// readFile reads a file that the command line names; its errors begin with the name.
func readFile(path string) ([]byte, error) {
	src, err := os.ReadFile(path)
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return nil, fmt.Errorf("%s: %w", path, failed.Err)
	}
	return src, err
}

func (f *meterFlags) readRules(s *meter.Settings) error {
	src, err := readFile(f.Rules)
	if err != nil {
		return err
	}
	doc, c := conf.Parse(f.Rules, src)
	if err := c.Err(); err != nil {
		return err
	}
	s.Meter.RuleSets, s.Networks = rules.ParseFile(doc, s.Networks)
	s.Warnings = append(s.Warnings, c.Warned()...)
	return c.Err()
}

// warn prints what is allowed but hardly meant.
func (a *app) warn(ws conf.Errors) {
	for _, w := range ws {
		fmt.Fprintf(a.stderr, "meter: warning: %v\n", w)
	}
}

// outputFlags say where records go.
type outputFlags struct {
	Output []string `short:"o" sep:"none" placeholder:"WHERE" help:"Where records go; may stand several times: - (JSON lines on standard output), FILE.jsonl, FILE.csv, FILE.ipfix, csv:-, ipfix://HOST:PORT, ipfix+tcp://, ipfix+tls://, netflow9://, netflow5://."`
	Biflow string   `placeholder:"HOW" help:"Export both directions in one record (pair) or in two (split)."`
	Times  string   `placeholder:"PRECISION" help:"Precision of exported times: seconds, milliseconds, microseconds or nanoseconds."`
}

// precisions are the words of --times, in the order of flow.Precision.
var precisions = []string{"milliseconds", "seconds", "microseconds", "nanoseconds"}

// oneOf returns the index of a word, or an error that names all of them.
func oneOf(flag, word string, words []string) (int, error) {
	i := slices.Index(words, word)
	if i < 0 {
		return 0, usageError{fmt.Errorf("%s %s: one of %s", flag, word, strings.Join(words, ", "))}
	}
	return i, nil
}
