package flow

import (
	"hash/maphash"
	"slices"
	"time"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// Config says how a Table keeps its flows.
type Config struct {
	RuleSet   *RuleSet
	Program   *rules.Program
	Active    time.Duration // a piece is closed this long after it began
	Idle      time.Duration // a flow ends this long after its last packet
	TCPLinger time.Duration // a TCP flow ends this long after the last packet behind its FINs or RST
	MaxFlows  int           // flows kept at once
	CacheSize int           // lines of the decision cache; 0 for none
	Seed      Seed
	Overload  *Overload // nil: at the cap the flow least recently seen makes room

	// Histograms are where the distributions of released records are added up; nil
	// for nowhere.
	Histograms *Histograms
}

// Table is the flow table of one rule set in one worker, with its reserves. It is used by that
// worker's goroutine alone.
type Table struct {
	cfg       Config
	program   *rules.Program
	fused     bool // every key is the plain five-tuple: find first, ask the rules on a miss
	trails    bool // the rules have use for a Trail of each conversation
	whole     bool // keys hold whole addresses, so that a flow's first packet speaks for its link
	active    int64
	idle      int64
	linger    int64
	watermark int64 // of the last Ready
	clock     int64 // trace clock of the last Advance, in whole slots of the wheel

	index   *index
	store   store
	wheel   wheel
	cache   *cache
	line    int32    // of the packet last recalled
	ended   []ending // records that wait for their release
	endings uint32   // how many there have been
	other   []ending // room for sorting them
	ready   int      // of ended, how many are in order and may go
	taken   int      // of those, how many have gone
	flushed int32    // where FlushSome goes on
	emptied int      // reserves that it has been through
	victims victims
	match   rules.Match
	asked   pair // of match
	hits    hits
	keySeed maphash.Seed
	look    func([]wheelEntry, uint32) // t.due, bound once
	nests   []rules.Nest               // by Packet.Place; nil if the rules do not look inside

	relief   relief
	reserves []*Table // the standby, the overflow: behind this table
	step     Step
	since    int64
	steps    [NumSteps]uint64

	candidates [MaxRun]int32 // records that the packets of a run are expected to need; -1: none
	lines      lines

	Counts Counts
}

// Counts is what a Table counted since it was made.
type Counts struct {
	Verdicts       [rules.NumVerdicts]uint64 // packets by verdict
	VerdictOctets  [rules.NumVerdicts]uint64
	Traffic        [rules.NumClasses]uint64 // counted packets by class, as each was sent
	TrafficOctets  [rules.NumClasses]uint64
	Sighted        uint64 // packets that Select passed on; not in the verdicts
	Applied        uint64 // packets of other Selects that Apply counted
	Created        uint64
	Ended          [NumEndReasons]uint64 // records by end reason
	Released       uint64                // packets of released records
	ReleasedOctets uint64
	Live           uint64 // flows now in the table
}

// MaxRun is the largest number of packets that Update takes at once: enough
// for their cache misses to overlap, few enough to stay in the first cache.
const MaxRun = 64

// NewTable makes an empty Table.
func NewTable(cfg Config) *Table {
	t := &Table{
		cfg: cfg, program: cfg.Program, fused: cfg.Program.Fused(), trails: cfg.Program.Trails(), whole: cfg.Program.Conversational(),
		active: int64(cfg.Active), idle: int64(cfg.Idle), linger: int64(cfg.TCPLinger),
		cache: newCache(cfg.CacheSize),
	}
	m := newMemory()
	t.index = newIndex(m)
	t.store.keyed, t.store.trailed = !t.fused, t.fused && t.trails
	t.store.memory, t.wheel.memory = m, m
	if cfg.Program.Measures() {
		t.store.gauges = newGauges(cfg.Program.Distributions(), m)
	}
	t.keySeed = maphash.MakeSeed()
	t.hits.init()
	t.look = t.due
	if cfg.Overload != nil {
		t.addReserves(cfg.Overload)
	}
	return t
}

// Scans tells whether the rules look at the octets of frames, its own or those of
// its reserves: then Packet.Data must be there.
func (t *Table) Scans() bool {
	return t.program.Scans() || slices.ContainsFunc(t.reserves, func(r *Table) bool { return r != nil && r.Scans() })
}

// SayChosen has the records of the table and of its reserves say that their packets
// were chosen by s, as likely as those before.
func (t *Table) SayChosen(s *Selector) {
	label := *t.cfg.RuleSet
	label.Selector = s
	t.cfg.RuleSet = &label
	for _, reserve := range t.reserves {
		if reserve != nil {
			reserve.SayChosen(s)
		}
	}
}

// SetNests tells in which nest each packet is, by its Place: to rules that look
// inside (rules.Program.LooksInside).
func (t *Table) SetNests(nests []rules.Nest) { t.nests = nests }

// Update gives up to MaxRun packets, each Prepared, to the rule set. It finds
// their flows sooner if it was told to Expect them.
func (t *Table) Update(ps []Packet) {
	if !t.fused {
		for i := range ps {
			t.decide(&ps[i])
		}
		return
	}
	t.findCandidates(ps, 0)
	for from := 0; from < len(ps); from += updateAhead {
		t.findCandidates(ps, from+updateAhead)
		for i := from; i < min(from+updateAhead, len(ps)); i++ {
			if p := &ps[i]; p.Layers&packet.HasIP != 0 {
				t.updateFused(p, t.candidates[i])
			} else {
				t.decide(p)
			}
		}
	}
}

// updateFused counts a packet in its conversation's flow. The flow remembers
// which of its packets the rules count, so that known ones need no rules.
func (t *Table) updateFused(p *Packet, rec int32) {
	if rec < 0 || !t.sameTuple(rec, t.store.hotAt(rec), p) {
		rec = t.findTuple(p)
	}
	if rec < 0 {
		t.decide(p)
		return
	}
	h := t.store.hotAt(rec)
	known := h.answers&(1<<t.variant(p)) != 0
	if !known && (t.recall(p) || !t.ask(p, t.trailOf(rec, h))) {
		return
	}
	// Only now, as a packet that is not counted does not end a flow.
	if !t.goesOn(h, p.Clock) && !t.settle(rec, p.Clock, p.startsTCP()) {
		t.decide(p)
		return
	}
	way := h.way(p.dir)
	if !known {
		t.credit(rec, h, p, way)
	}
	t.count(rec, h, p, way, h.class(p.dir))
}

// variant numbers the cases in which packets of one five-tuple may get
// different answers from rules that only test what is constant in it: the way
// a packet was sent, and whether it is tried the other way round first.
func (t *Table) variant(p *Packet) uint8 {
	v := p.dir << 1
	if t.program.Reply(&p.Headers) {
		v |= 1
	}
	return v
}

// way returns the direction within the flow of a packet sent by the given end.
func (h *hot) way(dir uint8) Way {
	if h.state&sourceHigh != 0 {
		dir ^= 1
	}
	return Way(dir)
}

// answers of a flow whose key is the five-tuple: bits 0 to 3 tell which
// variants the rules count; bits 4 and 5 hold the home class less one of what
// the lower end sends; bit 6 tells that the flow has a Trail.
const (
	classShift = 4
	hasTrail   = 1 << 6
)

// trailOf returns the Trail of a known flow, or nil where none is kept. It is begun
// with the flow's second packet: most of a flood have none.
func (t *Table) trailOf(rec int32, h *hot) *rules.Trail {
	if !t.store.trailed {
		return nil
	}
	trail := t.store.trails.at(rec)
	if h.answers&hasTrail == 0 {
		h.answers |= hasTrail
		*trail = rules.Trail{}
	}
	return trail
}

// class returns the home class of a packet of the flow, as it was sent.
func (h *hot) class(dir uint8) rules.Class {
	c := rules.Class(h.answers>>classShift&3) + rules.In
	if dir == 1 {
		c = c.Reverse()
	}
	return c
}

// ask puts a packet, which cannot be recalled, to the rules and tallies the verdict
// if it is not counted. trail is that of the packet's conversation, or nil.
func (t *Table) ask(p *Packet, trail *rules.Trail) bool {
	isIP := p.Layers&packet.HasIP != 0
	switch {
	case t.nests != nil:
		t.program.MatchNest(&p.Headers, p.Data, &t.nests[p.Place], &t.match)
	case trail != nil:
		t.program.MatchAlong(trail, p.dir, &p.Headers, p.Data, &t.match)
	default:
		t.program.Match(&p.Headers, p.Data, &t.match)
	}
	m := &t.match
	t.asked = t.hits.of(m)
	if m.Verdict == rules.Counted {
		return true
	}
	t.tally(m.Verdict, p)
	t.hits.add(t.asked, p.octets())
	if m.Constant && isIP {
		t.remember(p, newAnswer(m.Verdict, m.Class))
	}
	return false
}

func (t *Table) tally(v rules.Verdict, p *Packet) {
	t.Counts.Verdicts[v]++
	t.Counts.VerdictOctets[v] += uint64(p.octets())
}

// Ignore tallies a packet that the rules are known to ignore, of which nothing
// else is: it counts for as many octets.
func (t *Table) Ignore(octets uint32) {
	t.Counts.Verdicts[rules.Ignored]++
	t.Counts.VerdictOctets[rules.Ignored] += uint64(octets)
	t.hits.add(t.hits.of(&cutByKernel), octets)
}

// cutByKernel is of packets that Ignore is told of.
var cutByKernel = rules.Match{Rule: rules.NoRule}

// octets is what a packet counts for: its IP total length; a frame without IP
// counts as on the wire.
func (p *Packet) octets() uint32 {
	if p.Layers&packet.HasIP != 0 {
		return p.TotalLen
	}
	return p.WireLen
}

func (p *Packet) isTCP() bool { return p.Layers&packet.HasTCP != 0 }

// startsTCP tells whether the packet asks for a new TCP connection.
func (p *Packet) startsTCP() bool {
	return p.Layers&packet.HasTCP != 0 && p.TCPFlags&(packet.SYN|packet.ACK) == packet.SYN
}

// sameTuple tells whether the flow whose record rec and h are is live and has
// the packet's five-tuple.
func (t *Table) sameTuple(rec int32, h *hot, p *Packet) bool {
	if h.kind != p.tuple.kind || h.proto != p.tuple.proto ||
		h.port[0] != p.tuple.loPort || h.port[1] != p.tuple.hiPort || h.state&live == 0 {
		return false
	}
	if p.Version == 4 {
		return h.addr[0] == uint32(p.tuple.loAddr.lo) && h.addr[1] == uint32(p.tuple.hiAddr.lo)
	}
	return t.store.ipv6At(rec).ends == [2]words{p.tuple.loAddr, p.tuple.hiAddr}
}

// findTuple returns the live flow of the packet's five-tuple, or -1.
func (t *Table) findTuple(p *Packet) int32 {
	s := t.index.segment(p.hash)
	for i := p.hash & s.mask; ; i = (i + 1) & s.mask {
		e := s.slots[i]
		if e.ref == 0 {
			return -1
		}
		rec := int32(e.ref - 1)
		if e.tag == p.hash && t.sameTuple(rec, t.store.hotAt(rec), p) {
			return rec
		}
	}
}
