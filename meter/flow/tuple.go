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
	loAddr, hiAddr [2]uint64
	loPort, hiPort uint16
	proto          uint8
	kind           uint8 // IP version, with kindPorts where there are ports
}

// kindPorts tells a packet with ports from one without, so that a fragment
// never meets a conversation on port 0.
const kindPorts = 0x80

// Packet is one packet on its way through the tables of a worker: its headers
// and what all rule sets share of finding its flow.
type Packet struct {
	packet.Headers
	Clock  int64  // trace clock at this packet, ns since 1970
	Number uint64 // position in the input, from 1

	Counted bool // a rule set counted it

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
	src, dst := words(&p.Src, p.Version), words(&p.Dst, p.Version)
	var sport, dport uint16
	kind := p.Version
	if p.Layers&packet.HasPorts != 0 {
		sport, dport = p.SrcPort, p.DstPort
		kind |= kindPorts
	}
	if src[0] > dst[0] || src[0] == dst[0] && (src[1] > dst[1] || src[1] == dst[1] && sport > dport) {
		p.dir = 1
		p.tuple = tuple{dst, src, dport, sport, p.Proto, kind}
	} else {
		p.dir = 0
		p.tuple = tuple{src, dst, sport, dport, p.Proto, kind}
	}
	p.hash = p.tuple.hash(seed)
}

// words reads an address as two big-endian words. Of an IPv4 address it reads
// the four octets that Decode wrote last, in one piece as they were written.
func words(a *[16]byte, version uint8) [2]uint64 {
	if version == 4 {
		return [2]uint64{0, v4Mapped | uint64(binary.BigEndian.Uint32(a[12:]))}
	}
	return [2]uint64{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
}

// sameEnds tells whether both ends are the same, so that no packet's way can
// be told.
func (t *tuple) sameEnds() bool {
	return t.loAddr == t.hiAddr && t.loPort == t.hiPort
}

// hash folds the tuple with seeded 64×64→128 bit multiplications, of which
// IPv4 needs two.
func (t *tuple) hash(seed *Seed) uint32 {
	h, l := bits.Mul64(t.loAddr[1]^seed[0], t.hiAddr[1]^seed[1])
	x := h ^ l
	if t.kind&^kindPorts == 6 {
		h, l = bits.Mul64(t.loAddr[0]^x, t.hiAddr[0]^seed[3])
		x = h ^ l
	}
	tail := uint64(t.loPort)<<32 | uint64(t.hiPort)<<16 | uint64(t.proto)<<8 | uint64(t.kind)
	h, l = bits.Mul64(x^seed[2], tail^seed[3])
	x = h ^ l
	return uint32(x ^ x>>32)
}
