package flow

import "flowmeter/rules"

// Hit is how many packets a rule set gave to one pair of rules: the one that
// decided, and the one whose nomatch made the second pass before it.
type Hit struct {
	Rule, Turned uint16 // as rules.Match has them
	Packets      uint64
	Octets       uint64
}

// hits are the Hits of a table. Packets that the rules were asked about are
// counted at once, and so are those that the decision cache answers for. The
// packets of a flow of a fused table are counted when its record is released, by the
// pair that each direction had; those of them that were counted at once are
// owed until then.
type hits struct {
	numbers map[uint32]pair // of pairs of rules
	all     []Hit           // by number
	owed    []Hit           // counted, and yet to come in a record of the same pair
	last    uint32
	lastOf  pair
}

// pair is the number of a pair of rules in a table; 0 is none.
type pair uint16

// mostPairs is how many pairs have a number of their own. All others are one.
const mostPairs = 1<<16 - 1

func (s *hits) init() {
	s.numbers = map[uint32]pair{}
	s.all = []Hit{{}, {}} // none, and that of no rule and no second pass
	s.owed = []Hit{{}, {}}
	s.numbers[0], s.lastOf = 1, 1
}

// of returns the number of a pair of rules. It allocates when it sees one for
// the first time.
func (s *hits) of(m *rules.Match) pair {
	key := uint32(m.Turned)<<16 | uint32(m.Rule)
	if key == s.last {
		return s.lastOf
	}
	n, known := s.numbers[key]
	if !known {
		if len(s.all) == mostPairs {
			return mostPairs - 1
		}
		n = pair(len(s.all))
		s.numbers[key] = n
		s.all = append(s.all, Hit{Rule: m.Rule, Turned: m.Turned})
		s.owed = append(s.owed, Hit{})
	}
	s.last, s.lastOf = key, n
	return n
}

// add counts one packet.
func (s *hits) add(of pair, octets uint32) {
	h := &s.all[of]
	h.Packets++
	h.Octets += uint64(octets)
}

// owe notes packets that have been counted, and will be in a record again.
func (s *hits) owe(of pair, packets, octets uint64) {
	h := &s.owed[of]
	h.Packets += packets
	h.Octets += octets
}

// pay counts the packets of a record, but for those that are owed.
func (s *hits) pay(of pair, packets, octets uint64) {
	h, owed := &s.all[of], &s.owed[of]
	p, o := min(owed.Packets, packets), min(owed.Octets, octets)
	owed.Packets -= p
	owed.Octets -= o
	h.Packets += packets - p
	h.Octets += octets - o
}

// credit counts a packet that the rules were asked about, and that is about to be
// counted in a flow. In a fused table the first pair that holds for all packets of a
// direction becomes that of the direction: its packets are counted when the
// record is released, and need not be asked about again.
func (t *Table) credit(rec int32, h *hot, p *Packet, way Way) {
	if !t.fused {
		t.hits.add(t.asked, p.octets())
		return
	}
	variant := t.variant(p)
	// A SYN+ACK does not speak for what comes after it.
	constant := t.match.Constant && (variant&1 == 0 || !p.isTCP())
	of := &t.store.coldAt(rec).rules[way]
	claimed := h.answers&(3<<(p.dir<<1)) != 0 // tells whether *of is 0, which it would take time to read
	switch {
	case !claimed && constant:
		*of = t.asked
		t.hits.owe(t.asked, h.packets[way], h.octets[way])
	case !claimed:
		t.hits.add(t.asked, p.octets())
	case *of != t.asked:
		t.hits.owe(*of, 1, uint64(p.octets()))
		t.hits.add(t.asked, p.octets())
		return
	}
	if constant {
		h.answers |= 1 << variant
	}
}

// payHits counts what a record that is released holds of packets not yet counted.
func (t *Table) payHits(rec int32, r *Record) {
	for way, n := range t.store.coldAt(rec).rules {
		if n != 0 {
			t.hits.pay(n, r.Count[way].Packets, r.Count[way].Octets)
		}
	}
}

// Hits tells what the table, and each of its reserves, counted of each pair of
// rules since it was made. Of a fused table, most packets of records that have
// not been released are not in it yet.
func (t *Table) Hits(tell func(*RuleSet, []Hit)) {
	var all []Hit
	for _, h := range t.hits.all[1:] {
		if h.Packets > 0 {
			all = append(all, h)
		}
	}
	tell(t.cfg.RuleSet, all)
	for _, r := range t.reserves {
		r.Hits(tell)
	}
}
