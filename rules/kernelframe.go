package rules

import (
	"maps"
	"slices"

	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
	"flowmeter/meter/packet"
)

// What a program notes of a frame in its scratch memory, before it tests
// anything.
const (
	scratchNet       = iota // offset of the IP header
	scratchLen              // octets on the wire, the tag that was taken off included
	scratchMACs             // 1: there are MAC addresses
	scratchType             // EtherType behind tags; 0 if there is none
	scratchTPID             // of the outer tag
	scratchTag              // tagThere and the TCI of the outer tag; 0 if there is none
	scratchTag2             // the same of the inner one
	scratchVersion          // 4, 6; 0 if there is no IP
	scratchProto            // protocol number; noProto, anyProto
	scratchFragment         // 0: whole, 1: part of a packet, unknown
	scratchTransport        // offset of the transport header
	scratchAvail            // octets there from it on
	scratchTotal            // IP header and payload, octets
	scratchClass            // as the packet was sent
	scratchSpare            //
	scratches
)

const (
	tagThere = 1 << 16
	noProto  = 0x100 // there is no IP
	anyProto = 0x1ff // behind extension headers: not looked for
	unknown  = 3     // scratchFragment: the same
)

// transportsWithin is a snaplen within which the transport fields of all
// frames lie that a program can tell of: Ethernet, two tags, IPv4 with all
// options, TCP up to the window.
const transportsWithin = 128

// frame reads the headers of a frame into the scratch memory, and goes to
// doubt with those that it cannot tell of. Everything that is loaded later
// was found to be there: a load from behind the end of a frame would drop it.
func (c *kernelCode) frame(doubt cbpf.Label) {
	parse := kernelFrame{kernelCode: c, doubt: doubt, v4: c.Label(), v6: c.Label(), other: c.Label(), done: c.Label()}
	parse.dispatch()
	parse.ethernet()
	parse.ipv4()
	parse.ipv6()
	c.Place(parse.other)
	if c.cut {
		c.Op(bpf.LoadExtension{Num: bpf.ExtProto})
		c.JumpIf(bpf.JumpEqual, etherTypeIPv4, doubt)
		c.JumpIf(bpf.JumpEqual, etherTypeIPv6, doubt)
	}
	c.Jump(parse.done)
	c.Place(parse.done)
}

// EtherTypes that packet.Decode follows; the tests hold the two against each
// other.
const (
	etherTypeIPv4    = 0x0800
	etherTypeIPv6    = 0x86dd
	etherTypeMPLS    = 0x8847
	etherTypeMPLSMul = 0x8848
	etherTypePPPoE   = 0x8864
	maxFrameLength   = 1500
)

// kernelFrame writes the part of a program that reads headers. X is where the
// walk stands.
type kernelFrame struct {
	*kernelCode
	doubt, v4, v6, other, done cbpf.Label
}

func (c *kernelFrame) dispatch() {
	ether, raw := c.Label(), c.Label()
	c.Op(bpf.LoadConstant{Dst: bpf.RegA})
	for n := range scratches {
		c.store(n)
	}
	c.set(scratchProto, noProto)
	c.Op(bpf.LoadExtension{Num: bpf.ExtLen})
	c.store(scratchLen)
	c.Op(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	for _, hardware := range slices.Sorted(maps.Keys(c.Links)) {
		switch c.Links[hardware] {
		case packet.LinkEthernet:
			c.JumpIf(bpf.JumpEqual, uint32(hardware), ether)
		case packet.LinkRaw:
			c.JumpIf(bpf.JumpEqual, uint32(hardware), raw)
		}
	}
	c.Jump(c.doubt)
	c.Place(raw)
	c.Op(bpf.LoadConstant{Dst: bpf.RegX})
	c.need(1)
	c.load(0, 1)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4})
	c.JumpIf(bpf.JumpEqual, 4, c.v4)
	c.JumpIf(bpf.JumpEqual, 6, c.v6)
	c.Jump(c.doubt)
	c.Place(ether)
}

func (c *kernelCode) store(slot int) { c.Op(bpf.StoreScratch{Src: bpf.RegA, N: slot}) }

// get loads a note.
func (c *kernelCode) get(slot int) { c.Op(bpf.LoadScratch{Dst: bpf.RegA, N: slot}) }

func (c *kernelCode) set(slot int, v uint32) {
	c.Op(bpf.LoadConstant{Dst: bpf.RegA, Val: v})
	c.store(slot)
}

func (c *kernelCode) load(off uint32, size int) { c.Op(bpf.LoadIndirect{Off: off, Size: size}) }

// need goes to doubt if fewer than n octets follow.
func (c *kernelFrame) need(n uint32) {
	c.Op(bpf.LoadExtension{Num: bpf.ExtLen}, bpf.ALUOpX{Op: bpf.ALUOpSub})
	c.JumpIf(bpf.JumpLessThan, n, c.doubt)
}

func (c *kernelFrame) advance(n uint32) {
	c.Op(bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: n}, bpf.TAX{})
}

// ethernet reads up to two tags and LLC. The outer tag is where the kernel
// keeps it, if it took it off.
func (c *kernelFrame) ethernet() {
	c.Op(bpf.LoadConstant{Dst: bpf.RegX})
	c.need(14)
	c.set(scratchMACs, 1)
	untagged := c.Label()
	c.Op(bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
	c.JumpIf(bpf.JumpEqual, 0, untagged)
	c.Op(bpf.LoadExtension{Num: bpf.ExtVLANProto})
	c.store(scratchTPID)
	c.Op(bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.ALUOpConstant{Op: bpf.ALUOpOr, Val: tagThere})
	c.store(scratchTag)
	c.get(scratchLen)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 4})
	c.store(scratchLen)
	c.Place(untagged)
	c.Op(bpf.LoadConstant{Dst: bpf.RegX, Val: 14}, bpf.LoadAbsolute{Off: 12, Size: 2})
	c.store(scratchType)
	typed := c.Label()
	for range 2 {
		c.tag(typed)
	}
	for _, tpid := range tagProtocols {
		c.JumpIf(bpf.JumpEqual, tpid, c.doubt)
	}
	c.Place(typed)
	llc := c.Label()
	c.JumpIf(bpf.JumpLessOrEqual, maxFrameLength, llc)
	c.JumpIf(bpf.JumpEqual, etherTypeIPv4, c.v4)
	c.JumpIf(bpf.JumpEqual, etherTypeIPv6, c.v6)
	for _, typ := range []uint32{etherTypeMPLS, etherTypeMPLSMul, etherTypePPPoE} {
		c.JumpIf(bpf.JumpEqual, typ, c.doubt)
	}
	c.Jump(c.other)
	c.Place(llc)
	c.llc()
}

// tagProtocols are those that packet.Decode takes for tags.
var tagProtocols = []uint32{0x8100, 0x88a8, 0x9100, 0x9200, 0x9300}

// tag reads a tag if the type in A, of the frame or the tag before, says that
// there is one, and leaves the type behind it in A; else it goes to typed.
func (c *kernelFrame) tag(typed cbpf.Label) {
	tagged, inner, known := c.Label(), c.Label(), c.Label()
	for _, tpid := range tagProtocols {
		c.JumpIf(bpf.JumpEqual, tpid, tagged)
	}
	c.Jump(typed)
	c.Place(tagged)
	c.need(4)
	c.get(scratchTag)
	c.JumpIf(bpf.JumpNotEqual, 0, inner)
	c.get(scratchType)
	c.store(scratchTPID)
	c.load(0, 2)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpOr, Val: tagThere})
	c.store(scratchTag)
	c.Jump(known)
	c.Place(inner)
	c.get(scratchTag2)
	c.JumpIf(bpf.JumpNotEqual, 0, c.doubt)
	c.load(0, 2)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpOr, Val: tagThere})
	c.store(scratchTag2)
	c.Place(known)
	c.load(2, 2)
	c.store(scratchType)
	c.advance(4)
	c.get(scratchType)
}

// llc reads what is no EtherType but a length: IP behind LLC is left to the
// meter, all else (spanning tree, IS-IS, CDP) is not IP.
func (c *kernelFrame) llc() {
	snap := c.Label()
	c.set(scratchType, 0)
	c.need(3)
	c.load(0, 2)
	c.JumpIf(bpf.JumpEqual, 0x0606, c.doubt)
	c.JumpIf(bpf.JumpEqual, 0xaaaa, snap)
	c.Jump(c.other)
	c.Place(snap)
	c.load(2, 1)
	c.JumpIf(bpf.JumpNotEqual, 3, c.other)
	c.need(8)
	c.load(2, 4)
	c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffffff})
	c.JumpIf(bpf.JumpEqual, 0, c.doubt)
	c.JumpIf(bpf.JumpEqual, 0x0000f8, c.doubt)
	c.Jump(c.other)
}
