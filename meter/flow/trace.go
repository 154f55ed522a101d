package flow

import (
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// A Fate is what became of a packet in a Table.
type Fate struct {
	RuleSet *RuleSet
	Verdict rules.Verdict

	// Flow is the flow that the packet was counted in, as of now, without its
	// counters; valid if Verdict is Counted. Way is the packet's direction in it.
	Flow Record
	Way  Way
}

// Trace is Update of one packet. It tells what became of it: in this table, and
// in each reserve that it was given to. For those who ask; slow.
func (t *Table) Trace(p *Packet) []Fate {
	tables := append([]*Table{t}, t.reserves...)
	before := make([][rules.NumVerdicts]uint64, len(tables))
	for i, at := range tables {
		before[i] = at.Counts.Verdicts
	}
	ps := [1]Packet{*p}
	t.Update(ps[:])
	*p = ps[0]
	var fates []Fate
	for i, at := range tables {
		for v := range rules.NumVerdicts {
			if at.Counts.Verdicts[v] != before[i][v] {
				fates = append(fates, at.fate(p, v))
			}
		}
	}
	return fates
}

func (t *Table) fate(p *Packet, v rules.Verdict) Fate {
	f := Fate{RuleSet: t.cfg.RuleSet, Verdict: v}
	if v != rules.Counted {
		return f
	}
	if rec, way := t.find(p); rec >= 0 {
		f.Way = way
		t.fillFlow(&f.Flow, rec)
	}
	return f
}

// Nest returns the nest that a packet is in; nil if the rules do not look inside.
func (t *Table) Nest(p *Packet) *rules.Nest {
	if t.nests == nil {
		return nil
	}
	return &t.nests[p.Place]
}

// find returns the flow of a packet that was counted just now, and its way.
func (t *Table) find(p *Packet) (int32, Way) {
	if t.fused && p.Layers&packet.HasIP != 0 {
		rec := t.findTuple(p)
		if rec < 0 || p.tuple.sameEnds() {
			return rec, Forward
		}
		return rec, t.store.hotAt(rec).way(p.dir)
	}
	var m rules.Match
	t.program.MatchNest(&p.Headers, p.Data, t.Nest(p), &m)
	key, high := canonical(&m.Key)
	rec := t.findKey(&key, hashKey(&key, t.keySeed))
	if rec < 0 || symmetric(&key) {
		return rec, Forward
	}
	opposite := high != (t.store.hotAt(rec).state&sourceHigh != 0)
	return rec, wayOf(m.Swapped != opposite)
}

// fillFlow writes what identifies a live flow.
func (t *Table) fillFlow(r *Record, rec int32) {
	c := t.store.coldAt(rec)
	before := t.store.before(c)
	*r = Record{
		RuleSet: t.cfg.RuleSet, Start: c.flowStart, Piece: before.number,
		Class: rules.Class(c.reason & 0xf), Evidence: rules.Evidence(c.reason >> 4),
	}
	t.keyInto(&r.Key, rec)
	r.Biflow = biflowDirections[r.Evidence]
	r.FlowID = flowID(&r.Key, r.Start)
	r.Has = HasEvidence | hasKey(&r.Key)
	if r.Class != rules.NoClass {
		r.Has |= HasClass
	}
	r.fillFromKey()
}
