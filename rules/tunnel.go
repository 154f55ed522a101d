package rules

import (
	"slices"
	"strings"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
)

// This file is about packets that carry others in tunnels, and which of them a
// field means.

// A Nest is a packet with what it carries.
type Nest struct {
	Outer  *packet.Headers // the outermost packet
	Inner  *packet.Headers // the innermost; valid if Tunnel.Depth > 0
	Tunnel *packet.Tunnel
}

// Decapsulate says what the plain names of a rule set mean.
type Decapsulate uint8

const (
	Outermost Decapsulate = iota // the packet as it was sent
	Innermost                    // the innermost packet that could be read
)

var decapsulateNames = []string{"none", "innermost"}

// String returns none or innermost.
func (d Decapsulate) String() string { return decapsulateNames[d] }

// ParseDecapsulate reads what String returns.
func ParseDecapsulate(s string) (Decapsulate, error) {
	for i, name := range decapsulateNames {
		if s == name {
			return Decapsulate(i), nil
		}
	}
	return Outermost, conf.Error{File: "decapsulate", Msg: "unknown value " + quote(s), Hint: "one of: none, innermost"}
}

// What a reading needs of another packet than the one that plain names mean.
const (
	ofOuter   have = 1 << (61 + iota) // of the outermost packet
	ofInner                           // of the innermost; there is one within another
	ofTunnel                          // of the tunnels' headers: the other bits are of packet.TunnelSet, and those below
	elsewhere = ofOuter | ofInner | ofTunnel
)

const (
	isTunnel have = 1 << (16 + iota) // a packet in it could be read
	isL2TP                           // of either version
)

// Values of tunnel headers.
const (
	getDepth getter = endOfHeaders + iota
	getGREKey
	getSpanID
	getVXLANVNI
	getGeneveVNI
	getTEID
	getL2TPTunnel
	getL2TPSession
	getL2TPSID
	endOfTunnels
)

// tunnelFields are the fields of tunnel headers, a part of the table of fields.
var tunnelFields = []field{
	{"tunnel", typeProto, 0, is(ofTunnel | isTunnel), 0, varies, "", "it carries a packet that could be read"},
	{"tunnel.depth", typeNumber, max8, of(getDepth, ofTunnel), 0, varies, "", "packets within each other that could be read; 0 without a tunnel"},
	{"gre", typeProto, 0, is(inTunnel(packet.HasGRE)), 0, varies, "", ""},
	{"gre.key", typeNumber, max32, of(getGREKey, inTunnel(packet.HasGREKey)), TunnelID, varies, "", "of NVGRE, the subnet in the upper 24 bits"},
	{"erspan", typeProto, 0, is(inTunnel(packet.HasERSPAN)), 0, varies, "", ""},
	{"erspan.spanid", typeNumber, 1<<10 - 1, of(getSpanID, inTunnel(packet.HasSpanID)), TunnelID, varies, "", "not of type I"},
	{"vxlan", typeProto, 0, is(inTunnel(packet.HasVXLAN)), 0, varies, "", ""},
	{"vxlan.vni", typeNumber, 1<<24 - 1, of(getVXLANVNI, inTunnel(packet.HasVXLAN)), TunnelID, varies, "", ""},
	{"geneve", typeProto, 0, is(inTunnel(packet.HasGeneve)), 0, varies, "", ""},
	{"geneve.vni", typeNumber, 1<<24 - 1, of(getGeneveVNI, inTunnel(packet.HasGeneve)), TunnelID, varies, "", ""},
	{"gtp", typeProto, 0, is(inTunnel(packet.HasGTP)), 0, varies, "", "GTP-U alone"},
	{"gtp.teid", typeNumber, max32, of(getTEID, inTunnel(packet.HasGTP)), TunnelID, varies, "", "of GTP-U"},
	{"l2tp", typeProto, 0, is(ofTunnel | isL2TP), 0, varies, "", ""},
	{"l2tp.tunnel", typeNumber, max16, of(getL2TPTunnel, inTunnel(packet.HasL2TP)), TunnelID, varies, "", "of version 2"},
	{"l2tp.session", typeNumber, max16, of(getL2TPSession, inTunnel(packet.HasL2TP)), TunnelID, varies, "", "of version 2"},
	{"l2tp.sid", typeNumber, max32, of(getL2TPSID, inTunnel(packet.HasL2TPv3)), TunnelID, varies, "", "session of version 3"},
}

func inTunnel(s packet.TunnelSet) have { return ofTunnel | have(s) }

// tunnelField returns the field of a tunnel header, or that of another packet:
// outer. or inner. before the name of a field. It is nil if there is none.
func tunnelField(name string) *field {
	for i := range tunnelFields {
		if tunnelFields[i].name == name {
			return &tunnelFields[i]
		}
	}
	which, plain, _ := strings.Cut(name, ".")
	for i := range fields {
		if f := &fields[i]; f.name == plain && f.ofPacket() {
			return f.of(which, name)
		}
	}
	return nil
}

// ofPacket tells whether a field is one that each packet of several has.
func (f *field) ofPacket() bool { return f.attr&computed == 0 && f.typ != typePass }

// of returns the field of another packet; nil if which is not outer or inner.
// It is not saved: keys are of one packet.
func (f *field) of(which, name string) *field {
	other := *f
	other.name, other.attr, other.varies = name, 0, true
	bit := ofOuter
	switch which {
	case "outer":
		other.note = "save " + f.name + " in a rule set without decapsulate:"
	case "inner":
		bit, other.note = ofInner, "save "+f.name+" in a rule set with decapsulate: innermost"
	default:
		return nil
	}
	other.from = slices.Clone(f.from)
	for i := range other.from {
		other.from[i].need |= bit
	}
	return &other
}

// namesLike returns the names of fields of the packet that name begins with.
func namesLike(name string) []string {
	which, _, _ := strings.Cut(name, ".")
	if which != "outer" && which != "inner" {
		return nil
	}
	var names []string
	for i := range fields {
		if fields[i].ofPacket() {
			names = append(names, which+"."+fields[i].name)
		}
	}
	return names
}

// Decapsulate tells which packet Match is to be given.
func (p *Program) Decapsulate() Decapsulate { return p.decapsulate }

// LooksInside tells whether the Program looks at tunnel headers, or another
// packet than the one that it is given: it is to be asked with MatchNest.
func (p *Program) LooksInside() bool {
	return len(p.tests) > 0 || slices.ContainsFunc(p.code, func(in instr) bool { return in.need&elsewhere != 0 })
}

// Scattered tells whether packets of one flow may be seen by several workers,
// which are chosen by the addresses of the outermost packet.
func (p *Program) Scattered() bool { return !p.conversational || p.decapsulate == Innermost }

// LooksInside is as that of Program.
func (f *Filter) LooksInside() bool { return f.program.LooksInside() }

// MatchNest is Match of a packet in a nest.
func (f *Filter) MatchNest(h *packet.Headers, data []byte, n *Nest) bool {
	var key Key
	s := state{h: h, data: data, have: haveOf(h), key: &key, nest: n}
	return f.program.try(&s, f.program.nets.Class(h), false) == Counted
}

// elsewhere keeps a test that looks at another packet.
func (c *compiler) elsewhere(in instr) instr {
	if in.op == opSave {
		return in
	}
	c.tests = append(c.tests, in)
	return instr{op: opNested, pool: int32(len(c.tests) - 1), varies: true}
}

// elsewhere makes a test of another packet than the one at hand.
func (p *Program) elsewhere(in *instr, s *state) bool {
	test := &p.tests[in.pool]
	there, ok := s.within(test.need)
	need := test.need &^ elsewhere
	return ok && there.have&need == need && (test.op == opHas || p.wanted(test, &there) != test.not)
}

// within returns the state as it is for another packet of the nest, or for the
// tunnel's header; false if there is none.
func (s *state) within(need have) (state, bool) {
	if s.nest == nil {
		return state{}, false
	}
	there := *s
	switch {
	case need&ofOuter != 0:
		there.h, there.have = s.nest.Outer, haveOf(s.nest.Outer)
	case need&ofTunnel != 0:
		there.have = haveOfTunnel(s.nest.Tunnel)
	case s.nest.Tunnel.Depth == 0:
		return state{}, false
	default:
		there.h, there.have = s.nest.Inner, haveOf(s.nest.Inner)
	}
	return there, true
}

// saveTunnel puts a number of a tunnel's header into the key.
func (s *state) saveTunnel(in *instr) {
	if need := in.need &^ elsewhere; s.nest == nil || haveOfTunnel(s.nest.Tunnel)&need != need {
		s.lacking |= in.attr
		return
	}
	s.key.TunnelID = tunnelNumber(s.nest.Tunnel, in.get) & in.lo
	s.noteSaved(in)
}

func haveOfTunnel(t *packet.Tunnel) have {
	l := have(t.Has)
	if t.Depth > 0 {
		l |= isTunnel
	}
	if t.Has&(packet.HasL2TP|packet.HasL2TPv3) != 0 {
		l |= isL2TP
	}
	return l
}

// tunnelNumber returns a value of the tunnels' headers.
func tunnelNumber(t *packet.Tunnel, g getter) uint64 {
	switch g {
	case getGREKey:
		return uint64(t.GREKey)
	case getSpanID:
		return uint64(t.SpanID)
	case getVXLANVNI:
		return uint64(t.VXLANVNI)
	case getGeneveVNI:
		return uint64(t.GeneveVNI)
	case getTEID:
		return uint64(t.TEID)
	case getL2TPTunnel:
		return uint64(t.L2TPTunnel)
	case getL2TPSession:
		return uint64(t.L2TPSession)
	case getL2TPSID:
		return uint64(t.L2TPSID)
	}
	return uint64(t.Depth)
}
