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
}

func (p *reader) warnUnreachable(list conf.Value, rules []*rule) {
	w := walk{unreachable: func(r *rule) {
		r.at.Warnf("remove it, or give an if: to the rule that ends the list above it", "this rule is never reached")
	}}
	w.rules(rules, start)
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
func setter(rules []*rule, v *field) *rule {
	for _, r := range rules {
		for _, s := range r.sets {
			if s.field == v {
				return r
			}
		}
		for _, nested := range [][]*rule{r.then, r.els} {
			if found := setter(nested, v); found != nil {
				return found
			}
		}
	}
	return nil
}

// warnOut finds tests for class "out", which with orient perimeter holds at
// most in the second pass.
func (p *reader) warnOut(rules []*rule) {
	for _, r := range rules {
		if r.cond != nil && r.cond.asksOut() {
			r.where.Warnf(`with orient: perimeter what leaves home is tried as class "in" first`,
				`class "out" is seen in the second pass only`)
		}
		p.warnOut(r.then)
		p.warnOut(r.els)
	}
}

func (k *cond) asksOut() bool {
	for _, kid := range k.kids {
		if kid.asksOut() {
			return true
		}
	}
	return k.kind == exprTest && k.field.from[0].get == getClass && k.want.holds(uint64(Out)) && !k.want.holds(uint64(In))
}
