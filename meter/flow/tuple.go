package flow

import (
	"encoding/binary"
	"math/bits"

	"flowmeter/meter/packet"
)

// tuple is the canonical five-tuple: its lower end (by address, then port)
// comes first, so that both directions of a conversation have the same one.
// Addresses are held as two big-endian words, which compare in address order.
type tuple struct {
	loAddr, hiAddr words
	loPort, hiPort uint16
	proto          uint8
	kind           uint8 // IP version, with kindPorts where there are ports
}

// words is an address as two big-endian words: a struct, which fits registers,
// where an array of two would go through memory.
type words struct{ hi, lo uint64 }

func (a words) above(b words) bool { return a.hi > b.hi || a.hi == b.hi && a.lo > b.lo }

// kindPorts tells a packet with ports from one without, so that a fragment
// never meets a conversation on port 0.
const kindPorts = 0x80

// Packet is one packet on its way through the tables of a worker: its headers
// and what all rule sets share of finding its flow.
type Packet struct {
	packet.Headers
	Clock  int64  // trace clock at this packet, ns since 1970
	Number uint64 // position in the input, from 1

	Counted bool  // a rule set counted it
	Place   uint8 // of its nest (Table.SetNests)

	// Data is the frame, where a Table Scans; only until Update returns.
	Data []byte

	tuple tuple // valid if HasIP
	hash  uint32
	dir   uint8 // 0 if sent by the lower end
}

// Seed makes the hash of keys differ from process to process, so that nobody
// can aim at one chain of a table.
type Seed [4]uint64

// Prepare computes the canonical five-tuple of an IP packet and its hash.
// Headers must be complete, ports of known fragments included.
func (p *Packet) Prepare(seed *Seed) {
	p.Counted = false
	if p.Layers&packet.HasIP == 0 {
		return
	}
	var sport, dport uint16
	p.tuple.proto, p.tuple.kind = p.Proto, p.Version
	if p.Layers&packet.HasPorts != 0 {
		sport, dport = p.SrcPort, p.DstPort
		p.tuple.kind |= kindPorts
	}
	if p.Version == 4 {
		p.order4(sport, dport)
	} else {
		p.order6(sport, dport)
	}
	p.hash = p.tuple.hash(seed)
}

// order4 puts the ends of an IPv4 packet in order: each is one number, and no
// branch is taken, as which is the lower cannot be foreseen.
func (p *Packet) order4(sport, dport uint16) {
	// The four octets that Decode wrote last, in one piece as they were written.
	src := uint64(binary.BigEndian.Uint32(p.Src[12:]))<<16 | uint64(sport)
	dst := uint64(binary.BigEndian.Uint32(p.Dst[12:]))<<16 | uint64(dport)
	p.dir = 0
	if src > dst {
		p.dir = 1
	}
	lo, hi := min(src, dst), max(src, dst)
	t := &p.tuple // field by field: a whole one would be put together elsewhere and copied
	t.loAddr, t.hiAddr = words{0, v4Mapped | lo>>16}, words{0, v4Mapped | hi>>16}
	t.loPort, t.hiPort = uint16(lo), uint16(hi)
}

func (p *Packet) order6(sport, dport uint16) {
	src, dst := wordsOf(&p.Src), wordsOf(&p.Dst)
	p.dir = 0
	if src.above(dst) || src == dst && sport > dport {
		p.dir = 1
		src, dst, sport, dport = dst, src, dport, sport
	}
	t := &p.tuple
	t.loAddr, t.hiAddr = src, dst
	t.loPort, t.hiPort = sport, dport
}

func wordsOf(a *[16]byte) words {
	return words{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
}

// sameEnds tells whether both ends are the same, so that no packet's way can
// be told.
func (t *tuple) sameEnds() bool {
	return t.loAddr == t.hiAddr && t.loPort == t.hiPort
}

// hash folds the tuple with seeded 64×64→128 bit multiplications, of which
// IPv4 needs two.
func (t *tuple) hash(seed *Seed) uint32 {
	h, l := bits.Mul64(t.loAddr.lo^seed[0], t.hiAddr.lo^seed[1])
	x := h ^ l
	if t.kind&^kindPorts == 6 {
		h, l = bits.Mul64(t.loAddr.hi^x, t.hiAddr.hi^seed[3])
		x = h ^ l
	}
	tail := uint64(t.loPort)<<32 | uint64(t.hiPort)<<16 | uint64(t.proto)<<8 | uint64(t.kind)
	h, l = bits.Mul64(x^seed[2], tail^seed[3])
	x = h ^ l
	return uint32(x ^ x>>32)
}
