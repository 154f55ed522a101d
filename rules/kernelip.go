package rules

import (
	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
	"flowmeter/meter/packet"
)

// ipv4 reads an IPv4 header at X.
func (c *kernelFrame) ipv4() {
	c.Place(c.v4)
	c.network(4, etherTypeIPv4)
	c.need(20)
	c.load(0, 1)
	c.JumpIf(bpf.JumpLessThan, 0x45, c.doubt)
	c.JumpIf(bpf.JumpGreaterThan, 0x4f, c.doubt)
	if c.Snaplen < transportsWithin {
		c.JumpIf(bpf.JumpNotEqual, 0x45, c.doubt)
	}
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 2})
	c.store(scratchSpare) // the header's length
	c.load(9, 1)
	c.store(scratchProto)
	c.load(2, 2)
	c.store(scratchTotal)
	c.transport()
	whole, later := c.Label(), c.Label()
	c.load(6, 2)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x3fff})
	c.JumpIf(bpf.JumpEqual, 0, whole)
	c.set(scratchFragment, 1)
	c.load(6, 2)
	c.JumpIf(bpf.JumpBitsSet, 0x1fff, later)
	c.Jump(whole)
	c.Place(later)
	c.set(scratchAvail, 0)
	c.Place(whole)
	c.end()
}

// network notes where the IP header is. Of a frame that is cut the kernel's
// own word for what it is must be the same.
func (c *kernelFrame) network(version, typ uint32) {
	c.Op(bpf.StoreScratch{Src: bpf.RegX, N: scratchNet})
	c.set(scratchVersion, version)
	if c.cut {
		c.Op(bpf.LoadExtension{Num: bpf.ExtProto})
		c.JumpIf(bpf.JumpNotEqual, typ, c.doubt)
	}
}

// transport notes how many octets there are behind an IP header of the length
// in scratchSpare: up to the end of the packet, or of the frame if that is
// first. X stays.
func (c *kernelFrame) transport() {
	inside := c.Label()
	c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchSpare})
	c.get(scratchTotal)
	c.JumpIfX(bpf.JumpLessThan, c.doubt) // 0 among them: longer than it can say
	c.get(scratchNet)
	c.Op(bpf.ALUOpX{Op: bpf.ALUOpAdd})
	c.store(scratchTransport)
	c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchNet}, bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.ALUOpX{Op: bpf.ALUOpSub}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchSpare})
	c.JumpIfX(bpf.JumpLessThan, c.doubt)
	c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchTotal})
	if c.cut { // it fills the frame, so that its length can be told
		c.JumpIfX(bpf.JumpNotEqual, c.doubt)
	}
	c.JumpIfX(bpf.JumpLessThan, inside)
	c.Op(bpf.TXA{})
	c.Place(inside)
	c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchSpare}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	c.store(scratchAvail)
	c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchNet})
}

// extensionHeaders are the next headers that packet.Decode walks over.
var extensionHeaders = []uint32{0, 43, 44, 51, 60, 135, 139, 140}

const noNextHeader = 59

// ipv6 reads an IPv6 header at X.
func (c *kernelFrame) ipv6() {
	extended, stated := c.Label(), c.Label()
	c.Place(c.v6)
	c.network(6, etherTypeIPv6)
	c.need(40)
	c.load(0, 1)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	c.JumpIf(bpf.JumpNotEqual, 6, c.doubt)
	c.load(4, 2)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 40})
	c.store(scratchTotal)
	c.JumpIf(bpf.JumpNotEqual, 40, stated)
	c.load(6, 1)
	c.JumpIf(bpf.JumpNotEqual, noNextHeader, c.doubt) // longer than it can say
	c.Place(stated)
	c.set(scratchSpare, 40)
	c.transport()
	c.load(6, 1)
	c.store(scratchProto)
	for _, next := range extensionHeaders {
		c.JumpIf(bpf.JumpEqual, next, extended)
	}
	c.end()
	c.Place(extended)
	c.set(scratchProto, anyProto)
	c.set(scratchFragment, unknown)
	c.end()
}

// end goes on to the tests. Of a frame that is cut, the meter must not miss
// what it held: see Kernel.Cut.
func (c *kernelFrame) end() {
	if c.cut {
		c.get(scratchFragment)
		c.JumpIf(bpf.JumpNotEqual, 0, c.doubt)
	}
	if c.cut && (c.Segments || c.Own) {
		c.get(scratchProto)
		c.JumpIf(bpf.JumpEqual, packet.ProtoTCP, c.doubt)
		c.JumpIf(bpf.JumpEqual, packet.ProtoUDP, c.doubt)
	}
	c.Jump(c.done)
}

// class notes the class of the packet against the home of nets, if leads ask
// for it.
func (c *kernelCode) class(nets *Networks, leads []lead) {
	if c.classed == nets || !uses(leads, func(g getter) bool { return g == getClass }) {
		return
	}
	c.classed = nets
	done, bySrc, byDst := c.Label(), c.Label(), c.Label()
	srcHome, srcAway := c.Label(), c.Label()
	is := func(k Class) {
		c.set(scratchClass, uint32(k))
		c.Jump(done)
	}
	end := func(g getter, home, away Class) {
		yes, no := c.Label(), c.Label()
		c.inPrefixes(nets.home.prefixes, g, yes, no)
		c.Place(yes)
		is(home)
		c.Place(no)
		is(away)
	}
	c.set(scratchClass, uint32(NoClass))
	c.get(scratchVersion)
	c.JumpIf(bpf.JumpEqual, 0, done)
	c.group(getDstAddr, bySrc)
	c.group(getSrcAddr, byDst)
	c.inPrefixes(nets.home.prefixes, getSrcAddr, srcHome, srcAway)
	c.Place(srcHome)
	end(getDstAddr, Internal, Out)
	c.Place(srcAway)
	end(getDstAddr, In, Transit)
	c.Place(bySrc)
	end(getSrcAddr, Internal, Transit)
	c.Place(byDst)
	end(getDstAddr, Internal, Transit)
	c.Place(done)
}

// group goes to yes if an address is multicast or the limited broadcast.
func (c *kernelCode) group(g getter, yes cbpf.Label) {
	six, no := c.Label(), c.Label()
	c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchNet})
	c.get(scratchVersion)
	c.JumpIf(bpf.JumpEqual, 6, six)
	c.load(addressAt(g, 4), 4)
	c.JumpIf(bpf.JumpEqual, 0xffffffff, yes)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 28})
	c.JumpIf(bpf.JumpEqual, 0xe, yes)
	c.Jump(no)
	c.Place(six)
	c.load(addressAt(g, 6), 1)
	c.JumpIf(bpf.JumpEqual, 0xff, yes)
	c.Place(no)
}

// addressAt is where an address begins in its IP header.
func addressAt(g getter, version int) uint32 {
	at, size := uint32(12), uint32(4)
	if version == 6 {
		at, size = 8, 16
	}
	if g == getDstAddr {
		at += size
	}
	return at
}
