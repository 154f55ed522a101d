package flow

import (
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// decide gives a packet its verdict where no flow has been found by its
// five-tuple: from the decision cache, else from the rules.
func (t *Table) decide(p *Packet) {
	isIP := p.Layers&packet.HasIP != 0
	if isIP && t.recall(p) {
		return
	}
	if !t.ask(p, t.trail(p)) {
		return
	}
	m, created := &t.match, t.Counts.Created
	rec, way := t.locate(p, m)
	if rec < 0 {
		t.hits.add(t.asked, p.octets())
		t.turnAway(p)
		return
	}
	h := t.store.hotAt(rec)
	t.credit(rec, h, p, way)
	t.count(rec, h, p, way, m.Class)
	switch known := created == t.Counts.Created; {
	case !isIP || t.fused:
	case m.Constant:
		t.rememberFlow(p, m, rec, way)
	case t.trails && known: // conversations of one packet would but drive out others
		t.cache.place(p)
	}
}

// trail returns the Trail of the packet's conversation, if the decision cache has a
// line for it. A fused table has none for conversations without a flow.
func (t *Table) trail(p *Packet) *rules.Trail {
	if !t.trails || t.fused || p.Layers&packet.HasIP == 0 {
		return nil
	}
	return t.cache.trailAt(t.line)
}

// recall answers from the decision cache, if it can.
func (t *Table) recall(p *Packet) bool {
	t.line = t.cache.at(p)
	if t.line < 0 {
		return false
	}
	l := &t.cache.lines[t.line]
	a := l.answers[t.variant(p)]
	if a == 0 {
		return false
	}
	if a.verdict() != rules.Counted {
		if a&answerClaim == 0 {
			return false
		}
		t.tally(a.verdict(), p)
		t.hits.add(l.rules[p.dir], p.octets())
		return true
	}
	rec := l.flow[p.dir]
	h := t.store.hotAt(rec)
	if a&answerClaim == 0 || h.serial != l.serial[p.dir] {
		return false
	}
	if !t.settle(rec, p.Clock, p.startsTCP()) {
		return false
	}
	t.hits.add(l.rules[p.dir], p.octets())
	t.count(rec, h, p, a.way(), a.class())
	return true
}

// remember notes that a packet is not counted.
func (t *Table) remember(p *Packet, a answer) {
	if l := t.cache.line(p); l != nil {
		t.claim(l, p)
		l.answers[t.variant(p)] = a | answerClaim
	}
}

// claim notes which rules answered. If others answered for the other variant that is
// sent the same way, it gives up its claim.
func (t *Table) claim(l *line, p *Packet) {
	if l.rules[p.dir] != t.asked {
		l.answers[t.variant(p)^1] &^= answerClaim
		l.rules[p.dir] = t.asked
	}
}

// rememberFlow notes the flow that a packet was counted in. The other variant
// sent the same way may be counted in another flow: it gives up its claim.
func (t *Table) rememberFlow(p *Packet, m *rules.Match, rec int32, way Way) {
	l := t.cache.line(p)
	if l == nil {
		return
	}
	v := t.variant(p)
	l.answers[v^1] &^= answerClaim
	l.rules[p.dir] = t.asked
	l.answers[v] = newAnswer(m.Verdict, m.Class) | answerClaim | answer(way)<<6
	l.flow[p.dir] = rec
	l.serial[p.dir] = t.store.hotAt(rec).serial
}

// locate returns the flow of a counted packet, made anew if need be, and the
// packet's direction in it (RFC 2722 §4.3); -1 if there is no room for it.
func (t *Table) locate(p *Packet, m *rules.Match) (int32, Way) {
	if t.fused {
		if t.noRoom(p.Clock) {
			return -1, Forward
		}
		if p.tuple.sameEnds() {
			return t.create(p, m, false), Forward
		}
		return t.create(p, m, p.dir == 1 != m.Swapped), wayOf(m.Swapped)
	}
	key, high := canonical(&m.Key)
	hash := hashKey(&key, t.keySeed)
	rec := t.findKey(&key, hash)
	if rec >= 0 && !t.settle(rec, p.Clock, p.startsTCP()) {
		rec = -1
	}
	if rec < 0 && t.noRoom(p.Clock) {
		return -1, Forward
	}
	if rec < 0 {
		rec = t.createKeyed(p, m, &key, hash, high)
	}
	if symmetric(&key) {
		return rec, Forward
	}
	// The packet goes forward if it goes from the flow's source, which is
	// the key's source unless flow and key stand opposite ways.
	opposite := high != (t.store.hotAt(rec).state&sourceHigh != 0)
	return rec, wayOf(m.Swapped != opposite)
}

func wayOf(reverse bool) Way {
	if reverse {
		return Reverse
	}
	return Forward
}
