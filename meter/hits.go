package meter

import (
	"time"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// RuleReport is what the rules of one rule set, or of a reserve of one, decided.
type RuleReport struct {
	RuleSet string
	// Rules are those that decide, in the order of the file, and behind them the
	// end of the rules, and frames that the kernel cut because some rule ignores
	// them.
	Rules []RuleCount
}

// RuleCount is what one rule decided. The sum over a rule set is that over its
// verdicts, once all records have been released.
type RuleCount struct {
	rules.Decider
	Name            string // file:line:column, end or kernel
	Packets, Octets uint64 // whose verdict it was, in the first pass or the second
	Turned          uint64 // packets that its nomatch sent into the second pass
}

// Names of what is no rule.
const (
	endOfRules  = "end"
	cutByKernel = "kernel"
)

// hitsEvery is how often a worker lets others see what rules decided.
const hitsEvery = time.Second

// ruleSetHits are the hits of one table.
type ruleSetHits struct {
	ruleSet string
	hits    []flow.Hit
}

// hitsOf returns what the rules of some tables decided.
func hitsOf(lanes []lane) (all []ruleSetHits) {
	for i := range lanes {
		lanes[i].table.Hits(func(rs *flow.RuleSet, hits []flow.Hit) {
			all = append(all, ruleSetHits{rs.Name, hits})
		})
	}
	return all
}

// storeHits copies what the rules of a worker's tables decided, if that is due.
func (p *published) storeHits(w *worker, now time.Time, all bool) {
	if all || now.Sub(p.hitsAt) >= hitsEvery {
		p.hitsAt, p.hits = now, hitsOf(w.lanes)
	}
}

// RuleReports returns what the rules decided, as of some second ago, in several
// meters that run the same rule sets. It may be called from any goroutine.
func RuleReports(meters ...*Meter) (all []RuleReport) {
	for _, m := range meters {
		m.reloading.RLock()
		reports := m.ruleReports()
		m.reloading.RUnlock()
		if all == nil {
			all = reports
			continue
		}
		addReports(all, reports)
	}
	return all
}

// ruleReports returns what the rules decided, in the rule sets that run and, where
// the same rule stood there, in those of the same name that reloads ended.
func (m *Meter) ruleReports() []RuleReport {
	reports := newReports(m.cfg.RuleSets)
	for _, w := range m.workers {
		w.public.addHits(reports)
	}
	addReports(reports, m.earlierRules)
	return reports
}

func newReports(sets []*rules.RuleSet) (all []RuleReport) {
	for _, rs := range sets {
		for _, one := range append([]*rules.RuleSet{rs}, rs.Reserves()...) {
			all = append(all, newReport(one))
		}
	}
	return all
}

// addReports adds the counts of rules to those of the same rules in rule sets of the
// same names. Those of others are left out.
func addReports(to, from []RuleReport) {
	for i := range from {
		for j := range to {
			if to[j].RuleSet == from[i].RuleSet {
				to[j].addReport(&from[i])
			}
		}
	}
}

func (r *RuleReport) addReport(o *RuleReport) {
	places := map[rules.Decider]int{}
	for i := range r.Rules {
		places[r.Rules[i].Decider] = i
	}
	for _, c := range o.Rules {
		if i, same := places[c.Decider]; same {
			to := &r.Rules[i]
			to.Packets, to.Octets, to.Turned = to.Packets+c.Packets, to.Octets+c.Octets, to.Turned+c.Turned
		}
	}
}

// carry keeps what rules decided in rule sets that a reload ends, for those that
// stand in the new ones too.
func (m *Meter) carry(old, new []*rules.RuleSet, gone []ruleSetHits) {
	before, after := newReports(old), newReports(new)
	addHits(before, gone)
	addReports(after, before)
	addReports(after, m.earlierRules)
	m.earlierRules = after
}

func newReport(rs *rules.RuleSet) RuleReport {
	r := RuleReport{RuleSet: rs.Name}
	for _, d := range rs.Program.Deciders() {
		r.Rules = append(r.Rules, RuleCount{Decider: d, Name: d.At.Exact()})
	}
	r.Rules = append(r.Rules, RuleCount{Name: endOfRules, Decider: rules.Decider{Do: "nomatch"}})
	r.Rules = append(r.Rules, RuleCount{Name: cutByKernel, Decider: rules.Decider{Do: "ignore"}})
	return r
}

func (p *published) addHits(reports []RuleReport) {
	p.mu.Lock()
	defer p.mu.Unlock()
	addHits(reports, p.hits)
}

func addHits(reports []RuleReport, hits []ruleSetHits) {
	for i := range hits {
		for j := range reports {
			if reports[j].RuleSet == hits[i].ruleSet {
				reports[j].add(hits[i].hits)
			}
		}
	}
}

func (r *RuleReport) add(hits []flow.Hit) {
	for _, h := range hits {
		c := r.at(h.Rule)
		c.Packets += h.Packets
		c.Octets += h.Octets
		if h.Turned != rules.EndOfRules {
			r.at(h.Turned).Turned += h.Packets
		}
	}
}

// at returns the count of a rule by its number.
func (r *RuleReport) at(number uint16) *RuleCount {
	end := len(r.Rules) - 2
	switch {
	case number == rules.NoRule:
		return &r.Rules[end+1]
	case number == rules.EndOfRules || int(number) > end: // the latter only in the middle of a reload
		return &r.Rules[end]
	}
	return &r.Rules[number-1]
}

// mostRules is how many rules of a rule set have a label of their own. The
// others are summed up as "other".
const mostRules = 1000

func byRule(of func(*RuleCount) uint64) func(*Account, emitter) {
	return func(a *Account, emit emitter) {
		for i := range a.Rules {
			a.Rules[i].emit(of, emit)
		}
	}
}

func (r *RuleReport) emit(of func(*RuleCount) uint64, emit emitter) {
	var rest uint64
	for i := range r.Rules {
		c := &r.Rules[i]
		switch {
		case i < mostRules || c.Decider.At.Line == 0:
			emit(of(c), r.RuleSet, c.Name)
		default:
			rest += of(c)
		}
	}
	if len(r.Rules) > mostRules {
		emit(rest, r.RuleSet, "other")
	}
}
