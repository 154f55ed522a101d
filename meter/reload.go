package meter

import (
	"errors"
	"slices"
	"sync"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

var errEnded = errors.New("the meter has ended")

// Change says what becomes of a running live Meter.
type Change struct {
	RuleSets  []*rules.RuleSet
	Filter    *rules.Filter
	Sample    int
	Selector  *flow.Selector // as in Config
	Exporters []Exporter     // in place of those that it has; nil: these stay
}

// Reload has a running live Meter go on with other rule sets, filter, sampling
// and exporters, each worker between two batches. Flows of rule sets that are
// equal to one of before go on untouched; those of all others are forced out
// first, to the exporters of before. So are all if sampling changed: no record
// has packets of two rates. No packet is missed or counted twice. It
// returns an error if the balance of a rule set that ended does not close.
func (m *Meter) Reload(c Change) error {
	m.reloading.Lock()
	defer m.reloading.Unlock()
	if !m.running() {
		return errEnded
	}
	c.RuleSets = slices.Clone(c.RuleSets)
	r := m.newReload(c)
	m.ask(r.swap)
	m.ask(r.force)
	m.askForce()
	m.ask(r.settle)
	closed := r.gone.CheckEnd(r.goneNames)
	m.names = m.names[:0:0]
	for _, rs := range c.RuleSets {
		m.names = append(m.names, rs.Name)
	}
	m.carry(r.old, c.RuleSets, r.goneHits)
	m.cfg.RuleSets, m.cfg.Filter, m.cfg.Sample, m.cfg.Selector = c.RuleSets, c.Filter, c.Sample, r.Selector
	for _, b := range r.gone.Books(r.goneNames) {
		m.earlier = withBook(m.earlier, b)
	}
	if c.Exporters != nil {
		m.out.exporters = c.Exporters
	}
	return closed
}

// reload is how a Meter comes from its rule sets to others.
type reload struct {
	Change
	m         *Meter
	from      []int     // by new rule set: its place before, or -1
	numbers   []numbers // by new rule set
	old       []*rules.RuleSet
	share     exchanger // of the new rule sets
	gone      Totals    // of the rule sets that end
	goneHits  []ruleSetHits
	goneNames []string
}

func (m *Meter) newReload(c Change) *reload {
	r := &reload{Change: c, m: m, old: m.cfg.RuleSets}
	r.Selector = (&Config{Input: m.cfg.Input, Sample: c.Sample, Selector: c.Selector}).selector()
	resampled := max(c.Sample, 1) != max(m.cfg.Sample, 1)
	var boxes []*mailbox
	before, _ := m.live[0].share.(*mailboxes)
	for i, rs := range c.RuleSets {
		at := slices.IndexFunc(r.old, rs.Equal)
		if resampled {
			at = -1
		}
		r.from = append(r.from, at)
		if at >= 0 {
			c.RuleSets[i] = r.old[at] // its Program is the one that the tables know
		}
		r.numbers = append(r.numbers, m.numbersOf(rs))
		switch {
		case before == nil || !rs.Program.Scattered():
			boxes = append(boxes, nil)
		case at >= 0:
			boxes = append(boxes, before.boxes[at])
		default:
			boxes = append(boxes, &mailbox{owner: i % len(m.workers)})
		}
	}
	if before != nil {
		r.share = before.with(boxes)
	}
	for i, rs := range r.old {
		if !slices.Contains(r.from, i) {
			r.goneNames = append(r.goneNames, rs.Name)
		}
	}
	r.gone = newTotals(len(r.goneNames))
	return r
}

// NameTable numbers rule sets by name (flow.RuleSet.Index), over all reloads.
// Meters whose records go to the same exporters share one.
type NameTable struct {
	mu         sync.Mutex
	names      []string
	histograms map[string]*flow.Histograms // by name, of those that measure
}

func (t *NameTable) number(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.names, name); i >= 0 {
		return i
	}
	t.names = append(t.names, name)
	return len(t.names) - 1
}

// Begun is closed when a live Meter has begun: it can be reloaded from then on.
func (m *Meter) Begun() <-chan struct{} { return m.begun }

// swap puts a worker's new lanes in place of the old ones. What it has seen for
// a rule set that ends is sent to its owner, who waits for the others'.
func (r *reload) swap(l *liveWorker) {
	l.worker.settle()
	kept := make([]lane, len(r.RuleSets))
	cfg := r.m.cfg
	cfg.Selector = r.Selector
	for i, at := range r.from {
		if at >= 0 {
			kept[i] = l.lanes[at]
			kept[i].table.SayChosen(r.Selector)
			continue
		}
		kept[i] = lane{table: newTable(&cfg, r.RuleSets[i], r.numbers[i], l.seed), since: since{l.count.Read, l.count.leftOut()}}
		kept[i].table.Restart(l.clock)
	}
	for i := range l.lanes {
		if !slices.Contains(r.from, i) {
			l.ending = append(l.ending, endingLane{lane: l.lanes[i], box: boxOf(l.share, i), until: since{l.count.Read, l.count.leftOut()}})
		}
	}
	l.setLanes(kept)
	l.share, l.filter = r.share, r.Filter
	l.lookInside(r.RuleSets)
	if r.Sample != r.m.cfg.Sample {
		l.sampler = newSampler(r.Sample, l.seed[0]+uint64(l.id))
	}
	l.public.store(l.worker, true)
}

// endingLane is a worker's part of a rule set that ends.
type endingLane struct {
	lane
	box   *mailbox // of the other workers' sightings; nil where there are none
	until since    // what the worker had counted when it ended
}

func boxOf(share exchanger, i int) *mailbox {
	if x, ok := share.(*mailboxes); ok {
		return x.boxes[i]
	}
	return nil
}

// force has the worker end what swap took out of it, once all workers have sent
// what they had seen.
func (r *reload) force(l *liveWorker) {
	var tables []*flow.Table
	for i := range l.ending {
		e := &l.ending[i]
		if e.box != nil && e.box.owner == l.id {
			e.box.take(nil)
			e.table.Apply(e.box.ready(nil, ended, ended))
		}
		tables = append(tables, e.table)
	}
	l.force(tables, forceFor)
}

// settle accounts for what has ended, and tells the new exporters to the worker.
func (r *reload) settle(l *liveWorker) {
	left, lanes := Totals{}, []lane(nil)
	for i := range l.ending {
		e := &l.ending[i]
		lanes = append(lanes, e.lane)
		left.RuleSets, left.Reserves = append(left.RuleSets, e.table.Counts), append(left.Reserves, e.table.Reserves())
		left.since = append(left.since, e.since)
	}
	l.records.direct.flush()
	if r.Exporters != nil {
		l.records.direct.exporters = r.Exporters
	}
	r.m.liveMu.Lock()
	defer r.m.liveMu.Unlock()
	if len(left.RuleSets) > 0 {
		left.countUntil(l.ending[0].until)
		r.gone.add(&left)
		r.goneHits = append(r.goneHits, hitsOf(lanes)...)
	}
	l.ending = nil
}

// countUntil makes t, which has nothing but rule sets, balance as a worker did
// when they ended: of what it read, all but what was left out went to them.
func (t *Totals) countUntil(u since) {
	t.Read, t.Filtered = u.read, u.leftOut
	t.Outcomes[0] = u.read - u.leftOut
}

// running tells whether all workers of a live Meter run.
func (m *Meter) running() bool {
	m.liveMu.Lock()
	defer m.liveMu.Unlock()
	for _, l := range m.live {
		select {
		case <-l.done:
			return false
		default:
		}
	}
	return len(m.live) > 0
}

// Flows calls show with the live flows of every rule set, as they would be
// exported now, a run of records at a time. They are valid during the call.
func (m *Meter) Flows(show func([]flow.Record)) {
	var showing sync.Mutex
	m.ask(func(l *liveWorker) {
		showing.Lock()
		defer showing.Unlock()
		for i := range l.lanes {
			l.lanes[i].table.Live(l.clock, show)
		}
	})
}
