package ring

import "golang.org/x/net/bpf"

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
	assembler
	base                          uint32
	workers                       uint32
	macs, ipv4, ipv6, guess, mpls label
	pppoe, mix, none              label
}

// fanoutProgram returns the program for a group of as many sockets as workers.
// It tells each packet's kind of link by its interface's type, so that one
// socket may read them all. One kind packet.Shard knows better: frames of
// IEEE 802.11 (monitor mode) all go to the first worker.
func fanoutProgram(workers int) []bpf.Instruction {
	var a assembler
	ether, raw, first := a.label(), a.label(), a.label()
	a.op(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	for _, k := range linkKinds {
		switch k.kind {
		case kindEthernet:
			a.jumpIf(bpf.JumpEqual, uint32(k.hardware), ether)
		case kindRaw:
			a.jumpIf(bpf.JumpEqual, uint32(k.hardware), raw)
		default:
			a.jumpIf(bpf.JumpEqual, uint32(k.hardware), first)
		}
	}
	c := chooser{assembler: a, workers: uint32(workers)}
	c.cooked()
	c.place(first)
	c.op(bpf.RetConstant{Val: 0})
	c.place(raw)
	c.raw()
	c.place(ether)
	c.ethernet()
	return c.instructions()
}

// begin makes the labels of one kind of link.
func (c *chooser) begin(base uint32) {
	c.base = base
	for _, l := range []*label{&c.macs, &c.ipv4, &c.ipv6, &c.guess, &c.mpls, &c.pppoe, &c.mix, &c.none} {
		*l = c.label()
	}
}

// ethernet begins at the type field, wherever the link header lies.
func (c *chooser) ethernet() {
	c.begin(0)
	in := c.label()
	c.op(bpf.LoadConstant{Dst: bpf.RegX}, bpf.LoadExtension{Num: bpf.ExtType})
	c.jumpIf(bpf.JumpNotEqual, packetOutgoing, in)
	c.op(bpf.LoadConstant{Dst: bpf.RegX, Val: etherLen})
	c.place(in)
	c.op(bpf.LoadAbsolute{Off: offLink + 12, Size: 2})
	c.etherType()
	c.networks()
	c.place(c.macs)
	c.mac(0, 4)
	c.op(bpf.TAX{})
	for _, part := range [][2]uint32{{6, 4}, {4, 2}, {10, 2}} {
		c.mac(part[0], int(part[1]))
		c.op(bpf.ALUOpX{Op: bpf.ALUOpXor}, bpf.TAX{})
	}
	c.op(bpf.TXA{})
	c.end()
}

func (c *chooser) mac(off uint32, size int) { c.op(bpf.LoadAbsolute{Off: offLink + off, Size: size}) }

// raw is a link without headers: the first nibble tells the version.
func (c *chooser) raw() {
	c.begin(0)
	c.op(bpf.LoadConstant{Dst: bpf.RegX})
	c.jump(c.guess)
	c.networks()
	c.place(c.macs)
	c.op(bpf.LoadConstant{Dst: bpf.RegA})
	c.end()
}

// cooked is any other link. Its header is not read: the kernel says where the
// network header begins, and what it is. As with files of cooked captures,
// what is not IP goes to one worker.
func (c *chooser) cooked() {
	c.begin(offNetwork)
	known := c.label()
	c.op(bpf.LoadConstant{Dst: bpf.RegX}, bpf.LoadExtension{Num: bpf.ExtProto})
	c.jumpIf(bpf.JumpGreaterThan, maxLength, known)
	c.jumpIf(bpf.JumpNotEqual, cookedLLC, c.macs) // one of the kernel's own protocols
	c.place(known)
	c.etherType()
	c.networks()
	c.place(c.macs)
	c.op(bpf.LoadConstant{Dst: bpf.RegA})
	c.end()
}

// load loads size octets, off behind where the walk stands.
func (c *chooser) load(off uint32, size int) {
	c.op(bpf.LoadIndirect{Off: c.base + off, Size: size})
}

// need goes to the MACs if fewer than n octets follow.
func (c *chooser) need(n uint32) {
	c.op(bpf.LoadExtension{Num: bpf.ExtLen}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	c.jumpIf(bpf.JumpLessThan, n, c.macs)
}

// advance moves the walk on by n octets.
func (c *chooser) advance(n uint32) {
	c.op(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: n}, bpf.TAX{})
}

// etherType walks tags and LLC headers from the type in A on.
func (c *chooser) etherType() {
	network := c.label()
	for range maxLinkHeaders {
		tag, next := c.label(), c.label()
		for _, tpid := range []uint32{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300} {
			c.jumpIf(bpf.JumpEqual, tpid, tag)
		}
		c.jumpIf(bpf.JumpGreaterThan, maxLength, network)
		c.llc()
		c.jump(next)
		c.place(tag)
		c.need(4)
		c.load(2, 2)
		c.op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
		c.advance(4)
		c.place(next)
		c.op(bpf.LoadScratch{Dst: bpf.RegA, N: scratchType})
	}
	c.jump(c.macs)
	c.place(network)
	for _, to := range []struct {
		typ uint32
		label
	}{{etherIPv4, c.ipv4}, {etherIPv6, c.ipv6}, {etherMPLS, c.mpls}, {etherMPLSMul, c.mpls}, {etherPPPoE, c.pppoe}} {
		c.jumpIf(bpf.JumpEqual, to.typ, to.label)
	}
	c.jump(c.macs)
}

// llc walks an LLC header, and SNAP behind it, and keeps the type that
// follows.
func (c *chooser) llc() {
	snap, ip := c.label(), c.label()
	c.need(3)
	c.load(0, 1)
	c.op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftLeft, Val: 16}, bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.load(1, 2)
	c.op(bpf.StoreScratch{Src: bpf.RegX, N: scratchHash}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchType},
		bpf.ALUOpX{Op: bpf.ALUOpOr}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchHash})
	c.jumpIf(bpf.JumpEqual, llcSNAP, snap)
	c.jumpIf(bpf.JumpEqual, llcIP, ip)
	c.jump(c.macs)
	c.place(ip)
	c.advance(3)
	c.jump(c.ipv4)
	c.place(snap)
	c.need(8)
	c.snap()
}

// snap takes the type behind the OUIs that lead to one, 00-00-00 and 00-00-f8.
func (c *chooser) snap() {
	known := c.label()
	c.load(2, 4)
	c.op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: llcMask})
	c.jumpIf(bpf.JumpEqual, 0, known)
	c.jumpIf(bpf.JumpEqual, 0x0000f8, known)
	c.jump(c.macs)
	c.place(known)
	c.load(6, 2)
	c.jumpIf(bpf.JumpLessOrEqual, maxLength, c.macs)
	c.op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.advance(8)
}

// networks is what etherType leads to, up to the worker's number.
func (c *chooser) networks() {
	c.place(c.pppoe)
	c.session()
	c.place(c.mpls)
	c.labels()
	c.place(c.guess)
	c.need(1)
	c.load(0, 1)
	c.op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	c.jumpIf(bpf.JumpEqual, 4, c.ipv4)
	c.jumpIf(bpf.JumpEqual, 6, c.ipv6)
	c.jump(c.macs)
	c.place(c.ipv4)
	c.need(20)
	c.addresses(12, 2)
	c.place(c.ipv6)
	c.need(40)
	c.addresses(8, 8)
}

// session walks a PPPoE header and the PPP protocol of one or two octets.
func (c *chooser) session() {
	double, known := c.label(), c.label()
	c.need(6)
	c.load(0, 2)
	c.jumpIf(bpf.JumpNotEqual, pppoeSession, c.macs)
	c.advance(6)
	c.need(1)
	c.load(0, 1)
	c.jumpIf(bpf.JumpBitsNotSet, 1, double)
	c.op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.advance(1)
	c.jump(known)
	c.place(double)
	c.need(2)
	c.load(0, 2)
	c.op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
	c.advance(2)
	c.place(known)
	c.op(bpf.LoadScratch{Dst: bpf.RegA, N: scratchType})
	c.jumpIf(bpf.JumpEqual, pppIPv4, c.ipv4)
	c.jumpIf(bpf.JumpEqual, pppIPv6, c.ipv6)
	c.jumpIf(bpf.JumpEqual, pppMPLS, c.mpls)
	c.jumpIf(bpf.JumpNotEqual, pppMPLSMul, c.macs)
}

// labels walks a label stack to its bottom.
func (c *chooser) labels() {
	for range maxLinkHeaders {
		c.need(4)
		c.load(0, 4)
		c.op(bpf.StoreScratch{Src: bpf.RegA, N: scratchType})
		c.advance(4)
		c.op(bpf.LoadScratch{Dst: bpf.RegA, N: scratchType})
		c.jumpIf(bpf.JumpBitsSet, 0x100, c.guess)
	}
	c.jump(c.macs)
}

// addresses takes the XOR of n words, off behind where the walk stands.
func (c *chooser) addresses(off uint32, n int) {
	for i := range n {
		c.load(off+uint32(4*i), 4)
		if i > 0 {
			c.op(bpf.StoreScratch{Src: bpf.RegX, N: scratchType}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchHash},
				bpf.ALUOpX{Op: bpf.ALUOpXor}, bpf.LoadScratch{Dst: bpf.RegX, N: scratchType})
		}
		c.op(bpf.StoreScratch{Src: bpf.RegA, N: scratchHash})
	}
	c.end()
}

// end mixes A as packet.Shard does, scales it to a worker's number and
// returns that: A × workers >> 32, in halves, as there are 32 bits only.
func (c *chooser) end() {
	xorShift := func(n uint32) {
		c.op(bpf.TAX{}, bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: n}, bpf.ALUOpX{Op: bpf.ALUOpXor})
	}
	multiply := func(k uint32) { c.op(bpf.ALUOpConstant{Op: bpf.ALUOpMul, Val: k}) }
	shift := func(n uint32) { c.op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: n}) }
	xorShift(16)
	multiply(mixOne)
	xorShift(13)
	multiply(mixTwo)
	xorShift(16)
	c.op(bpf.StoreScratch{Src: bpf.RegA, N: scratchHash}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffff})
	multiply(c.workers)
	shift(16)
	c.op(bpf.TAX{}, bpf.LoadScratch{Dst: bpf.RegA, N: scratchHash})
	shift(16)
	multiply(c.workers)
	c.op(bpf.ALUOpX{Op: bpf.ALUOpAdd})
	shift(16)
	c.op(bpf.RetA{})
}
