package flow

import (
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// Overload names the reserves of a Table: Tables behind it that take the
// packets which would begin a flow while it is nearly full. Packets of flows
// that are there go on being counted in them, and nothing is evicted.
type Overload struct {
	HighWater int     // flows at which the standby takes over; valid if there is one
	Standby   *Config // coarser rules; nil for none
	Flood     int     // flows at which the overflow takes over: the standby's if there is one
	Overflow  Config  // must have room for every flow of its Program
}

// Step is how far a rule set has given way.
type Step uint8

const (
	Normal    Step = iota
	OnStandby      // new flows are the standby's
	Flooded        // new flows are the overflow's, but for those of the standby that are there
	NumSteps
)

var stepNames = [NumSteps]string{"normal", "standby", "flood"}

// String returns normal, standby or flood.
func (s Step) String() string { return stepNames[s] }

// relief is where a Table gives packets that would begin a flow.
type relief struct {
	next    *Table // nil for nowhere
	verdict rules.Verdict
	mark    uint64 // flows
	on      bool   // it gives them now
}

// Reserves is what the reserves of a rule set have done.
type Reserves struct {
	Step   Step
	Since  int64            // trace clock of the last step; 0 if there was none
	Steps  [NumSteps]uint64 // steps so far, by where to
	Tables [2]Reserve       // the standby, the overflow
}

// Reserve is the account of one. All packets that it was given have a verdict.
type Reserve struct {
	RuleSet *RuleSet // nil if there is none
	Counts
}

// addReserves makes the reserves that a Config asks for.
func (t *Table) addReserves(o *Overload) {
	overflow := NewTable(o.Overflow)
	last := relief{next: overflow, verdict: rules.Overflow, mark: uint64(max(1, o.Flood))}
	if o.Standby == nil {
		t.relief, t.reserves = last, []*Table{overflow}
		return
	}
	standby := NewTable(*o.Standby)
	standby.relief = last
	t.relief = relief{next: standby, verdict: rules.Standby, mark: uint64(max(1, o.HighWater))}
	t.reserves = []*Table{standby, overflow}
}

// Reserves returns the account of the reserves. It is zero if there are none.
func (t *Table) Reserves() (r Reserves) {
	r.Step, r.Since, r.Steps = t.step, t.since, t.steps
	for _, reserve := range t.reserves {
		at := 1
		if reserve.relief.next != nil {
			at = 0
		}
		r.Tables[at] = Reserve{reserve.cfg.RuleSet, reserve.Counts}
	}
	return r
}

// noRoom tells whether a packet that would begin a flow has to be turned away.
func (t *Table) noRoom(clock int64) bool {
	switch r := &t.relief; {
	case r.next == nil:
		return t.overloaded()
	case r.on:
		t.relax(clock)
	default:
		r.on = t.fills(10, 10)
	}
	return t.relief.on
}

// turnAway gives a packet that would begin a flow to the reserve.
func (t *Table) turnAway(p *Packet) {
	r := &t.relief
	if r.next == nil {
		t.tally(rules.NoRoom, p)
		return
	}
	t.tally(r.verdict, p)
	r.next.take(p)
	t.noteStep(p.Clock)
}

// take is Update of one packet.
func (t *Table) take(p *Packet) {
	if t.fused && p.Layers&packet.HasIP != 0 {
		t.updateFused(p, -1)
		return
	}
	t.decide(p)
}

// fills tells whether the table is at some tenths of its mark: by its flows, or
// by these and what waits to be released, of which there may be as many again
// (a clock that stands still releases nothing).
func (t *Table) fills(tenths, of uint64) bool {
	mark, waiting := t.relief.mark, max(t.relief.mark, leastWaiting)
	return of*t.Counts.Live >= tenths*mark || of*(t.Counts.Live+uint64(len(t.ended))) >= tenths*(mark+waiting)
}

// relax ends the giving away of packets when the table is no longer at nine
// tenths of its mark.
func (t *Table) relax(clock int64) {
	if t.relief.on && !t.fills(9, 10) {
		t.relief.on = false
	}
	t.noteStep(clock)
}

// noteStep keeps account of the steps.
func (t *Table) noteStep(clock int64) {
	step := Normal
	switch r := &t.relief; {
	case !r.on:
	case r.verdict == rules.Overflow || r.next.relief.on:
		step = Flooded
	default:
		step = OnStandby
	}
	if step != t.step {
		t.step, t.since = step, clock
		t.steps[step]++
	}
}

// relaxAll looks at the marks where no packet does.
func (t *Table) relaxAll(clock int64) {
	if t.relief.next != nil {
		t.relief.next.relaxAll(clock)
		t.relax(clock)
	}
}

// first returns the table, of this one and its reserves, whose next ready record
// ended first; of several the first. It is nil if none is ready.
func (t *Table) first() (first *Table) {
	if t.taken < t.ready {
		first = t
	}
	for _, r := range t.reserves {
		if r.taken < r.ready && (first == nil || r.ended[r.taken].end < first.ended[first.taken].end) {
			first = r
		}
	}
	return first
}
