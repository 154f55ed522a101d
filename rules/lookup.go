package rules

import (
	"cmp"
	"net/netip"
	"slices"
)

// This file finds out which rules of a list can be looked up, and makes the
// tables of their dispatch.

const (
	fewRules    = 8   // a table of fewer rules is not worth its look-up
	manyNumbers = 64  // a table of as many numbers of 16 bits is a short one
	fewValues   = 64  // values that may be in any number of tables
	maxCopies   = 4   // tables that more values may be in, so that memory stays linear
	maxPlans    = 16  // ways to look up a rule that are considered
	wholeRange  = 1.0 // the breadth of a test that is true of every value
)

// A plan is a way to look up a rule: packets match it only if one of the
// tests is true of them.
type plan []*cond

// A tableID tells which table a test belongs into.
type tableID struct {
	reading
	varies bool
}

// A planner chooses a plan for each rule of a list.
type planner struct {
	c      *compiler
	list   []*rule
	plans  [][]plan
	tests  map[testID]*use
	chosen []plan
}

// A use is what all plans together would make of one test.
type use struct {
	rules   int     // that could be looked up by it
	breadth float64 // part of all possible values that it looks for
}

// A testID tells what a test looks for, and where.
type testID struct {
	reading
	want valuesID
}

// A valuesID tells values apart: one value by what it is, more by where they are.
type valuesID struct {
	span   span
	prefix netip.Prefix
	spans  *span
	prefs  *netip.Prefix
}

func (vs *values) id() (id valuesID) {
	switch {
	case len(vs.spans) == 1:
		id.span = vs.spans[0]
	case len(vs.spans) > 1:
		id.spans = &vs.spans[0]
	case len(vs.prefixes) == 1:
		id.prefix = vs.prefixes[0]
	case len(vs.prefixes) > 1:
		id.prefs = &vs.prefixes[0]
	}
	return id
}

// dispatch returns the dispatch of a list, or nil if there are too few rules
// to look up. Its starts are yet to be placed.
func (c *compiler) dispatch(list []*rule) *dispatch {
	if len(list) < fewRules {
		return nil
	}
	p := &planner{c: c, list: list, tests: map[testID]*use{}, chosen: make([]plan, len(list))}
	for _, r := range list {
		p.plans = append(p.plans, c.plansOf(r))
	}
	for _, plans := range p.plans {
		for _, pl := range plans {
			for _, k := range pl {
				p.note(k)
			}
		}
	}
	for i, plans := range p.plans {
		if len(plans) > 0 {
			p.chosen[i] = slices.MinFunc(plans, p.cheaper)
		}
	}
	return p.build()
}

func (p *planner) note(k *cond) {
	id := testOf(k)
	u := p.tests[id]
	if u == nil {
		u = &use{breadth: k.breadth()}
		p.tests[id] = u
	}
	u.rules++
}

func testOf(k *cond) testID { return testID{k.field.from[0], k.want.id()} }

// cheaper orders plans by how many rules they will give packets as candidates,
// as far as can be told; among equals, what is constant comes first.
func (p *planner) cheaper(a, b plan) int {
	if c := cmp.Compare(p.cost(a), p.cost(b)); c != 0 {
		return c
	}
	return bool2int(a.varies()) - bool2int(b.varies())
}

func (p *planner) cost(pl plan) float64 {
	sum := 0.0
	for _, k := range pl {
		u := p.tests[testOf(k)]
		sum += float64(u.rules) + u.breadth*float64(len(p.list))
	}
	return sum
}

// breadth returns the part of all possible values that a test looks for.
func (k *cond) breadth() float64 {
	part := 0.0
	for _, p := range k.want.prefixes {
		part += 1 / float64(uint64(1)<<min(p.Bits(), 63))
	}
	for _, s := range k.want.spans {
		part += (float64(s.hi-s.lo) + 1) / (float64(k.field.max) + 1)
	}
	return min(part, wholeRange)
}

func (pl plan) varies() bool {
	return slices.ContainsFunc(pl, func(k *cond) bool { return k.field.varies })
}

// plansOf returns the plans of a rule; none if it does something also when its
// condition is false. By what varies within a conversation a rule is looked up
// only if it would look at such a thing in any case.
func (c *compiler) plansOf(r *rule) []plan {
	if r.cond == nil || r.els != nil {
		return nil
	}
	plans := r.cond.plans()
	varies := r.cond.leftmost().field.varies
	plans = slices.DeleteFunc(plans, func(pl plan) bool {
		return pl.varies() && !varies || slices.ContainsFunc(pl, c.spread)
	})
	return plans[:min(len(plans), maxPlans)]
}

// spread tells whether what a test looks for is in many tables already.
func (c *compiler) spread(k *cond) bool {
	return k.want.size() > fewValues && c.copies[k.want.id()] >= maxCopies
}

// leftmost returns the test that is made first.
func (k *cond) leftmost() *cond {
	for len(k.kids) > 0 {
		k = k.kids[0]
	}
	return k
}

// plain tells whether a condition is a test whether any value of a field, as it is,
// is among some.
func (k *cond) plain() bool {
	return k.kind == exprTest && !k.not && !k.all && k.mask == 0 && k.octets == nil && k.field.scanned() == nil
}

// plans returns the ways to look up a condition.
func (k *cond) plans() []plan {
	var plans []plan
	switch {
	case k.plain() && k.want.size() > 0:
		return []plan{{k}}
	case k.kind == exprAnd:
		for _, kid := range k.kids {
			plans = append(plans, kid.plans()...)
		}
	case k.kind == exprOr:
		var all plan
		for _, kid := range k.kids {
			one := kid.plans()
			if len(one) == 0 {
				return nil
			}
			all = append(all, one[0]...)
		}
		return []plan{all}
	}
	return plans
}

// build makes the tables of the plans.
func (p *planner) build() *dispatch {
	ids := p.tables()
	d := &dispatch{}
	makers := map[tableID]*tableMaker{}
	for _, id := range ids {
		t := newTableMaker(id)
		makers[id] = t
		d.tables = append(d.tables, t.table)
		d.steady += 1 - bool2int(id.varies)
		d.changes = d.changes || changes(id.get, true)
	}
	if len(ids) == 0 {
		return nil
	}
	n := len(p.list)
	d.always, d.varying = make([]int32, n+1), make([]int32, n+1)
	d.always[n], d.varying[n] = int32(n), none
	for i := n - 1; i >= 0; i-- {
		d.always[i], d.varying[i] = d.always[i+1], d.varying[i+1]
		switch pl := p.chosen[i]; {
		case pl == nil:
			d.always[i] = int32(i)
		case pl.varies():
			d.varying[i] = int32(i)
		}
	}
	for i, pl := range p.chosen {
		for _, k := range pl {
			for _, from := range k.field.from {
				makers[tableID{from, pl.varies()}].add(p.c, k, int32(i))
			}
		}
	}
	for _, t := range makers {
		t.finish()
	}
	return d
}

// tables returns which tables are worth making and gives up the plans that
// need others. Steady ones come first.
func (p *planner) tables() []tableID {
	for {
		rules := map[tableID]int{}
		for _, pl := range p.chosen {
			for _, id := range pl.tables() {
				rules[id]++
			}
		}
		ids := make([]tableID, 0, len(rules))
		for id := range rules {
			ids = append(ids, id)
		}
		slices.SortFunc(ids, func(a, b tableID) int {
			return cmp.Or(rules[b]-rules[a], bool2int(a.varies)-bool2int(b.varies), int(a.get)-int(b.get), cmp.Compare(a.need, b.need))
		})
		if len(ids) == 0 || len(ids) <= maxTables && rules[ids[len(ids)-1]] >= fewRules {
			slices.SortStableFunc(ids, func(a, b tableID) int { return bool2int(a.varies) - bool2int(b.varies) })
			return ids
		}
		p.giveUp(ids[len(ids)-1])
	}
}

// giveUp has the rules that need a table tried whatever the packet.
func (p *planner) giveUp(id tableID) {
	for i, pl := range p.chosen {
		if slices.Contains(pl.tables(), id) {
			p.chosen[i] = nil
		}
	}
}

// tables returns the tables that a plan needs, each once.
func (pl plan) tables() []tableID {
	var ids []tableID
	varies := pl.varies()
	for _, k := range pl {
		for _, from := range k.field.from {
			if id := (tableID{from, varies}); !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// enter has the program go to the next rule that a packet can match, before
// one that is looked up. It marks where rules and the end of the list begin.
func (c *compiler) enter(d *dispatch, rule int) {
	if d == nil {
		return
	}
	if rule == 0 {
		d.number = int32(len(c.dispatches))
		c.dispatches = append(c.dispatches, d)
	}
	if rule < len(d.always)-1 && d.always[rule] != int32(rule) {
		label := c.label()
		c.branch(instr{op: opNext, pool: d.number, lo: uint64(rule)}, label, label)
		c.place(label)
	}
	label := c.label()
	c.place(label)
	d.starts = append(d.starts, label)
}
