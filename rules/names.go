package rules

import "slices"

const (
	firstName = 256 // numbers below are the user's own
	maxNames  = 1<<16 - firstName
	maxVars   = 32
)

// homeNames are the names that `class` has before any set:, numbered as the
// Classes are, so that one number space holds both.
var homeNames = []string{"none", "in", "out", "internal", "transit"}

// names numbers the names and variables of one rule set, in order of
// appearance.
type names struct {
	list   []string
	number map[string]uint16
	given  map[string][]string // target of set: → names given to it
	vars   []*field
	tested map[string]bool // names of variables that an expression tests

	measured [NumQuantities]measured
}

func newNames() *names {
	return &names{number: map[string]uint16{}, given: map[string][]string{}, tested: map[string]bool{}}
}

// intern returns the number of a name that set: gives to target; false if
// there are too many names.
func (n *names) intern(target, name string) (uint16, bool) {
	if !slices.Contains(n.given[target], name) {
		n.given[target] = append(n.given[target], name)
	}
	if i := slices.Index(homeNames, name); i >= 0 && target == "class" {
		return uint16(i), true
	}
	if num, known := n.number[name]; known {
		return num, true
	}
	if len(n.list) == maxNames {
		return 0, false
	}
	num := uint16(firstName + len(n.list))
	n.number[name] = num
	n.list = append(n.list, name)
	return num, true
}

// lookup returns the number of a name that target can have.
func (n *names) lookup(target, name string) (uint16, bool) {
	if i := slices.Index(homeNames, name); i >= 0 && target == "class" {
		return uint16(i), true
	}
	num := n.number[name]
	return num, slices.Contains(n.given[target], name)
}

// known returns the names that target can have.
func (n *names) known(target string) []string {
	if target == "class" {
		return append(slices.Clone(homeNames), n.given[target]...)
	}
	return n.given[target]
}

// variable returns the field of a variable and makes it if need be; nil if
// there are too many.
func (n *names) variable(name string) *field {
	if f := n.find(name); f != nil {
		return f
	}
	if len(n.vars) == maxVars {
		return nil
	}
	f := &field{name: name, typ: typeName, max: max16, from: of(getVar+getter(len(n.vars)), 0)}
	n.vars = append(n.vars, f)
	return f
}

func (f *field) isVariable() bool { return f.typ == typeName && f.attr == 0 }

func (n *names) find(name string) *field {
	for _, f := range n.vars {
		if f.name == name {
			return f
		}
	}
	return nil
}

// distributions returns what the rules measure.
func (n *names) distributions() (ds Distributions) {
	for q := range ds {
		ds[q] = n.measured[q].as
	}
	return ds
}
