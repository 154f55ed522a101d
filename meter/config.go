package meter

import (
	"errors"
	"fmt"
	"os"

	"flowmeter/meter/conf"
	"flowmeter/rules"
)

// Settings is a whole configuration, as a file says it.
type Settings struct {
	ID       uint32 // observation domain
	Name     string
	Inputs   []Input
	Meter    Config
	Networks *rules.Networks
	Warnings conf.Errors
}

// Limits of what a configuration may ask for.
const (
	maxWorkers = 64
	maxCache   = 1 << 24
	maxSample  = 1 << 24
)

// DefaultSettings is what an empty configuration means.
func DefaultSettings() *Settings {
	s := &Settings{ID: 1, Meter: Config{Workers: 1, CacheSize: 1 << 17}, Networks: rules.DefaultNetworks()}
	s.Name, _ = os.Hostname() // without one, the name stays empty
	return s
}

// ParseSettings reads a configuration. The lists of networks that it does not
// name are those of base. What meter knows nothing of, as the exporters, is
// read by the functions in more, by key. All mistakes are returned at once as
// conf.Errors.
func ParseSettings(file string, src []byte, base *rules.Networks, more conf.Fields) (*Settings, error) {
	doc, c := conf.Parse(file, src)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return ReadSettings(doc, base, more)
}

// ReadSettings is ParseSettings of a document.
func ReadSettings(doc conf.Value, base *rules.Networks, more conf.Fields) (*Settings, error) {
	c := doc.C
	s := DefaultSettings()
	s.Networks = base
	var networks, sets, subroutines, rulesets conf.Value
	keep := func(to *conf.Value) func(conf.Value) { return func(v conf.Value) { *to = v } }
	fields := conf.Fields{
		"meter":       s.parseMeter,
		"networks":    keep(&networks),
		"sets":        keep(&sets),
		"subroutines": keep(&subroutines),
		"rulesets":    keep(&rulesets),
	}
	for key, read := range more {
		fields[key] = read
	}
	doc.Map(fields)
	// Rules name networks and sets wherever these stand in the file.
	s.Networks = s.Networks.With(networks)
	lists, subs := rules.ParseSets(sets, s.Networks), rules.ParseSubroutines(subroutines)
	if rulesets.Node != nil {
		s.Meter.RuleSets = rules.Parse(rulesets, s.Networks, lists, subs)
	} else {
		s.Meter.RuleSets = []*rules.RuleSet{rules.Default(s.Networks)}
	}
	for i := range s.Inputs {
		s.Inputs[i].finish(s.Networks, lists)
	}
	s.Warnings = c.Warned()
	return s, c.Err()
}

func (s *Settings) parseMeter(v conf.Value) {
	v.Map(conf.Fields{
		"id":             func(v conf.Value) { s.ID = uint32(v.Int(0, 1<<32-1)) },
		"name":           func(v conf.Value) { s.Name = v.Str() },
		"workers":        func(v conf.Value) { s.Meter.Workers = int(v.Int(1, maxWorkers)) },
		"decision_cache": func(v conf.Value) { s.Meter.CacheSize = int(v.Int(0, maxCache)) },
		"inputs":         func(v conf.Value) { s.Inputs = parseInputs(v) },
	})
}

// Validate returns what is wrong with the configuration, or nil.
func (c *Config) Validate() error {
	switch {
	case c.Workers < 1 || c.Workers > maxWorkers:
		return fmt.Errorf("workers: %d is out of range: 1 to %d", c.Workers, maxWorkers)
	case c.CacheSize < 0 || c.CacheSize > maxCache:
		return fmt.Errorf("decision_cache: %d is out of range: 0 to %d", c.CacheSize, maxCache)
	case c.Sample < 0 || c.Sample > maxSample:
		return fmt.Errorf("sample: %d is out of range: 1 to %d", c.Sample, maxSample)
	case len(c.RuleSets) == 0:
		return errors.New("no rule set")
	}
	for _, rs := range c.RuleSets {
		if err := rs.Validate(); err != nil {
			return fmt.Errorf("rule set %s: %w", rs.Name, err)
		}
	}
	return nil
}
