package meter

import (
	"fmt"
	"time"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// numbers are those of a rule set, its standby and its overflow, as
// flow.RuleSet.Index.
type numbers struct{ own, standby, overflow int }

// numbersOf numbers a rule set and its reserves by name, over all reloads.
func (m *Meter) numbersOf(rs *rules.RuleSet) (n numbers) {
	n.own = m.cfg.Names.number(rs.Name)
	if rs.Overload == nil {
		return n
	}
	if s := rs.Overload.Standby; s != nil {
		n.standby = m.cfg.Names.number(s.Name)
	}
	n.overflow = m.cfg.Names.number(rs.Overload.Overflow.Name)
	return n
}

// newTable makes a worker's table of a rule set and its reserves. The cap on the
// flows of a conversational rule set is shared out among the workers, and with
// it that of its standby.
func newTable(cfg *Config, rs *rules.RuleSet, n numbers, seed flow.Seed) *flow.Table {
	share := 1
	if !rs.Program.Scattered() {
		share = cfg.Workers
	}
	table := tableConfig(cfg, rs, n.own, share, seed)
	if o := rs.Overload; o != nil {
		reserves := &flow.Overload{HighWater: partOf(table.MaxFlows, o.HighWater), Flood: partOf(table.MaxFlows, o.Flood)}
		reserves.Overflow = tableConfig(cfg, o.Overflow, n.overflow, 1, seed)
		reserves.Overflow.CacheSize = 0 // its rules cost less
		if o.Standby != nil {
			standby := tableConfig(cfg, o.Standby, n.standby, share, seed)
			reserves.Standby, reserves.Flood = &standby, partOf(standby.MaxFlows, o.Flood)
		}
		table.Overload = reserves
	}
	return flow.NewTable(table)
}

// tableConfig is how a table keeps the flows of a rule set, of which there are
// as many in so many workers.
func tableConfig(cfg *Config, rs *rules.RuleSet, index, workers int, seed flow.Seed) flow.Config {
	return flow.Config{
		RuleSet: &flow.RuleSet{Name: rs.Name, Index: index, Named: rs.Program.KindName, Selector: cfg.Selector, Distributions: distributions(rs.Program)},
		Program: rs.Program, Histograms: cfg.Names.histogramsOf(rs.Name, rs.Program),
		Active: rs.Active, Idle: rs.Idle, TCPLinger: rs.TCPLinger,
		MaxFlows: max(1, (rs.MaxFlows+workers-1)/workers), CacheSize: cfg.CacheSize, Seed: seed,
	}
}

func distributions(p *rules.Program) *rules.Distributions {
	if !p.Measures() {
		return nil
	}
	return p.Distributions()
}

func partOf(most, percent int) int { return int(int64(most) * int64(percent) / 100) }

// addReserves sums what the reserves of a rule set did in another worker. The
// step is the farthest of all.
func addReserves(to, from *flow.Reserves) {
	if from.Step > to.Step || from.Step == to.Step && from.Since > to.Since {
		to.Step, to.Since = from.Step, from.Since
	}
	addAll(to.Steps[:], from.Steps[:])
	for i := range from.Tables {
		if o := &from.Tables[i]; o.RuleSet != nil {
			to.Tables[i].RuleSet = o.RuleSet
			addCounts(&to.Tables[i].Counts, &o.Counts)
		}
	}
}

// Book is the account of a rule set, or of a reserve of one.
type Book struct {
	Name     string
	Counts   *flow.Counts
	Reserves *flow.Reserves // of one that may give way; else nil
}

// Books returns a copy of the accounts of all rule sets, whose names are given;
// behind each that may give way come its standby, if there is one, and its
// overflow.
func (t *Totals) Books(names []string) (all []Book) {
	for i, c := range t.RuleSets {
		r := t.reservesOf(i)
		if r == nil {
			all = append(all, Book{Name: names[i], Counts: &c})
			continue
		}
		reserves := *r
		all = append(all, Book{Name: names[i], Counts: &c, Reserves: &reserves})
		for j := range reserves.Tables {
			if o := &reserves.Tables[j]; o.RuleSet != nil {
				all = append(all, Book{Name: o.RuleSet.Name, Counts: &o.Counts})
			}
		}
	}
	return all
}

// reservesOf returns the account of a rule set's reserves; nil if it has none.
func (t *Totals) reservesOf(i int) *flow.Reserves {
	if i >= len(t.Reserves) || t.Reserves[i].Tables[1].RuleSet == nil {
		return nil
	}
	return &t.Reserves[i]
}

// checkReserves names the sums that do not come out between a rule set and its
// reserves: what was given to one is what it has verdicts of.
func (t *Totals) checkReserves(i int, name string) (open []string) {
	r := t.reservesOf(i)
	if r == nil {
		return nil
	}
	c, standby, overflow := &t.RuleSets[i], &r.Tables[0].Counts, &r.Tables[1].Counts
	for _, given := range []struct {
		what               string
		packets, octets    uint64
		taken, takenOctets uint64
	}{
		{"the standby", c.Verdicts[rules.Standby], c.VerdictOctets[rules.Standby], sum(standby.Verdicts[:]), sum(standby.VerdictOctets[:])},
		{"the overflow", c.Verdicts[rules.Overflow] + standby.Verdicts[rules.Overflow], c.VerdictOctets[rules.Overflow] + standby.VerdictOctets[rules.Overflow],
			sum(overflow.Verdicts[:]), sum(overflow.VerdictOctets[:])},
	} {
		if given.packets != given.taken || given.octets != given.takenOctets {
			open = append(open, fmt.Sprintf("rule set %s: gave %s %d packets, %d octets, of which it accounts for %d and %d",
				name, given.what, given.packets, given.octets, given.taken, given.takenOctets))
		}
	}
	return open
}

func sum(all []uint64) (n uint64) {
	for _, one := range all {
		n += one
	}
	return n
}

// Overload is how far a rule set has given way, in all workers of all inputs.
type Overload struct {
	RuleSet  string
	Step     flow.Step // the farthest of any table
	Since    time.Time // clock of the packets at the last step; zero if there was none
	Steps    [flow.NumSteps]uint64
	Flows    uint64 // in the rule set's own tables
	MaxFlows uint64
}

// Overloads returns how far the rule sets that may give way have done so. It
// may be called from any goroutine.
func (a *Account) Overloads() (all []Overload) {
	for _, b := range a.Books {
		r := b.Reserves
		if r == nil {
			continue
		}
		o := Overload{RuleSet: b.Name, Step: r.Step, Steps: r.Steps, Flows: b.Counts.Live, MaxFlows: a.MaxFlows[b.Name]}
		if r.Since != 0 {
			o.Since = time.Unix(0, r.Since).UTC()
		}
		all = append(all, o)
	}
	return all
}

// addMaxFlows adds what the rule sets of a meter, and their standbys, have room
// for. Overflows always have room for every class: they are not among them.
func (m *Meter) addMaxFlows(to map[string]uint64) {
	m.reloading.RLock()
	defer m.reloading.RUnlock()
	for _, rs := range m.cfg.RuleSets {
		to[rs.Name] += uint64(rs.MaxFlows)
		if rs.Overload != nil && rs.Overload.Standby != nil {
			to[rs.Overload.Standby.Name] += uint64(rs.Overload.Standby.MaxFlows)
		}
	}
}

func flowsMax(a *Account, emit emitter) {
	for _, b := range a.Books {
		if most := a.MaxFlows[b.Name]; most > 0 {
			emit(most, b.Name)
		}
	}
}

func overloadState(a *Account, emit emitter) {
	for _, o := range a.Overloads() {
		emit(uint64(o.Step), o.RuleSet)
	}
}

func overloadSteps(a *Account, emit emitter) {
	for _, o := range a.Overloads() {
		for to, n := range o.Steps {
			emit(n, o.RuleSet, flow.Step(to).String())
		}
	}
}
