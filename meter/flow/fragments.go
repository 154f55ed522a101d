package flow

import (
	"encoding/binary"

	"flowmeter/meter/packet"
)

// Fragments gives later fragments of a packet the ports of the first one, and
// in IPv6 the protocol, which may stand behind extension headers there, so
// that they are counted in its flow (they carry none themselves). It remembers
// a bounded number of first fragments, for as long as a receiver waits for the
// rest. It belongs to one worker; all fragments of a packet come to the same.
type Fragments struct {
	Seed    Seed
	first   []fragment
	heads   []int32 // by hash: place in first + 1
	next    int     // place to be used next: the oldest
	Filled  uint64  // later fragments that got their ports
	Orphans uint64  // later fragments whose first was not seen
	Lost    uint64  // first fragments forgotten early for want of room
}

type fragment struct {
	key          fragmentKey
	clock        int64
	sport, dport uint16
	proto        uint8
	next         int32 // place of the next in the same chain + 1
}

// fragmentKey is what the fragments of one packet share: the protocol in IPv4
// (RFC 791 §2.3) but not in IPv6, where the next header of the first fragment
// is the only one that counts (RFC 8200 §4.5).
type fragmentKey struct {
	src, dst [16]byte
	id       uint32
	around   uint32 // Headers.Pair of the packet that carries it; 0 for none
	proto    uint8  // 0 for IPv6
	version  uint8
	used     bool
}

const (
	fragmentsKept = 1 << 13
	// reassemblyTime is how long a receiver keeps fragments: 60 s of IPv6
	// (RFC 8200 §4.5), which is within the range of RFC 1122 §3.3.2 for IPv4.
	reassemblyTime = 60e9
)

// Resolve looks at a fragment of a packet whose transport has ports: it
// remembers the ports of a first fragment, and fills those of a later one.
func (f *Fragments) Resolve(p *Packet) { f.ResolveWithin(p, 0) }

// ResolveWithin is Resolve of a packet that another one carries, whose addresses
// are given by Headers.Pair: fragments that are carried between others are not
// of the same packet. So it does not matter if other workers see them.
func (f *Fragments) ResolveWithin(p *Packet, around uint32) {
	if p.Version == 4 && !hasPorts[p.Proto] {
		return
	}
	key := fragmentKey{p.Src, p.Dst, p.FragID, around, p.Proto, p.Version, true}
	if p.Version == 6 {
		key.proto = 0
	}
	if p.FragOffset == 0 {
		if p.Layers&packet.HasPorts != 0 && p.MoreFragments {
			f.remember(&key, p)
		}
		return
	}
	if e := f.find(&key); e != nil && p.Clock-e.clock < reassemblyTime {
		p.Proto, p.SrcPort, p.DstPort = e.proto, e.sport, e.dport
		p.Layers |= packet.HasPorts
		f.Filled++
		return
	}
	if hasPorts[p.Proto] {
		f.Orphans++
	}
}

// hasPorts tells which transports have ports in their first fragment.
var hasPorts = [256]bool{
	packet.ProtoTCP: true, packet.ProtoUDP: true, packet.ProtoUDPLite: true,
	packet.ProtoSCTP: true, packet.ProtoDCCP: true,
}

// hash is seeded and takes in all of the key, so that nobody can make one long
// chain.
func (k *fragmentKey) hash(seed *Seed) uint32 {
	word := func(a []byte) uint64 { return binary.BigEndian.Uint64(a) }
	x := mix(word(k.src[:8])^seed[0], word(k.src[8:])^seed[1])
	x = mix(x^word(k.dst[:8]), word(k.dst[8:])^seed[2])
	x = mix(x^uint64(k.around), uint64(k.id)<<8^uint64(k.proto)^seed[3])
	return uint32(x>>32^x) & (fragmentsKept - 1)
}

func (f *Fragments) find(k *fragmentKey) *fragment {
	if f.first == nil {
		return nil
	}
	for ref := f.heads[k.hash(&f.Seed)]; ref != 0; ref = f.first[ref-1].next {
		if f.first[ref-1].key == *k {
			return &f.first[ref-1]
		}
	}
	return nil
}

// remember keeps a first fragment's ports in place of the oldest's. The memory
// is taken when the first fragment comes.
func (f *Fragments) remember(k *fragmentKey, p *Packet) {
	if f.first == nil {
		f.first = make([]fragment, fragmentsKept)
		f.heads = make([]int32, fragmentsKept)
	}
	e := f.find(k)
	if e == nil {
		e = &f.first[f.next]
		f.forget(e, p.Clock)
		head := &f.heads[k.hash(&f.Seed)]
		e.key, e.next = *k, *head
		*head = int32(f.next) + 1
		f.next = (f.next + 1) % fragmentsKept
	}
	e.clock, e.proto, e.sport, e.dport = p.Clock, p.Proto, p.SrcPort, p.DstPort
}

// forget takes an entry out of its chain.
func (f *Fragments) forget(e *fragment, clock int64) {
	if !e.key.used {
		return
	}
	if clock-e.clock < reassemblyTime {
		f.Lost++
	}
	at := int32(f.next) + 1
	ref := &f.heads[e.key.hash(&f.Seed)]
	for *ref != at {
		ref = &f.first[*ref-1].next
	}
	*ref = e.next
}
