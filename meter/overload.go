package meter

import (
	"fmt"
	"time"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// reserveIndex is where the numbers of reserves among the rule sets begin:
// behind all of those that run. They depend on nothing but the place of the one
// that gives way.
const reserveIndex = 256

// newOverload makes the reserves of a rule set in a worker. Its tables have the
// given share of what the rule sets allow.
func newOverload(cfg *Config, rs *rules.RuleSet, index, most int, share func(int) int, seed flow.Seed) *flow.Overload {
	if rs.Overload == nil {
		return nil
	}
	o := &flow.Overload{HighWater: partOf(most, rs.Overload.HighWater), Flood: partOf(most, rs.Overload.Flood)}
	o.Overflow = tableConfig(rs.Overload.Overflow, reserveIndex+2*index+1, seed)
	if s := rs.Overload.Standby; s != nil {
		standby := tableConfig(s, reserveIndex+2*index, seed)
		standby.MaxFlows, standby.CacheSize = share(s.MaxFlows), cfg.CacheSize
		o.Standby, o.Flood = &standby, partOf(standby.MaxFlows, rs.Overload.Flood)
	}
	return o
}

func partOf(most, percent int) int { return int(int64(most) * int64(percent) / 100) }

// tableConfig is what a table needs to know of its rule set.
func tableConfig(rs *rules.RuleSet, index int, seed flow.Seed) flow.Config {
	return flow.Config{
		RuleSet: &flow.RuleSet{Name: rs.Name, Index: index, Named: rs.Program.KindName},
		Program: rs.Program,
		Active:  rs.Active, Idle: rs.Idle, TCPLinger: rs.TCPLinger,
		MaxFlows: rs.MaxFlows, Seed: seed,
	}
}

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

// Book is the account of a rule set that runs, or of a reserve of one.
type Book struct {
	Name     string
	Counts   *flow.Counts
	Reserves *flow.Reserves // of one that runs and may give way; else nil
}

// Books returns the accounts of all rule sets, whose names are given; behind
// each that may give way come its standby, if there is one, and its overflow.
func (t *Totals) Books(names []string) (all []Book) {
	for i := range t.RuleSets {
		own := Book{Name: names[i], Counts: &t.RuleSets[i]}
		r := t.reservesOf(i)
		if r != nil {
			own.Reserves = r
		}
		all = append(all, own)
		for j := 0; r != nil && j < len(r.Tables); j++ {
			if reserve := &r.Tables[j]; reserve.RuleSet != nil {
				all = append(all, Book{Name: reserve.RuleSet.Name, Counts: &reserve.Counts})
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
	for j := range r.Tables {
		if o := &r.Tables[j]; o.RuleSet != nil && !released(&o.Counts) {
			open = append(open, unreleased(o.RuleSet.Name, &o.Counts))
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

// released tells whether all that was counted is in records; if flows are alive
// there is nothing to tell.
func released(c *flow.Counts) bool {
	return c.Live != 0 || c.Released == c.Verdicts[rules.Counted] && c.ReleasedOctets == c.VerdictOctets[rules.Counted]
}

func unreleased(name string, c *flow.Counts) string {
	return fmt.Sprintf("rule set %s: counted %d packets, %d octets, exported %d packets, %d octets", name,
		c.Verdicts[rules.Counted], c.VerdictOctets[rules.Counted], c.Released, c.ReleasedOctets)
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
	for i, name := range a.RuleSets {
		r := a.Sum.reservesOf(i)
		if r == nil {
			continue
		}
		o := Overload{RuleSet: name, Step: r.Step, Steps: r.Steps, Flows: a.Sum.RuleSets[i].Live, MaxFlows: a.MaxFlows[name]}
		if r.Since != 0 {
			o.Since = time.Unix(0, r.Since).UTC()
		}
		all = append(all, o)
	}
	return all
}

// addMaxFlows adds what the rule sets of a meter, and their standbys, have room
// for. Overflows always have room for every class: they are not among them.
func (a *Account) addMaxFlows(sets []*rules.RuleSet) {
	for _, rs := range sets {
		a.MaxFlows[rs.Name] += uint64(rs.MaxFlows)
		if rs.Overload != nil && rs.Overload.Standby != nil {
			a.MaxFlows[rs.Overload.Standby.Name] += uint64(rs.Overload.Standby.MaxFlows)
		}
	}
}

func flowsMax(a *Account, emit emitter) {
	for _, b := range a.Sum.Books(a.RuleSets) {
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
