package rules

import "flowmeter/meter/packet"

// A Trail remembers what the rules found out about one conversation: from an
// instruction on, which is the next that must be executed again for each
// packet. What lies between looks only at what is the same for all packets of
// a five-tuple. It is only a cache: with any Trail of the same conversation, a
// packet gets the same Match. The zero value knows nothing.
type Trail struct {
	steps   [trailSteps]trailStep
	classes [2]Class // of what each end sends; NoClass: not known
	_       [6]byte  // one cache line
}

const trailSteps = 7

// A trailStep goes from an instruction, as trailKey has it, to another.
type trailStep struct{ from, to int32 }

// fewSteps is how many instructions are executed sooner than remembered.
const fewSteps = 32

// Trails tells whether Trails are of use: the Program looks at what changes
// within a conversation, and has much to do beside.
func (p *Program) Trails() bool { return p.trails }

// class returns the class of a packet that the given end sent.
func (t *Trail) class(n *Networks, h *packet.Headers, end uint8) Class {
	if t == nil {
		return n.Class(h)
	}
	known := &t.classes[end&1]
	if *known == NoClass {
		*known = n.Class(h)
	}
	return *known
}

// follow returns the next instruction from pc on that must be executed.
func (t *Trail) follow(p *Program, pc int32, s *state) int32 {
	if p.code[pc].live {
		return pc
	}
	from := s.trailKey(pc)
	one := &t.steps[uint32(from>>4^from>>1)%trailSteps]
	if one.from != from {
		one.from, one.to = from, p.nextLive(pc, s)
	}
	return one.to
}

// trailKey stands for an instruction, the end of the conversation that sent the
// packet, the way round it is seen, and the pass. It is never 0.
func (s *state) trailKey(pc int32) int32 {
	return pc<<4 | int32(s.end)<<3 | int32(s.swapped)<<2 | int32(bit(s.second))<<1 | 1
}

// nextLive executes instructions until the first that is live.
func (p *Program) nextLive(pc int32, s *state) int32 {
	for {
		in := &p.code[pc]
		switch {
		case in.live:
			return pc
		case in.op == opNext:
			pc = p.dispatches[in.pool].next(int32(in.lo), s)
		case in.op == opJump || p.test(in, s):
			pc = in.yes
		default:
			pc = in.no
		}
	}
}

// findLive finds out which instructions are live: all but jumps and tests of
// what is the same for all packets of a five-tuple, whatever was set.
func (p *Program) findLive() {
	varies, setsClass := false, false
	for i := range p.code {
		setsClass = setsClass || p.code[i].op == opSet && p.code[i].get == getClass
	}
	for i := range p.code {
		in := &p.code[i]
		switch in.op {
		case opJump, opHas:
			in.live = in.varies
		case opSpan, opSpans, opBits, opPrefix, opList:
			in.live = in.varies || changes(in.get, setsClass)
		case opNext:
			d := p.dispatches[in.pool]
			in.live = d.steady < len(d.tables)
			for _, t := range d.tables {
				in.live = in.live || changes(t.get, setsClass)
			}
		default:
			in.live = true
		}
		varies = varies || in.varies
	}
	p.trails = varies && len(p.code) > fewSteps
}

// changes tells whether set: may change a value.
func changes(g getter, setsClass bool) bool {
	return g > getClass && g != getPass || g == getClass && setsClass
}
