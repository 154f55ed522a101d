package rules

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"

	"flowmeter/meter/conf"
)

// This file finds what is allowed in rules but cannot be meant. It takes longer
// than reading them, so it is done when asked for.

// Lint returns what cannot be meant in a rule set: rules that no packet can
// match or that rules above them leave nothing for, and rules that ignore what goes
// back from what another counts.
func (rs *RuleSet) Lint() conf.Errors {
	l := rs.lint()
	l.sayNever()
	if l.left = maxBack; rs.Orient != Perimeter {
		l.oneWay(rs.Program.source)
	}
	l.found.Sort()
	return l.found
}

// lint looks at all rules, those of subroutines for each call.
func (rs *RuleSet) lint() *linter {
	l := &linter{left: maxComparisons, came: map[*yaml.Node]int{}, never: map[*yaml.Node]conf.Errors{}}
	visit(rs.Program.source, func(r *rule) {
		l.setsClass = l.setsClass || slices.ContainsFunc(r.sets, func(a assigned) bool { return a.field.from[0].get == getClass })
	})
	l.list(rs.Program.source, []box{{}}, nil)
	return l
}

// Bounds on how many boxes are compared, so that it takes no more than some
// seconds.
const (
	maxComparisons = 20_000_000
	maxBack        = 1_000_000
)

type linter struct {
	found     conf.Errors
	left      int
	free      *Unbounded // the first
	setsClass bool       // some rule sets the class

	// A rule of a subroutine is come to by each call, with each list of arguments.
	came  map[*yaml.Node]int         // so many times
	never map[*yaml.Node]conf.Errors // it cannot match then
}

// covered are the boxes that no packet gets out of, and the rule of each.
type covered struct {
	box
	by *rule
}

func finding(r *rule, hint, format string, args ...any) conf.Error {
	at := r.at
	return conf.Error{File: at.C.File, Line: at.Line, Col: at.Column, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// cannot notes that a rule cannot match the packets that it is looked at for.
func (l *linter) cannot(r *rule, hint, format string, args ...any) {
	at := r.at.Node
	l.never[at] = append(l.never[at], finding(r, hint, format, args...))
}

// sayNever finds the rules that cannot match whoever comes to them.
func (l *linter) sayNever() {
	for at, all := range l.never {
		if len(all) == l.came[at] {
			l.found = append(l.found, all[0])
		}
	}
}

// list looks at rules that packets in one of some boxes come to, but for those
// covered.
func (l *linter) list(rules []*rule, in []box, before []covered) {
	for _, r := range rules {
		l.came[r.at.Node]++
		mine, known := boxes(r.cond, false)
		switch {
		case !known:
			l.nested(r, in, in, before)
			continue
		case len(mine) == 0:
			l.cannot(r, "", "no packet can match this rule: its conditions exclude each other")
			continue
		}
		mine = product(in, mine)
		if len(mine) == 0 {
			l.cannot(r, "", "no packet that comes here can match this rule: its conditions and those of the rules around it exclude each other")
			continue
		}
		if by := l.coverer(mine, before); by != nil && r.cond != nil {
			l.cannot(r, "remove it, or put it above that rule", "no packet is left for this rule: %s has taken them all", by.place())
			continue
		}
		if len(mine) > maxBoxes {
			mine = in
		}
		l.unbounded(r, mine)
		l.nested(r, mine, in, before)
		if r.do != doNext {
			before = cover(before, r)
		}
	}
}

// Unbounded is an attribute of keys that anybody can make many of.
type Unbounded struct {
	Name string
	At   Place // of the rule that saves it
}

// Unbounded returns the first whole address in the keys of an aggregating rule set
// that is not one of a list, nor may be by its class; nil if there is none.
func (rs *RuleSet) Unbounded() *Unbounded {
	if rs.Program.Conversational() {
		return nil
	}
	return rs.lint().free
}

func (l *linter) unbounded(r *rule, in []box) {
	for _, s := range r.saves {
		free := slices.ContainsFunc(in, func(b box) bool { return !b.bounds(s.field.from[0].get) })
		if l.free == nil && free && !s.constant && s.field.attr&(SrcAddr|DstAddr) != 0 && s.bits == wholeBits {
			l.free = &Unbounded{s.field.name, r.place()}
		}
	}
}

// bounds tells whether an address is one of a list, or may be by its class.
func (b *box) bounds(g getter) bool {
	_, class := b.nums[getClass]
	return class || b.addrs[g] != nil && b.addrs[g].in != nil
}

// nested looks at the lists within a rule that is true of packets in mine.
func (l *linter) nested(r *rule, mine, in []box, before []covered) {
	mine, in = l.lasting(mine), l.lasting(in)
	l.list(r.then, mine, before)
	if r.call != nil {
		l.list(r.call.rules, mine, nil)
	}
	for _, a := range r.on {
		l.list(a.rules, mine, before)
	}
	if r.els != nil {
		l.list(r.els, in, cover(before, r))
	}
}

// lasting returns boxes without what rules within them may change.
func (l *linter) lasting(in []box) []box {
	out := slices.Clone(in)
	for i := range out {
		b := &out[i]
		if !b.depends() {
			continue
		}
		nums := map[getter][]span{}
		for g, spans := range b.nums {
			if !changeable(g) || g == getClass && !l.setsClass {
				nums[g] = spans
			}
		}
		b.nums = nums
		b.other = slices.DeleteFunc(slices.Clone(b.other), func(c literalCond) bool { return c.depends() })
	}
	return out
}

// cover adds what a rule takes, whatever it makes of it, to what is covered. What
// depends on values that other rules set is not.
func cover(before []covered, r *rule) []covered {
	mine, known := boxes(r.cond, false)
	if !known {
		return before
	}
	before = before[:len(before):len(before)]
	for _, b := range mine {
		if !b.depends() {
			before = append(before, covered{b, r})
		}
	}
	return before
}

// depends tells whether the box is of values that rules change.
func (b *box) depends() bool {
	for g := range b.nums {
		if changeable(g) {
			return true
		}
	}
	return slices.ContainsFunc(b.other, literalCond.depends)
}

func (l literalCond) depends() bool { return l.cond.field.from[0].get >= endOfHeaders }

// changeable tells whether rules may change a value, or that is not known.
func changeable(g getter) bool { return g >= endOfHeaders && g != getPass }

// coverer returns the rule that has taken all packets of some boxes, or the last
// of several; nil if some packet may be left.
func (l *linter) coverer(boxes []box, before []covered) (by *rule) {
	for i := range boxes {
		found, closed := false, boxes[i].closed()
		for j := range before {
			if l.left--; l.left < 0 {
				return nil
			}
			if closed.inside(&before[j].box) {
				found, by = true, before[j].by
				break
			}
		}
		if !found {
			return nil
		}
	}
	return by
}

// oneWay looks for RFC 2722's trap: rules that count what goes one way, and
// ignore what comes back, so that it is never tried the other way round.
func (l *linter) oneWay(rules []*rule) {
	warned := map[*rule]bool{}
	for _, r := range rules {
		if r.do != doCount || r.cond == nil {
			continue
		}
		mine, known := boxes(r.cond, false)
		for i := range mine {
			back, ok := mine[i].swapped()
			if !known || !ok || back.within(&mine[i]) {
				continue
			}
			back.nums[getPass] = []span{{0, 0}}
			if by := l.ignorer(rules, &back); by != nil && !warned[by] {
				warned[by] = true
				l.found = append(l.found, finding(by, "write do: nomatch for packets the other way, so that they are tried the other way round",
					"what goes back from what %s counts is ignored here", r.place()))
			}
		}
	}
}

// ignorer returns the rule that, in the first pass, ignores all packets of a box
// that no rule before it takes; nil if there is none, or that cannot be told.
func (l *linter) ignorer(rules []*rule, of *box) *rule {
	left := []box{*of}
	for _, r := range rules {
		if r.do == doNext && r.call == nil && r.then == nil && r.els == nil {
			continue
		}
		mine, known := boxes(r.cond, false)
		others, known2 := boxes(r.cond, true)
		if l.left -= len(left) * (len(mine) + len(others)); !known || !known2 || l.left < 0 {
			return nil
		}
		if product(left, mine) == nil {
			continue
		}
		rest := product(left, others)
		switch {
		case rest == nil:
			return ifIgnores(r)
		case r.do == doNext || len(rest) > maxBoxes:
			return nil
		}
		left = rest
	}
	return nil
}

// ifIgnores returns a rule that does nothing else; or nil.
func ifIgnores(r *rule) *rule {
	if r.do == doIgnore && r.then == nil && r.els == nil && r.call == nil {
		return r
	}
	return nil
}
