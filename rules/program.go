package rules

import (
	"encoding/binary"
	"slices"
	"sort"

	"flowmeter/meter/packet"
)

// A Program is a compiled rule set, RFC 2722's pattern matching engine. It
// never changes and is safe for concurrent use by several workers.
type Program struct {
	code     []instr
	spans    [][]span
	bitmaps  []*bitmap
	prefixes []prefix
	lists    []*prefixList
	octets   []*octetTest
	scans    []*scanTest
	tests    []instr // of opNested

	dispatches []*dispatch

	nets   *Networks
	names  []string // of numbers from firstName
	source []*rule  // what it was compiled from, for an Explainer

	distributions Distributions
	deciders      []Decider // by number, less one

	leads          []lead // for the kernel
	fused          bool
	conversational bool
	decapsulate    Decapsulate
	trails         bool
	orient         Orient
	replyLayers    packet.Layer // layers whose replies are tried swapped first
}

// Fused tells whether a flow of the rule set is a conversation: the only key
// that the Program can save is the plain five-tuple, with no computed
// attribute. Whether a packet of a known flow is counted is still for the
// rules to say, unless an answer for its kind was Constant.
func (p *Program) Fused() bool { return p.fused && p.decapsulate == Outermost }

// Conversational tells whether every key that the Program can save holds both
// addresses, unmasked.
func (p *Program) Conversational() bool { return p.conversational }

// Scans tells whether the Program looks at the octets of frames, not at their
// Headers alone.
func (p *Program) Scans() bool {
	inFrame := func(in instr) bool { return in.op == opScan || in.get >= getMSS && in.get < endOfHeaders }
	return slices.ContainsFunc(p.code, inFrame) || slices.ContainsFunc(p.tests, inFrame)
}

// KindName returns the name of a kind from 256, or "".
func (p *Program) KindName(n uint16) string { return p.nameOf(n) }

// ClassName returns the name of a class: of those from 256 the rule set's
// own, of 1 to 4 in, out, internal and transit; otherwise "".
func (p *Program) ClassName(n uint16) string {
	if n > 0 && int(n) < len(homeNames) {
		return homeNames[n]
	}
	return p.nameOf(n)
}

func (p *Program) nameOf(n uint16) string {
	if n < firstName || int(n-firstName) >= len(p.names) {
		return ""
	}
	return p.names[n-firstName]
}

// run executes the Program for one pass, seen from s.
func (p *Program) run(s *state) Verdict {
	for pc := int32(0); ; {
		if s.trail != nil {
			pc = s.trail.follow(p, pc, s)
		}
		in := &p.code[pc]
		s.varies = s.varies || in.varies
		yes := true
		switch in.op {
		case opSave:
			s.save(in)
		case opSaveList:
			p.saveList(in, s)
		case opPut:
			s.put(in)
		case opSet:
			s.set(in)
		case opMeasure:
			s.measures |= Quantities(in.lo)
		case opMark:
			s.explicit = true
		case opJump:
		case opCount:
			s.rule = uint16(in.pool)
			return s.count()
		case opIgnore:
			s.rule = uint16(in.pool)
			return Ignored
		case opNoMatch:
			s.rule = uint16(in.pool)
			return NoMatch
		case opCall:
			s.stack[s.depth%maxCalls] = pc + 1
			s.depth++
		case opReturn:
			s.depth--
			s.returned = uint8(in.lo)
			pc = s.stack[s.depth%maxCalls]
			continue
		case opReturned:
			yes = s.returned == uint8(in.lo)
		case opNext:
			pc = p.dispatches[in.pool].next(int32(in.lo), s)
			continue
		case opNested:
			yes = p.elsewhere(in, s)
		default:
			yes = p.test(in, s)
		}
		if yes {
			pc = in.yes
		} else {
			pc = in.no
		}
	}
}

// saveList saves an address under the longest of the masks that it matched.
func (p *Program) saveList(in *instr, s *state) {
	masked := *in
	masked.bits = p.lists[in.pool].longest(s.addr(in.get), s.have.v4())
	s.save(&masked)
}

// test tells whether a test is true.
func (p *Program) test(in *instr, s *state) bool {
	return s.have&in.need == in.need && (in.op == opHas || p.wanted(in, s) != in.not)
}

// wanted tells whether the value that a test looks at is one of those wanted.
func (p *Program) wanted(in *instr, s *state) bool {
	switch in.op {
	case opPrefix:
		return p.prefixes[in.pool].holds(s.addr(in.get), s.have)
	case opList:
		return p.lists[in.pool].contains(s.addr(in.get), s.have.v4())
	case opOctets:
		return p.octets[in.pool].wants(s.octets(in.get))
	case opScan:
		return p.scans[in.pool].holds(s)
	}
	n := s.number(in.get) & in.mask
	switch in.op {
	case opSpan:
		return in.lo <= n && n <= in.hi
	case opBits:
		return p.bitmaps[in.pool].holds(n)
	}
	return inSpans(p.spans[in.pool], n)
}

func (b *bitmap) holds(n uint64) bool { return n <= max16 && b[n/64]>>(n%64)&1 != 0 }

func inSpans(spans []span, n uint64) bool {
	i := sort.Search(len(spans), func(i int) bool { return n <= spans[i].hi })
	return i < len(spans) && spans[i].lo <= n
}

func words(addr *[16]byte) (hi, lo uint64) {
	return binary.BigEndian.Uint64(addr[:8]), binary.BigEndian.Uint64(addr[8:])
}
