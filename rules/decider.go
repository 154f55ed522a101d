package rules

import "gopkg.in/yaml.v3"

// This file numbers the rules that decide: those with do: count, ignore or
// nomatch.

const (
	// EndOfRules is the number of no rule: the end of the list decided.
	EndOfRules uint16 = 0
	// NoRule is the number of packets that no rule was asked about.
	NoRule uint16 = 1<<16 - 1

	// beyond is the number of all rules that are too many to have their own.
	beyond = NoRule - 1
)

// A Decider is a rule that decides.
type Decider struct {
	At Place
	If string // as written; "" without a condition
	Do string // count, ignore or nomatch
}

// Deciders returns the rules that decide, in the order of their numbers, which
// begin at 1. Those of many more than 65,000 are not in it: the last number
// stands for them.
func (p *Program) Deciders() []Decider { return p.deciders }

// number returns a rule's number.
func (c *compiler) number(r *rule) int32 {
	if n := c.numbers[r.at.Node]; n != 0 {
		return int32(n) // a rule may be compiled more than once
	}
	if len(c.deciders) == int(beyond) {
		return int32(beyond)
	}
	d := Decider{At: r.place(), Do: actionNames[r.do]}
	if r.where.Node != nil {
		d.If = r.where.Value
	}
	c.deciders = append(c.deciders, d)
	n := uint16(len(c.deciders))
	if c.numbers == nil {
		c.numbers = map[*yaml.Node]uint16{}
	}
	c.numbers[r.at.Node] = n
	return int32(n)
}
