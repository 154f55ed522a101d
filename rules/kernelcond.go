package rules

import (
	"net/netip"

	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
	"flowmeter/meter/packet"
)

// cond goes to yes where the expression is true of a packet, to no where it is
// not. Where a test cannot tell, the expression is taken for true if lean says
// so, else for false. As leaning one way in all tests (the other way below a
// !) can only bring the whole expression that way, an answer that comes out
// against the lean is certain.
func (c *kernelCode) cond(k *cond, yes, no cbpf.Label, lean bool) {
	switch k.kind {
	case exprNot:
		c.cond(k.kids[0], no, yes, !lean)
	case exprAnd, exprOr:
		last := len(k.kids) - 1
		for _, kid := range k.kids[:last] {
			next := c.Label()
			if k.kind == exprAnd {
				c.cond(kid, next, no, lean)
			} else {
				c.cond(kid, yes, next, lean)
			}
			c.Place(next)
		}
		c.cond(k.kids[last], yes, no, lean)
	case exprHas:
		if k.field.scanned() != nil {
			c.Jump(leaning(lean, yes, no))
			return
		}
		c.needs(k.field.from[0].need, no, leaning(lean, yes, no))
		c.Jump(yes)
	case exprTest:
		c.test(k, yes, no, lean)
	}
}

// leaning is where a test goes that cannot tell.
func leaning(lean bool, yes, no cbpf.Label) cbpf.Label {
	if lean {
		return yes
	}
	return no
}

// test is as compiler.test: whether any value of the field is wanted, or all
// are; with not, whether they are there and not wanted.
func (c *kernelCode) test(k *cond, yes, no cbpf.Label, lean bool) {
	if k.octets != nil || k.field.scanned() != nil {
		c.Jump(leaning(lean, yes, no))
		return
	}
	for i, from := range k.field.from {
		next := c.Label()
		fits, fails, absent := yes, next, next
		if k.all {
			fits, fails = next, no
		}
		if k.all && i == 0 {
			absent = no
		}
		doubt := leaning(lean, fits, fails)
		c.needs(from.need, absent, doubt)
		if k.not {
			fits, fails = fails, fits
		}
		c.wanted(k, from.get, fits, fails, doubt)
		c.Place(next)
	}
	if k.all {
		c.Jump(yes)
		return
	}
	c.Jump(no)
}

// kernelNeeds says of each thing that a frame can hold how its presence shows:
// in a note that is not 0, or in the protocol with at least so many octets
// of its header. In this order they are asked.
var kernelNeeds = []struct {
	need   have
	slot   int
	is     uint32 // the note must be this; 0: any but 0
	protos []uint32
	octets uint32
}{
	{need: have(packet.HasMAC), slot: scratchMACs},
	{need: have(packet.HasEtherType), slot: scratchType},
	{need: have(packet.HasVLAN), slot: scratchTag},
	{need: have(packet.HasVLAN2), slot: scratchTag2},
	{need: isARP, slot: scratchType, is: etherTypeARP},
	{need: anyIP, slot: scratchVersion},
	{need: ip4, slot: scratchVersion, is: 4},
	{need: ip6, slot: scratchVersion, is: 6},
	{need: have(packet.HasFragment), slot: scratchFragment},
	{need: protoICMP, protos: []uint32{packet.ProtoICMP}},
	{need: protoICMPv6, protos: []uint32{packet.ProtoICMPv6}},
	{need: ports, protos: []uint32{packet.ProtoTCP, packet.ProtoUDP, packet.ProtoUDPLite, packet.ProtoSCTP, packet.ProtoDCCP}, octets: 4},
	{need: portsTCP, protos: []uint32{packet.ProtoTCP}, octets: 4},
	{need: portsUDP, protos: []uint32{packet.ProtoUDP}, octets: 4},
	{need: portsUDPLite, protos: []uint32{packet.ProtoUDPLite}, octets: 4},
	{need: portsUDPs, protos: []uint32{packet.ProtoUDP, packet.ProtoUDPLite}, octets: 4},
	{need: portsSCTP, protos: []uint32{packet.ProtoSCTP}, octets: 4},
	{need: portsDCCP, protos: []uint32{packet.ProtoDCCP}, octets: 4},
	{need: tcp, protos: []uint32{packet.ProtoTCP}, octets: 16},
	{need: have(packet.HasUDP), protos: []uint32{packet.ProtoUDP, packet.ProtoUDPLite}, octets: 8},
	{need: have(packet.HasICMP), protos: []uint32{packet.ProtoICMP}, octets: 2},
	{need: have(packet.HasICMPv6), protos: []uint32{packet.ProtoICMPv6}, octets: 2},
}

// needs goes to absent if something of need is certainly not there, to doubt
// if that cannot be told. MPLS never is: frames with labels are in doubt as a
// whole.
func (c *kernelCode) needs(need have, absent, doubt cbpf.Label) {
	if need&elsewhere != 0 { // tunnels are not opened
		c.Jump(doubt)
		return
	}
	if need&have(packet.HasMPLS) != 0 {
		c.Jump(absent)
		return
	}
	for _, n := range kernelNeeds {
		switch {
		case need&n.need == 0:
			continue
		case n.protos != nil:
			c.protocol(n.protos, n.octets, absent, doubt)
		default:
			c.get(n.slot)
			if n.slot == scratchFragment {
				c.JumpIf(bpf.JumpEqual, unknown, doubt)
			}
			if n.is == 0 {
				c.JumpIf(bpf.JumpEqual, 0, absent)
			} else {
				c.JumpIf(bpf.JumpNotEqual, n.is, absent)
			}
		}
		need &^= n.need
	}
	if need != 0 {
		c.Jump(doubt)
	}
}

// protocol goes to absent if the packet is of none of the protocols, or has
// fewer octets of its transport header.
func (c *kernelCode) protocol(protos []uint32, octets uint32, absent, doubt cbpf.Label) {
	one := c.Label()
	c.get(scratchProto)
	c.JumpIf(bpf.JumpEqual, anyProto, doubt)
	for _, p := range protos {
		c.JumpIf(bpf.JumpEqual, p, one)
	}
	c.Jump(absent)
	c.Place(one)
	switch {
	case octets == 0:
	case c.Snaplen < transportsWithin:
		c.Jump(doubt)
	default:
		c.get(scratchAvail)
		c.JumpIf(bpf.JumpLessThan, octets, absent)
	}
}

// wanted goes to in if the value of g, which is there, is one of those that
// the test looks for, else to out.
func (c *kernelCode) wanted(k *cond, g getter, in, out, doubt cbpf.Label) {
	g = g.way(c.swapped)
	switch {
	case k.field.isAddr():
		c.inPrefixes(k.want.prefixes, g, in, out)
	case k.field.typ == typeMAC && k.mask != 0:
		c.Jump(doubt)
	case k.field.typ == typeMAC:
		c.inMACs(k.want.spans, g, in, out, doubt)
	case g == getClass:
		c.isClass(&k.want, in, out)
	case g > getClass: // none of it was set, and it is the first pass
		if k.want.holds(0) {
			c.Jump(in)
		}
		c.Jump(out)
	case c.number(g, doubt):
		if k.mask != 0 {
			c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(k.mask)})
		}
		c.inSpans(k.want.spans, in, out)
	default:
		c.Jump(doubt)
	}
}

func (c *kernelCode) isClass(want *values, in, out cbpf.Label) {
	c.get(scratchClass)
	for k := range NumClasses {
		seen := k
		if c.swapped == 1 {
			seen = k.Reverse()
		}
		if want.holds(uint64(seen)) {
			c.JumpIf(bpf.JumpEqual, uint32(k), in)
		}
	}
	c.Jump(out)
}

// inSpans looks for A, the largest of which has 32 bits.
func (c *kernelCode) inSpans(spans []span, in, out cbpf.Label) {
	for _, s := range spans {
		if s.lo == s.hi {
			c.JumpIf(bpf.JumpEqual, uint32(s.lo), in)
			continue
		}
		c.JumpIf(bpf.JumpLessThan, uint32(s.lo), out) // they rise
		c.JumpIf(bpf.JumpLessOrEqual, uint32(s.hi), in)
	}
	c.Jump(out)
}

// inMACs looks for single MAC addresses. A range of them is left to the meter.
func (c *kernelCode) inMACs(spans []span, g getter, in, out, doubt cbpf.Label) {
	at := uint32(0)
	if g == getSrcMAC {
		at = 6
	}
	for _, s := range spans {
		if s.lo != s.hi {
			c.Jump(doubt)
			return
		}
		next := c.Label()
		c.Op(bpf.LoadAbsolute{Off: at, Size: 4})
		c.JumpIf(bpf.JumpNotEqual, uint32(s.lo>>16), next)
		c.Op(bpf.LoadAbsolute{Off: at + 4, Size: 2})
		c.JumpIf(bpf.JumpEqual, uint32(s.lo&max16), in)
		c.Place(next)
	}
	c.Jump(out)
}

// inPrefixes looks for an address, which is there, in a list of prefixes.
func (c *kernelCode) inPrefixes(list []netip.Prefix, g getter, in, out cbpf.Label) {
	six := c.Label()
	c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchNet})
	c.get(scratchVersion)
	c.JumpIf(bpf.JumpEqual, 6, six)
	for _, p := range list {
		if p.Addr().Is4() {
			c.inPrefix(p, addressAt(g, 4), in)
		}
	}
	c.Jump(out)
	c.Place(six)
	for _, p := range list {
		if !p.Addr().Is4() {
			c.inPrefix(p, addressAt(g, 6), in)
		}
	}
	c.Jump(out)
}

// inPrefix goes to in if the address at X + off is in the prefix.
func (c *kernelCode) inPrefix(p netip.Prefix, off uint32, in cbpf.Label) {
	next, octets := c.Label(), p.Addr().AsSlice()
	for bits := p.Bits(); bits > 0; bits -= 32 {
		mask := ^uint32(0)
		if bits < 32 {
			mask = ^(^uint32(0) >> bits)
		}
		word := uint32(octets[0])<<24 | uint32(octets[1])<<16 | uint32(octets[2])<<8 | uint32(octets[3])
		c.load(off, 4)
		if bits < 32 {
			c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask})
		}
		if c.JumpIf(bpf.JumpNotEqual, word&mask, next); len(octets) > 4 {
			octets, off = octets[4:], off+4
		}
	}
	c.Jump(in)
	c.Place(next)
}
