package rules

import (
	"fmt"
	"slices"
	"strings"

	"flowmeter/meter/conf"
)

// Overload says what becomes of packets that would begin a flow while the table
// of their rule set is nearly full (RFC 2722 §4.6, §5.2). Packets of flows that
// are there go on being counted in them.
type Overload struct {
	// HighWater is the per cent of MaxFlows from which on such packets are
	// given to Standby. Valid if there is one.
	HighWater int
	Standby   *RuleSet // nil for none

	// Flood is the per cent of MaxFlows from which on they are given to
	// Overflow: of the standby's MaxFlows if there is one, else of the rule
	// set's own.
	Flood    int
	Overflow *RuleSet // built in: one flow for each class
}

// The defaults of the marks, in per cent.
const (
	DefaultHighWater = 90
	DefaultFlood     = 98
)

// overflowSuffix is what the name of a rule set's overflow has behind its own.
const overflowSuffix = " overflow"

// overflowRules put every packet into the flow of its class.
const overflowRules = `
- {if: 'class == "in"', save: [], set: {class: in}, do: count}
- {if: 'class == "out"', save: [], set: {class: out}, do: count}
- {if: 'class == "internal"', save: [], set: {class: internal}, do: count}
- {if: 'class == "transit"', save: [], set: {class: transit}, do: count}
- {save: [], do: count} # no IP
`

// newOverflow makes the rule set of one flow for each class that takes what
// another has no room for. Its timeouts are those of the other one.
func newOverflow(of *RuleSet, nets *Networks) *RuleSet {
	rs := defaults()
	rs.Name, rs.Orient = of.Name+overflowSuffix, First
	rs.Active, rs.Idle, rs.TCPLinger, rs.MaxFlows = of.Active, of.Idle, 0, int(NumClasses)
	v, _ := conf.Parse("overflow", []byte(overflowRules))
	p := &reader{nets: nets, left: maxRules}
	p.program(rs, v, v)
	return rs
}

// Reserves returns the rule sets that take what this one has no room for: its
// standby, if there is one, then its overflow; none without `overload:`.
func (rs *RuleSet) Reserves() []*RuleSet {
	switch o := rs.Overload; {
	case o == nil:
		return nil
	case o.Standby == nil:
		return []*RuleSet{o.Overflow}
	default:
		return []*RuleSet{o.Standby, o.Overflow}
	}
}

// Validate returns what of the marks is out of range, or nil.
func (o *Overload) Validate() error {
	for _, mark := range []struct {
		name string
		is   int
	}{{"high_water", o.HighWater}, {"flood", o.Flood}} {
		if mark.is < 1 || mark.is > 100 {
			return fmt.Errorf("%s: %d%% is out of range: 1%% to 100%%", mark.name, mark.is)
		}
	}
	if o.Standby != nil && o.HighWater > o.Flood {
		return fmt.Errorf("high_water, %d%%, is above flood, %d%%", o.HighWater, o.Flood)
	}
	return nil
}

// overloadAt is an `overload:` as it stands in the file.
type overloadAt struct {
	at, standby, highWater conf.Value // the last two have no Node where they are not there
}

// parseOverload reads `overload:`; with nothing behind it, it means the defaults. The standby is found once all rule sets are
// known.
func parseOverload(v conf.Value) (*Overload, overloadAt) {
	o, at := &Overload{HighWater: DefaultHighWater, Flood: DefaultFlood}, overloadAt{at: v}
	if v.IsNull() {
		return o, at
	}
	before := len(v.C.Errors)
	v.Map(conf.Fields{
		"high_water": func(v conf.Value) { at.highWater, o.HighWater = v, v.Percent(1, 100) },
		"standby":    func(v conf.Value) { at.standby = v },
		"flood":      func(v conf.Value) { o.Flood = v.Percent(1, 100) },
	})
	switch {
	case len(v.C.Errors) > before:
	case at.standby.Node == nil && at.highWater.Node != nil:
		at.highWater.Errorf("write standby: beside it, or flood: alone", "high_water without a standby")
	case at.standby.Node != nil && o.HighWater > o.Flood:
		v.Errorf("the standby takes over at high_water, the overflow flows after it at flood",
			"high_water, %d%%, is above flood, %d%%", o.HighWater, o.Flood)
	}
	return o, at
}

// readSet is a rule set with the places of what concerns others.
type readSet struct {
	*RuleSet
	name     conf.Value
	standby  bool // runs only where another one gives way to it
	overload overloadAt
}

// running gives each rule set its standby and its overflow, and returns those
// that run by themselves.
func running(all []readSet, nets *Networks) (run []*RuleSet) {
	byName := map[string]*readSet{}
	for i := range all {
		byName[all[i].Name] = &all[i]
	}
	taken := map[*RuleSet]string{}
	for i := range all {
		rs := &all[i]
		if !rs.standby {
			run = append(run, rs.RuleSet)
		}
		if rs.Overload != nil {
			rs.finishOverload(byName, taken, nets)
		}
	}
	for i := range all {
		rs := &all[i]
		if rs.standby && taken[rs.RuleSet] == "" {
			rs.name.Warnf("name it: overload: {standby: "+rs.Name+"}", "no rule set gives way to the standby %q", rs.Name)
		}
	}
	return run
}

// finishOverload finds the standby of a rule set and makes its overflow. taken
// tells which standbys have been found before, and for whom.
func (rs *readSet) finishOverload(byName map[string]*readSet, taken map[*RuleSet]string, nets *Networks) {
	if rs.standby {
		rs.overload.at.Errorf("its flood mark is that of the rule set that gives way to it", "a standby has no overload: of its own")
		return
	}
	rs.Overload.Overflow = newOverflow(rs.RuleSet, nets)
	if other := byName[rs.Overload.Overflow.Name]; other != nil {
		other.name.Errorf("give it another name", "%q is the name of the overflow flows of %s", other.Name, rs.Name)
	}
	at := rs.overload.standby
	if at.Node == nil {
		return
	}
	name := at.Str()
	switch s := byName[name]; {
	case name == rs.Name:
		at.Errorf("name another one, with runs: standby", "a rule set cannot be its own standby")
	case s == nil:
		at.Errorf(knownStandbys(byName), "there is no rule set %q", name)
	case !s.standby:
		at.Errorf("write runs: standby in it", "the rule set %q runs by itself", name)
	case s.Decapsulate != rs.Decapsulate:
		at.Errorf("write the same decapsulate: in both", "the standby %q has decapsulate: %v, %s has decapsulate: %v",
			name, s.Decapsulate, rs.Name, rs.Decapsulate)
	case s.Program.LooksInside():
		at.Errorf("test them in "+rs.Name, "the rules of the standby %q test tunnels, outer. or inner. fields: what it is given has left them behind", name)
	case taken[s.RuleSet] != "":
		at.Errorf("write one for each", "%q is the standby of %s already", name, taken[s.RuleSet])
	default:
		taken[s.RuleSet] = rs.Name
		rs.Overload.Standby = s.RuleSet
	}
}

func knownStandbys(byName map[string]*readSet) string {
	var names []string
	for name, s := range byName {
		if s.standby {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "write one with runs: standby"
	}
	slices.Sort(names)
	return "standbys here: " + strings.Join(names, ", ")
}
