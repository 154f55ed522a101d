package rules

import "slices"

// A lead is what one of the rules at the start of a rule set means for
// packets that are to be ignored. Such packets may have been ignored by an
// earlier lead; else all leads before this one have left key and variables as
// they were.
type lead struct {
	cond   *cond // nil: of every packet
	ignore bool  // what it is true of is ignored; else that may become anything
}

// maxLeads bounds how many rules are looked at.
const maxLeads = 256

// leadsOf returns the leads of a rule set, up to the rule that no packet gets
// past or whose ways part.
func leadsOf(rules []*rule) []lead {
	var leads []lead
	for _, r := range rules {
		switch {
		case r.els != nil || len(leads) == maxLeads:
			return leads
		case r.call == nil && r.then == nil && r.do == doIgnore:
			leads = append(leads, lead{r.cond, true})
		case r.call == nil && r.then == nil && r.do == doNext && r.sets == nil:
			continue // what it saves is of no use to a packet that is ignored
		case r.cond == nil:
			return leads
		default:
			leads = append(leads, lead{r.cond, false})
		}
		if r.cond == nil {
			return leads
		}
	}
	return leads
}

// directed tells whether leads may mean something else for a packet seen the
// other way round.
func directed(leads []lead) bool {
	return uses(leads, func(g getter) bool { return g.paired() || g == getClass })
}

// uses tells whether a condition looks at a value that is one of some.
func uses(leads []lead, one func(getter) bool) bool {
	return slices.ContainsFunc(leads, func(l lead) bool { return l.cond != nil && l.cond.uses(one) })
}

func (k *cond) uses(one func(getter) bool) bool {
	if k.kind == exprTest && k.field.scanned() == nil && slices.ContainsFunc(k.field.from, func(r reading) bool { return one(r.get) }) {
		return true
	}
	return slices.ContainsFunc(k.kids, func(kid *cond) bool { return kid.uses(one) })
}
