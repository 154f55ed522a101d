package rules

import (
	"flowmeter/meter/conf"
)

// warn reports what is allowed but hardly meant.
func (p *reader) warn(rs *RuleSet, list conf.Value, rules []*rule) {
	p.warnUnreachable(list, rules)
	p.warnUntested(rules)
	if rs.Orient == Perimeter {
		p.warnOut(rules)
	}
	list.C.Warnings = once(list.C.Warnings)
}

// once leaves out warnings that were given before: a subroutine is read once
// for each of its arguments.
func once(all conf.Errors) (kept conf.Errors) {
	seen := map[conf.Error]bool{}
	for _, w := range all {
		if !seen[w] {
			kept = append(kept, w)
		}
		seen[w] = true
	}
	return kept
}

func (p *reader) warnUnreachable(list conf.Value, rules []*rule) {
	w := newWalk(0)
	w.rules(rules, start)
	for _, r := range w.never {
		if !w.reached[r.at.Node] {
			r.at.Warnf("remove it, or give an if: to the rule that ends the list above it", "this rule is never reached")
		}
	}
	if w.counted == 0 {
		list.Warnf("a rule with do: count counts; the end of the list does not",
			"these rules never count a packet")
	}
}

// warnUntested finds variables that are set for nothing: most likely a
// misspelt class or kind.
func (p *reader) warnUntested(rules []*rule) {
	for _, v := range p.names.vars {
		if p.names.tested[v.name] {
			continue
		}
		near := didYouMean(v.name, fieldNames(func(f *field) bool { return f.attr&computed != 0 }))
		if r := setter(rules, v); r != nil {
			r.at.Warnf(near, "variable %s is set but never tested", v.name)
		}
	}
}

// setter returns the first rule that sets a variable.
func setter(rules []*rule, v *field) (found *rule) {
	visit(rules, func(r *rule) {
		for _, s := range r.sets {
			if s.field == v && found == nil {
				found = r
			}
		}
	})
	return found
}

// warnOut finds tests for class "out", which with orient perimeter holds at
// most in the second pass.
func (p *reader) warnOut(rules []*rule) {
	visit(rules, func(r *rule) {
		if r.cond != nil && r.cond.asksOut() {
			r.where.Warnf(`with orient: perimeter what leaves home is tried as class "in" first`,
				`class "out" is seen in the second pass only`)
		}
	})
}

func (k *cond) asksOut() bool {
	for _, kid := range k.kids {
		if kid.asksOut() {
			return true
		}
	}
	return k.kind == exprTest && k.field.from[0].get == getClass && k.want.holds(uint64(Out)) && !k.want.holds(uint64(In))
}
