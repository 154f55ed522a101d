package meter

import (
	"slices"

	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// tunnels are what the packets of a worker's run carry, each at its packet's
// place. A worker has them only if some rule set, or the filter, asks.
type tunnels struct {
	found     [flow.MaxRun]packet.Tunnel
	inner     [flow.MaxRun]flow.Packet // the innermost packet; the packet itself if it carries none
	nests     [flow.MaxRun]rules.Nest
	fragments flow.Fragments // of the packets within
}

// lookInside has the worker open tunnels if one of its rule sets, which are
// those of its lanes, or its filter asks for it.
func (w *worker) lookInside(sets []*rules.RuleSet) {
	for i, rs := range sets {
		w.lanes[i].inner = rs.Program.Decapsulate() == rules.Innermost
	}
	if !asksInside(sets) && (w.filter == nil || !w.filter.LooksInside()) {
		w.tunnels = nil
		return
	}
	if w.tunnels == nil {
		w.tunnels = newTunnels(w)
	}
	for i, rs := range sets {
		if rs.Program.LooksInside() {
			w.lanes[i].table.SetNests(w.tunnels.nests[:])
		}
	}
}

// asksInside tells whether some rule set is of what packets carry, or looks at it.
func asksInside(sets []*rules.RuleSet) bool {
	return slices.ContainsFunc(sets, func(rs *rules.RuleSet) bool {
		return rs.Program.Decapsulate() == rules.Innermost || rs.Program.LooksInside()
	})
}

func newTunnels(w *worker) *tunnels {
	t := &tunnels{}
	t.fragments.Seed = w.seed
	for i := range t.nests {
		t.nests[i] = rules.Nest{Outer: &w.run[i].Headers, Inner: &t.inner[i].Headers, Tunnel: &t.found[i]}
	}
	return t
}

// open looks for what the packet at a place carries.
func (t *tunnels) open(at int, p *flow.Packet, data []byte) {
	if t.found[at].Open(&p.Headers, data) {
		t.inner[at].Headers = t.found[at].Inner
	}
}

// close says that the packet at a place carries none. Of those that one frame
// stands for it could not be told.
func (t *tunnels) close(at int) { t.found[at] = packet.Tunnel{} }

// prepare makes the packet within ready for the rule sets, once the one around
// it is.
func (t *tunnels) prepare(at int, p *flow.Packet, seed *flow.Seed) {
	in := &t.inner[at]
	p.Place = uint8(at)
	if t.found[at].Depth == 0 {
		*in = *p
		return
	}
	in.Clock, in.Number, in.Place = p.Clock, p.Number, p.Place
	if in.Layers&packet.HasFragment != 0 {
		t.fragments.ResolveWithin(in, p.Pair())
	}
	in.Prepare(seed)
}

// matches tells whether the filter matches the packet at a place.
func (w *worker) matches(p *flow.Packet, data []byte) bool {
	if w.tunnels != nil {
		return w.filter.MatchNest(&p.Headers, data, &w.tunnels.nests[w.n])
	}
	return w.filter.Match(&p.Headers, data)
}

// setData tells the rules, of both packets at a place, which frame they are in.
func (w *worker) setData(at int, data []byte) {
	w.run[at].Data = data
	if w.tunnels != nil {
		w.tunnels.inner[at].Data = data
	}
}

// packets returns those of the run that a lane is given.
func (w *worker) packets(l *lane) []flow.Packet {
	if l.inner {
		return w.tunnels.inner[:w.n]
	}
	return w.run[:w.n]
}

// counted tells whether some rule set counted the packet at a place.
func (w *worker) counted(at int) bool {
	return w.run[at].Counted || w.tunnels != nil && w.tunnels.inner[at].Counted
}
