package rules

import (
	"flowmeter/meter/packet"
)

// state is what a Program knows while it looks at one packet.
type state struct {
	h        *packet.Headers
	data     []byte // the frame that h is of, as captured
	have     have
	key      *Key
	lacking  Attr  // saved, but the frame does not hold it
	foreign  Attr  // see Match.Foreign
	class    Class // against home, of the way round being tried
	swapped  uint8 // 1: the packet is seen the other way round
	second   bool  // the second pass
	explicit bool  // there was a save:
	varies   bool  // looked at what can change within a conversation
	returned uint8 // number of the last return:, 0 for none
	depth    uint8 // of stack
	stack    [maxCalls]int32
	measures Quantities
	rule     uint16 // number of the rule that ended the pass
	vars     [maxVars]uint16
	nest     *Nest // nil if the Program does not look inside
	found    candidates
	trail    *Trail // or nil
	end      uint8  // which end of the conversation sent the packet: the trail's
}

// Match finds what the rules say of a packet: RFC 2722 §4.3. The packet is
// tried as orient says; if that gives no match, it is tried the other way
// round. data is the frame that h was decoded from; it is looked at, and must be
// there, only if the Program Scans. It allocates nothing.
func (p *Program) Match(h *packet.Headers, data []byte, m *Match) {
	s := state{h: h, data: data}
	p.match(&s, m)
}

// MatchNest is Match of one packet in a nest.
func (p *Program) MatchNest(h *packet.Headers, data []byte, n *Nest, m *Match) {
	s := state{h: h, data: data, nest: n}
	p.match(&s, m)
}

// MatchAlong is Match with the Trail of the packet's conversation, of IP alone.
// One end of it is 0, the other 1; end is the one that sent the packet.
func (p *Program) MatchAlong(t *Trail, end uint8, h *packet.Headers, data []byte, m *Match) {
	s := state{h: h, data: data, trail: t, end: end}
	p.match(&s, m)
}

func (p *Program) match(s *state, m *Match) {
	h := s.h
	s.have, s.key = haveOf(h), &m.Key
	m.Class = s.trail.class(p.nets, h, s.end)
	first := p.swapsFirst(h, m.Class)
	verdict := p.try(s, m.Class, first)
	m.Turned = EndOfRules
	if verdict == NoMatch {
		m.Turned, s.second = s.rule, true
		verdict = p.try(s, m.Class, !first)
	}
	m.Verdict, m.Constant, m.Rule = verdict, !s.varies, s.rule
	m.Swapped = verdict == Counted && s.swapped == 1
	m.Evidence, m.Foreign, m.Measures = NoEvidence, 0, 0
	if verdict == Counted {
		m.Foreign, m.Measures = s.foreign, s.measures
		m.Evidence = p.Evidence(h, m.Class, m.Swapped)
	}
}

// try runs one pass.
func (p *Program) try(s *state, class Class, swapped bool) Verdict {
	s.begin(class, swapped)
	return p.run(s)
}

// begin begins a pass.
func (s *state) begin(class Class, swapped bool) {
	*s.key = Key{}
	s.class, s.swapped = class, 0
	if swapped {
		s.class, s.swapped = class.Reverse(), 1
	}
	s.lacking, s.foreign, s.explicit, s.measures, s.depth, s.vars = 0, 0, false, 0, 0, [maxVars]uint16{}
	s.found.by = nil
}

func (p *Program) setOrient(o Orient) {
	p.orient, p.replyLayers = o, 0
	if o == Initiator {
		p.replyLayers = packet.HasTCP | packet.HasICMP | packet.HasICMPv6
	}
}

// swapsFirst tells whether a packet is seen the other way round in the first
// pass.
func (p *Program) swapsFirst(h *packet.Headers, class Class) bool {
	return p.Reply(h) || p.orient == Perimeter && class == Out
}

const synAck = packet.SYN | packet.ACK

// Reply tells whether a packet is tried the other way round first because it
// answers another: with orient initiator, a SYN+ACK or an ICMP reply type.
func (p *Program) Reply(h *packet.Headers) bool {
	l := h.Layers & p.replyLayers
	if l == packet.HasTCP {
		return h.TCPFlags&synAck == synAck
	}
	return l != 0 && icmpRoles[h.ICMPType].reply&l != 0
}

// Evidence says why a packet that was counted, swapped or not, gives its flow
// the direction it has. Two packets with the same Match may differ in it, as
// a SYN and the data after it do; the packet that creates the flow decides.
func (p *Program) Evidence(h *packet.Headers, class Class, swapped bool) Evidence {
	switch {
	case swapped != p.swapsFirst(h, class):
		return EvidenceRule
	case p.orient == Perimeter && (class == In || class == Out):
		return EvidencePerimeter
	case p.orient != Initiator:
		return EvidenceFirst
	case h.Layers&packet.HasTCP != 0 && h.TCPFlags&synAck == synAck:
		return EvidenceSYNACK
	case h.Layers&packet.HasTCP != 0 && h.TCPFlags&synAck == packet.SYN:
		return EvidenceSYN
	case h.Layers&(packet.HasICMP|packet.HasICMPv6) != 0 && icmpRoles[h.ICMPType].any(h.Layers):
		return EvidenceICMP
	}
	return EvidenceFirst
}

// An icmpRole says of an ICMP type in which protocols, given by their layers,
// it is a request or a reply.
type icmpRole struct{ request, reply packet.Layer }

func (r icmpRole) any(l packet.Layer) bool { return (r.request|r.reply)&l != 0 }

// icmpRoles are the types that come in pairs between the same two hosts: echo,
// timestamp, information, address mask (RFC 792, RFC 950), extended echo (RFC
// 8335); of ICMPv6 echo (RFC 4443), node information (RFC 4620), extended
// echo. Solicitations and reports go to groups, so they are not among them.
var icmpRoles = [256]icmpRole{
	8: {request: packet.HasICMP}, 0: {reply: packet.HasICMP},
	13: {request: packet.HasICMP}, 14: {reply: packet.HasICMP},
	15: {request: packet.HasICMP}, 16: {reply: packet.HasICMP},
	17: {request: packet.HasICMP}, 18: {reply: packet.HasICMP},
	42: {request: packet.HasICMP}, 43: {reply: packet.HasICMP},
	128: {request: packet.HasICMPv6}, 129: {reply: packet.HasICMPv6},
	139: {request: packet.HasICMPv6}, 140: {reply: packet.HasICMPv6},
	160: {request: packet.HasICMPv6}, 161: {reply: packet.HasICMPv6},
}
