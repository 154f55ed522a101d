package ring

import (
	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
)

// Where a program finds the kernel's own offsets (linux/filter.h).
const (
	offLink    = 0xffe00000 // SKF_LL_OFF: from the link header on
	offNetwork = 0xfff00000 // SKF_NET_OFF: from the network header on

	packetOutgoing = 4 // PACKET_OUTGOING: pkttype of what this host sends
)

// EtherTypes and bounds as packet.Shard has them; the tests hold the two
// against each other.
const (
	etherIPv4, etherIPv6     = 0x0800, 0x86dd
	etherMPLS, etherMPLSMul  = 0x8847, 0x8848
	etherPPPoE               = 0x8864
	maxLength                = 1500
	etherLen                 = 14
	cookedLLC                = 4 // ETH_P_802_2
	maxLinkHeaders           = 16
	pppIPv4, pppIPv6         = 0x0021, 0x0057
	pppMPLS, pppMPLSMul      = 0x0281, 0x0283
	llcIP, llcSNAP, llcMask  = 0x060603, 0xaaaa03, 0xffffff
	mixOne, mixTwo           = 0x85ebca6b, 0xc2b2ae35
	pppoeSession             = 0x1100 // version 1, type 1, code 0
	scratchType, scratchHash = 0, 1
)

// chooser is the program of a fanout group (PACKET_FANOUT_CBPF). It returns
// the number of the worker that packet.Shard would choose, and so does what
// that does: XOR of the addresses behind tags, LLC and SNAP, MPLS labels and
// PPPoE, of the MACs where there is no IP.
//
// In the kernel's view of a packet that comes in, the link header lies before
// offset 0; of one that goes out, at 0. X is where the walk stands, base what
// loads add to it.
type chooser struct {
	cbpf.Assembler
	base                          uint32
	workers                       uint32
	macs, ipv4, ipv6, guess, mpls cbpf.Label
	pppoe, mix, none              cbpf.Label
}

// fanoutProgram returns the program for a group of as many sockets as workers.
// It tells each packet's kind of link by its interface's type, so that one
// socket may read them all. One kind packet.Shard knows better: frames of
// IEEE 802.11 (monitor mode) all go to the first worker.
func fanoutProgram(workers int) []bpf.Instruction {
	var a cbpf.Assembler
	ether, raw, first := a.Label(), a.Label(), a.Label()
	a.Op(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	for _, k := range linkKinds {
		switch k.kind {
		case kindEthernet:
			a.JumpIf(bpf.JumpEqual, uint32(k.hardware), ether)
		case kindRaw:
			a.JumpIf(bpf.JumpEqual, uint32(k.hardware), raw)
		default:
			a.JumpIf(bpf.JumpEqual, uint32(k.hardware), first)
		}
	}
	c := chooser{Assembler: a, workers: uint32(workers)}
	c.cooked()
	c.Place(first)
	c.Op(bpf.RetConstant{Val: 0})
	c.Place(raw)
	c.raw()
	c.Place(ether)
	c.ethernet()
	return c.Instructions()
}

// begin makes the labels of one kind of link.
func (c *chooser) begin(base uint32) {
	c.base = base
	for _, l := range []*cbpf.Label{&c.macs, &c.ipv4, &c.ipv6, &c.guess, &c.mpls, &c.pppoe, &c.mix, &c.none} {
		*l = c.Label()
	}
}

// ethernet begins at the type field, wherever the link header lies.
func (c *chooser) ethernet() {
	c.begin(0)
	in := c.Label()
	c.Op(bpf.LoadConstant{Dst: bpf.RegX}, bpf.LoadExtension{Num: bpf.ExtType})
	c.JumpIf(bpf.JumpNotEqual, packetOutgoing, in)
	c.Op(bpf.LoadConstant{Dst: bpf.RegX, Val: etherLen})
	c.Place(in)
	c.Op(bpf.LoadAbsolute{Off: offLink + 12, Size: 2})
	c.etherType()
	c.networks()
	c.Place(c.macs)
	c.mac(0, 4)
	c.Op(bpf.TAX{})
	for _, part := range [][2]uint32{{6, 4}, {4, 2}, {10, 2}} {
		c.mac(part[0], int(part[1]))
		c.Op(bpf.ALUOpX{Op: bpf.ALUOpXor}, bpf.TAX{})
	}
	c.Op(bpf.TXA{})
	c.end()
}

func (c *chooser) mac(off uint32, size int) { c.Op(bpf.LoadAbsolute{Off: offLink + off, Size: size}) }

// raw is a link without headers: the first nibble tells the version.
func (c *chooser) raw() {
	c.begin(0)
	c.Op(bpf.LoadConstant{Dst: bpf.RegX})
	c.Jump(c.guess)
	c.networks()
	c.Place(c.macs)
	c.Op(bpf.LoadConstant{Dst: bpf.RegA})
	c.end()
}

// cooked is any other link. Its header is not read: the kernel says where the
// network header begins, and what it is. As with files of cooked captures,
// what is not IP goes to one worker.
func (c *chooser) cooked() {
	c.begin(offNetwork)
	known := c.Label()
	c.Op(bpf.LoadConstant{Dst: bpf.RegX}, bpf.LoadExtension{Num: bpf.ExtProto})
	c.JumpIf(bpf.JumpGreaterThan, maxLength, known)
	c.JumpIf(bpf.JumpNotEqual, cookedLLC, c.macs) // one of the kernel's own protocols
	c.Place(known)
	c.etherType()
	c.networks()
	c.Place(c.macs)
	c.Op(bpf.LoadConstant{Dst: bpf.RegA})
	c.end()
}

// load loads size octets, off behind where the walk stands.
func (c *chooser) load(off uint32, size int) {
	c.Op(bpf.LoadIndirect{Off: c.base + off, Size: size})
}

// need goes to the MACs if fewer than n octets follow.
func (c *chooser) need(n uint32) {
	c.Op(bpf.LoadExtension{Num: bpf.ExtLen}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	c.JumpIf(bpf.JumpLessThan, n, c.macs)
}

// advance moves the walk on by n octets.
func (c *chooser) advance(n uint32) {
	c.Op(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: n}, bpf.TAX{})
}

// etherType walks tags and LLC headers from the type in A on.
func (c *chooser) etherType() {
	network := c.Label()
	for range maxLinkHeaders {
		tag, next := c.Label(), c.Label()
		for _, tpid := range []uint32{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300} {
			c.JumpIf(bpf.JumpEqual, tpid, tag)
		}
		c.JumpIf(bpf.JumpGreaterThan, maxLength, network)
		c.llc()
		c.Jump(next)
		c.Place(tag)
		c.need(4)
		c.load(2, 2)
		c.Op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
		c.advance(4)
		c.Place(next)
		c.Op(bpf.LoadScratch{Dst: bpf.RegA, N: scratchType})
	}
	c.Jump(c.macs)
	c.Place(network)
	for _, to := range []struct {
		typ   uint32
		label cbpf.Label
	}{{etherIPv4, c.ipv4}, {etherIPv6, c.ipv6}, {etherMPLS, c.mpls}, {etherMPLSMul, c.mpls}, {etherPPPoE, c.pppoe}} {
		c.JumpIf(bpf.JumpEqual, to.typ, to.label)
	}
	c.Jump(c.macs)
}

// llc walks an LLC header, and SNAP behind it, and keeps the type that
// follows.
func (c *chooser) llc() {
	snap, ip := c.Label(), c.Label()
	c.need(3)
	c.load(0, 1)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 16}, bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.load(1, 2)
	c.Op(bpf.StoreScratch{Src: bpf.RegX, N: scratchHash}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchType},
		bpf.ALUOpX{Op: bpf.ALUOpOr}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchHash})
	c.JumpIf(bpf.JumpEqual, llcSNAP, snap)
	c.JumpIf(bpf.JumpEqual, llcIP, ip)
	c.Jump(c.macs)
	c.Place(ip)
	c.advance(3)
	c.Jump(c.ipv4)
	c.Place(snap)
	c.need(8)
	c.snap()
}

// snap takes the type behind the OUIs that lead to one, 00-00-00 and 00-00-f8.
func (c *chooser) snap() {
	known := c.Label()
	c.load(2, 4)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: llcMask})
	c.JumpIf(bpf.JumpEqual, 0, known)
	c.JumpIf(bpf.JumpEqual, 0x0000f8, known)
	c.Jump(c.macs)
	c.Place(known)
	c.load(6, 2)
	c.JumpIf(bpf.JumpLessOrEqual, maxLength, c.macs)
	c.Op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.advance(8)
}

// networks is what etherType leads to, up to the worker's number.
func (c *chooser) networks() {
	c.Place(c.pppoe)
	c.session()
	c.Place(c.mpls)
	c.labels()
	c.Place(c.guess)
	c.need(1)
	c.load(0, 1)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	c.JumpIf(bpf.JumpEqual, 4, c.ipv4)
	c.JumpIf(bpf.JumpEqual, 6, c.ipv6)
	c.Jump(c.macs)
	c.Place(c.ipv4)
	c.need(20)
	c.addresses(12, 2)
	c.Place(c.ipv6)
	c.need(40)
	c.addresses(8, 8)
}

// session walks a PPPoE header and the PPP protocol of one or two octets.
func (c *chooser) session() {
	double, known := c.Label(), c.Label()
	c.need(6)
	c.load(0, 2)
	c.JumpIf(bpf.JumpNotEqual, pppoeSession, c.macs)
	c.advance(6)
	c.need(1)
	c.load(0, 1)
	c.JumpIf(bpf.JumpBitsNotSet, 1, double)
	c.Op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.advance(1)
	c.Jump(known)
	c.Place(double)
	c.need(2)
	c.load(0, 2)
	c.Op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.advance(2)
	c.Place(known)
	c.Op(bpf.LoadScratch{Dst: bpf.RegA, N: scratchType})
	c.JumpIf(bpf.JumpEqual, pppIPv4, c.ipv4)
	c.JumpIf(bpf.JumpEqual, pppIPv6, c.ipv6)
	c.JumpIf(bpf.JumpEqual, pppMPLS, c.mpls)
	c.JumpIf(bpf.JumpNotEqual, pppMPLSMul, c.macs)
}

// labels walks a label stack to its bottom.
func (c *chooser) labels() {
	for range maxLinkHeaders {
		c.need(4)
		c.load(0, 4)
		c.Op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
		c.advance(4)
		c.Op(bpf.LoadScratch{Dst: bpf.RegA, N: scratchType})
		c.JumpIf(bpf.JumpBitsSet, 0x100, c.guess)
	}
	c.Jump(c.macs)
}

// addresses takes the XOR of n words, off behind where the walk stands.
func (c *chooser) addresses(off uint32, n int) {
	for i := range n {
		c.load(off+uint32(4*i), 4)
		if i > 0 {
			c.Op(bpf.StoreScratch{Src: bpf.RegX, N: scratchType}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchHash},
				bpf.ALUOpX{Op: bpf.ALUOpXor}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchType})
		}
		c.Op(bpf.StoreScratch{Src: bpf.RegA, N: scratchHash})
	}
	c.end()
}

// end mixes A as packet.Shard does, scales it to a worker's number and
// returns that: A × workers >> 32, in halves, as there are 32 bits only.
func (c *chooser) end() {
	xorShift := func(n uint32) {
		c.Op(bpf.TAX{}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: n}, bpf.ALUOpX{Op: bpf.ALUOpXor})
	}
	multiply := func(k uint32) { c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: k}) }
	shift := func(n uint32) { c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: n}) }
	xorShift(16)
	multiply(mixOne)
	xorShift(13)
	multiply(mixTwo)
	xorShift(16)
	c.Op(bpf.StoreScratch{Src: bpf.RegA, N: scratchHash}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffff})
	multiply(c.workers)
	shift(16)
	c.Op(bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: scratchHash})
	shift(16)
	multiply(c.workers)
	c.Op(bpf.ALUOpX{Op: bpf.ALUOpAdd})
	shift(16)
	c.Op(bpf.RetA{})
}
