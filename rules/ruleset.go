package rules

import (
	"fmt"
	"time"

	"gopkg.in/yaml.v3"

	"flowmeter/meter/conf"
)

// Orient says which way round of a packet the rules see first.
type Orient uint8

const (
	Initiator Orient = iota // as on the wire, but replies swapped: see Program.Reply
	First                   // as on the wire
	Perimeter               // what crosses the border of home from outside to home
)

var orientNames = []string{"initiator", "first", "perimeter"}

// String returns initiator, first or perimeter.
func (o Orient) String() string { return orientNames[o] }

// ParseOrient reads what String returns.
func ParseOrient(s string) (Orient, error) {
	for i, name := range orientNames {
		if s == name {
			return Orient(i), nil
		}
	}
	return Initiator, conf.Error{File: "orient", Msg: "unknown value " + quote(s),
		Hint: "one of: initiator, first, perimeter"}
}

// The defaults of a rule set.
const (
	DefaultName      = "default"
	DefaultActive    = 60 * time.Second
	DefaultIdle      = 15 * time.Second
	DefaultTCPLinger = 2 * time.Second
	DefaultMaxFlows  = 1_000_000
)

// A RuleSet is one meter beside others over the same packets: its rules and
// how it keeps its flows (RFC 2722 §4.1).
type RuleSet struct {
	Name        string
	Orient      Orient
	Decapsulate Decapsulate   // which packet plain names mean
	Active      time.Duration // a flow's pieces are no longer than this
	Idle        time.Duration // a flow without packets ends after this
	TCPLinger   time.Duration // how long an ended TCP flow takes what still comes
	MaxFlows    int           // live flows at most
	Overload    *Overload     // nil: at the cap the flow least recently seen makes room
	Program     *Program
}

// SetOrient replaces the orient that the rule set was read with.
func (rs *RuleSet) SetOrient(o Orient) {
	p := *rs.Program
	p.setOrient(o)
	rs.Orient, rs.Program = o, &p
}

// SetDecapsulate replaces the decapsulate that the rule set was read with.
func (rs *RuleSet) SetDecapsulate(d Decapsulate) {
	p := *rs.Program
	p.decapsulate = d
	rs.Decapsulate, rs.Program = d, &p
}

// defaults returns a rule set with all but its Program.
func defaults() *RuleSet {
	return &RuleSet{Name: DefaultName, Active: DefaultActive, Idle: DefaultIdle,
		TCPLinger: DefaultTCPLinger, MaxFlows: DefaultMaxFlows}
}

// Default returns the rule set of a meter that was told no rules: IPv4 and
// IPv6 by the five-tuple, the rest ignored.
func Default(nets *Networks) *RuleSet {
	rs := defaults()
	rs.Program = compile(defaultRules(), nets, newNames(), rs.Orient)
	return rs
}

func defaultRules() []*rule {
	ip := func(name string) *cond { return &cond{kind: exprHas, field: fieldByName(name)} }
	neither := &cond{kind: exprNot, kids: []*cond{{kind: exprOr, kids: []*cond{ip("ip"), ip("ipv6")}}}}
	c := &conf.Collector{File: DefaultName}
	at := func(line int, text string) conf.Value {
		return conf.Value{Node: &yaml.Node{Kind: scalarNode, Value: text, Line: line, Column: 1}, C: c}
	}
	return []*rule{{at: at(1, ""), where: at(1, "!(ip || ipv6)"), cond: neither, do: doIgnore}, {at: at(2, ""), do: doCount}}
}

const maxRuleSets = 256

// Parse reads the value of `rulesets:`, a list of rule sets, and returns those
// that run by themselves; standbys are in their Overload. Mistakes go
// to v's Collector; what it returns is to be used only if there are none.
func Parse(v conf.Value, nets *Networks, sets Sets, subs Subroutines) []*RuleSet {
	p := &reader{nets: nets, sets: sets, subs: subs, left: maxRules}
	defer subs.warnUncalled()
	var all []readSet
	if v.Kind == sequenceNode && len(v.Content) > maxRuleSets {
		v.Errorf("", "more than %d rule sets", maxRuleSets)
		return nil
	}
	seen := map[string]bool{}
	v.Each(func(item conf.Value) {
		rs := p.ruleSet(item)
		if seen[rs.Name] {
			rs.name.Errorf("give each a name: of its own", "two rule sets have the name %q", rs.Name)
		}
		seen[rs.Name] = true
		all = append(all, rs)
	})
	run := running(all, nets)
	if len(run) == 0 && len(all) > 0 {
		v.Errorf("leave out runs: standby in one", "every rule set is a standby")
	}
	return run
}

// ParseFile reads a file of rules: the keys networks, sets, subroutines and
// rulesets, as in a configuration, or a bare list: the rules of one rule set
// "default".
// Lists of networks that the file does not name are those of nets.
func ParseFile(v conf.Value, nets *Networks) ([]*RuleSet, *Networks) {
	if v.Kind == sequenceNode {
		p := &reader{nets: nets, left: maxRules}
		rs := defaults()
		p.program(rs, v, v)
		return []*RuleSet{rs}, nets
	}
	var networks, sets, subroutines, rulesets conf.Value
	v.Map(conf.Fields{
		"networks":    func(v conf.Value) { networks = v },
		"sets":        func(v conf.Value) { sets = v },
		"subroutines": func(v conf.Value) { subroutines = v },
		"rulesets":    func(v conf.Value) { rulesets = v },
	})
	nets = nets.With(networks)
	all, subs := ParseSets(sets, nets), ParseSubroutines(subroutines)
	if rulesets.Node == nil {
		return []*RuleSet{Default(nets)}, nets
	}
	return Parse(rulesets, nets, all, subs), nets
}

const (
	shortest = time.Millisecond
	longest  = 30 * 24 * time.Hour
	mostFlow = 1 << 30
)

// Validate returns what of a rule set's timeouts and cap is out of range, or nil.
func (rs *RuleSet) Validate() error {
	for _, d := range []struct {
		name  string
		is    time.Duration
		least time.Duration
	}{{"active", rs.Active, shortest}, {"idle", rs.Idle, shortest}, {"tcp_linger", rs.TCPLinger, 0}} {
		if d.is < d.least || d.is > longest {
			return fmt.Errorf("%s: %v is out of range: %v to %v", d.name, d.is, d.least, longest)
		}
	}
	if rs.MaxFlows < 1 || rs.MaxFlows > mostFlow {
		return fmt.Errorf("max_flows: %d is out of range: 1 to %d", rs.MaxFlows, mostFlow)
	}
	if rs.Overload == nil {
		return nil
	}
	if s := rs.Overload.Standby; s != nil {
		if err := s.Validate(); err != nil {
			return fmt.Errorf("standby %s: %w", s.Name, err)
		}
	}
	return rs.Overload.Validate()
}

// ruleSet reads one rule set.
func (p *reader) ruleSet(v conf.Value) readSet {
	rs, list := readSet{RuleSet: defaults(), name: v}, conf.Value{}
	v.Map(conf.Fields{
		"name": func(v conf.Value) { rs.name, rs.Name = v, setName(v) },
		"runs": func(v conf.Value) { rs.standby = v.Enum("always", "standby") == 1 },
		"orient": func(v conf.Value) {
			rs.Orient = Orient(v.Enum(orientNames...))
		},
		"decapsulate": func(v conf.Value) { rs.Decapsulate = Decapsulate(v.Enum(decapsulateNames...)) },
		"timeouts": func(v conf.Value) {
			v.Map(conf.Fields{
				"active":     func(v conf.Value) { rs.Active = v.Duration(shortest, longest) },
				"idle":       func(v conf.Value) { rs.Idle = v.Duration(shortest, longest) },
				"tcp_linger": func(v conf.Value) { rs.TCPLinger = v.Duration(0, longest) },
			})
		},
		"max_flows": func(v conf.Value) { rs.MaxFlows = int(v.Int(1, mostFlow)) },
		"overload":  func(v conf.Value) { rs.Overload, rs.overload = parseOverload(v) },
		"rules":     func(v conf.Value) { list = v },
	})
	p.program(rs.RuleSet, v, list)
	rs.Program.decapsulate = rs.Decapsulate
	return rs
}

// setName reads the name of a rule set; it becomes a label of metrics.
func setName(v conf.Value) string {
	name := v.Str()
	if name == "" || len(name) > maxNameLen {
		v.Errorf("", "the name of a rule set has 1 to %d octets", maxNameLen)
	}
	return name
}

// program compiles the rules of a rule set. One without `rules:` has the
// default rules, so that timeouts can be set without writing any.
func (p *reader) program(rs *RuleSet, v, list conf.Value) {
	if list.Node == nil {
		rs.Program = compile(defaultRules(), p.nets, newNames(), rs.Orient)
		return
	}
	p.names, p.calls = newNames(), newCalls()
	before := len(v.C.Errors)
	rules := p.rules(list, 0)
	p.check(rules)
	p.checkCalled()
	if len(v.C.Errors) > before {
		rules = nil // half of them have no meaning
	} else {
		p.warn(rs, list, rules)
	}
	rs.Program = compile(rules, p.nets, p.names, rs.Orient)
}
