package rules

import (
	"gopkg.in/yaml.v3"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
)

// A Filter is an expression alone, for choosing packets before any rule set
// sees them. It never changes and is safe for concurrent use.
type Filter struct {
	program *Program
	cond    *cond // what program was compiled from
}

// ParseFilter reads an expression. where names its origin in errors: a flag.
func ParseFilter(where, text string, nets *Networks, sets Sets) (*Filter, error) {
	c := &conf.Collector{File: where}
	at := conf.Value{Node: &yaml.Node{Kind: scalarNode, Tag: "!!str", Value: text, Line: 1, Column: 1}, C: c}
	f := ReadFilter(at, nets, sets)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

// ReadFilter is ParseFilter of an expression in a configuration. Its mistakes
// go to the value's Collector; what it returns is to be used only if there are
// none.
func ReadFilter(at conf.Value, nets *Networks, sets Sets) *Filter {
	p := &reader{nets: nets, sets: sets, names: newNames(), left: maxRules}
	r := &rule{at: at, where: at, do: doCount, explicit: true}
	before := len(at.C.Errors)
	r.expr = p.parseIf(at)
	p.check([]*rule{r})
	if len(at.C.Errors) > before {
		return nil
	}
	return &Filter{compile([]*rule{r}, nets, p.names, First), r.cond}
}

// Match tells whether the expression is true of a packet as it was sent; data is
// the frame that h was decoded from.
func (f *Filter) Match(h *packet.Headers, data []byte) bool {
	var key Key
	s := state{h: h, data: data, have: haveOf(h), key: &key}
	return f.program.try(&s, f.program.nets.Class(h), false) == Counted
}
