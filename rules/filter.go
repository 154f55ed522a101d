package rules

import (
	"gopkg.in/yaml.v3"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
)

// A Filter is an expression alone, for choosing packets before any rule set
// sees them. It never changes and is safe for concurrent use.
type Filter struct{ program *Program }

// ParseFilter reads an expression. where names its origin in errors: a flag.
func ParseFilter(where, text string, nets *Networks, sets Sets) (*Filter, error) {
	c := &conf.Collector{File: where}
	at := conf.Value{Node: &yaml.Node{Kind: scalarNode, Tag: "!!str", Value: text, Line: 1, Column: 1}, C: c}
	p := &reader{nets: nets, sets: sets, names: newNames(), left: maxRules}
	r := &rule{at: at, where: at, do: doCount, explicit: true}
	r.expr = p.parseIf(at)
	p.check([]*rule{r})
	if err := c.Err(); err != nil {
		return nil, err
	}
	return &Filter{compile([]*rule{r}, nets, p.names, First)}, nil
}

// Match tells whether the expression is true of a packet as it was sent.
func (f *Filter) Match(h *packet.Headers) bool {
	var key Key
	s := state{h: h, have: haveOf(h), key: &key}
	return f.program.try(&s, f.program.nets.Class(h), false) == Counted
}
