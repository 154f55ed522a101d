package flow

import (
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// Sighting is a packet that a rule set counts, on its way from the worker that
// saw it to the one that keeps the flows of an aggregating rule set.
type Sighting struct {
	Packet
	Match rules.Match
}

// Select gives packets to the rule set without counting them in flows: those
// to be counted are appended to seen, the others' verdicts are tallied.
func (t *Table) Select(ps []Packet, seen []Sighting) []Sighting {
	for i := range ps {
		p := &ps[i]
		if p.Layers&packet.HasIP != 0 && t.recall(p) || !t.ask(p, t.trail(p)) {
			continue
		}
		p.Counted = true
		t.Counts.Sighted++
		seen = append(seen, Sighting{*p, t.match})
	}
	return seen
}

// Apply counts packets that some worker's Select let through, in the order of
// their numbers.
func (t *Table) Apply(seen []Sighting) {
	t.Counts.Applied += uint64(len(seen))
	for i := range seen {
		s := &seen[i]
		rec, way := t.locate(&s.Packet, &s.Match)
		t.hits.add(t.hits.of(&s.Match), s.Packet.octets())
		if rec < 0 {
			t.turnAway(&s.Packet)
			continue
		}
		t.count(rec, t.store.hotAt(rec), &s.Packet, way, s.Match.Class)
	}
}
