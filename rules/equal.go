package rules

import "slices"

// Equal tells whether two rule sets make the same flows of the same packets, so
// that one may go on with those of the other. Comments, the layout of the file
// and lists that no rule names do not matter.
func (rs *RuleSet) Equal(o *RuleSet) bool {
	a, b := *rs, *o
	a.Program, b.Program, a.Overload, b.Overload = nil, nil, nil, nil
	return a == b && rs.Program.Equal(o.Program) && rs.Overload.equal(o.Overload)
}

// equal is of what may be nil.
func (o *Overload) equal(p *Overload) bool {
	if o == nil || p == nil {
		return o == p
	}
	return o.HighWater == p.HighWater && o.Flood == p.Flood && o.Overflow.Equal(p.Overflow) &&
		(o.Standby == nil) == (p.Standby == nil) && (o.Standby == nil || o.Standby.Equal(p.Standby))
}

// Equal tells whether two Programs say the same of every packet because they
// are the same, step by step. Programs that differ may still agree.
func (p *Program) Equal(o *Program) bool {
	return p.orient == o.orient && p.fused == o.fused && p.conversational == o.conversational &&
		p.decapsulate == o.decapsulate && slices.Equal(p.tests, o.tests) && p.distributions.Equal(&o.distributions) &&
		slices.Equal(p.code, o.code) && slices.Equal(p.names, o.names) && slices.Equal(p.prefixes, o.prefixes) &&
		slices.EqualFunc(p.spans, o.spans, slices.Equal) &&
		slices.EqualFunc(p.bitmaps, o.bitmaps, func(a, b *bitmap) bool { return *a == *b }) &&
		slices.EqualFunc(p.lists, o.lists, (*prefixList).equal) &&
		slices.EqualFunc(p.octets, o.octets, (*octetTest).equal) &&
		slices.EqualFunc(p.scans, o.scans, (*scanTest).equal) && p.nets.home.equal(o.nets.home)
}

func (l *prefixList) equal(o *prefixList) bool { return slices.Equal(l.prefixes, o.prefixes) }

// Equal tells whether two filters let the same packets through because they are
// the same. Either may be nil: no filter.
func (f *Filter) Equal(o *Filter) bool {
	if f == nil || o == nil {
		return f == o
	}
	return f.program.Equal(o.program)
}
