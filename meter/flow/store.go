package flow

import (
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// hot is the part of a flow that each of its packets touches: two adjacent
// cache lines, the counters in the first, what finds and times the flow in the
// second. Pairs of the conversation's ends are in canonical order, pairs of
// directions are indexed by Way.
type hot struct {
	octets  [2]uint64
	packets [2]uint64
	layer2  [2]uint64
	last    [2]int64 // packet time

	seen    int64 // trace clock at the last packet, either way
	start   int64 // trace clock at the piece's first packet; valid if the piece has packets
	minLen  [2]uint32
	maxLen  [2]uint32
	addr    [2]uint32 // IPv4 addresses of the canonical ends
	port    [2]uint16
	flags   [2]uint16 // TCP flags of all packets
	minTTL  [2]uint8
	maxTTL  [2]uint8
	proto   uint8
	kind    uint8 // of tuple
	state   state
	answers uint8  // see answer
	armed   uint32 // wheel slot that will look at the flow
	serial  uint32 // grows when the flow ends: references by number and serial never go astray
}

// state is what a flow remembers of its life.
type state uint8

const (
	live       state = 1 << iota // in the table
	sourceHigh                   // the source is the higher canonical end
	tcpEnds                      // a TCP connection's whole key: FIN and RST end it
	finForward                   // FIN seen
	finReverse
	lingering // the connection has ended; late packets still belong to it
	pieced    // earlier pieces have been released
	measures  // it has a gauge
)

// cold is what is written when a flow begins, at its first reverse packet and
// at the ends of pieces: one cache line.
type cold struct {
	first     [2]int64   // time of the piece's first packet each way
	flowStart int64      // time of the flow's first packet
	mac       [2][6]byte // source, destination
	rules     [2]pair    // that count each direction of a fused table's flow; 0 if none does for all of it
	mpls      uint32
	iface     uint32
	icmp      [2]uint16 // first packet's type and code each way
	vlan      [2]uint16 // TCI
	earlier   int32     // number + 1 in store.earlier of what earlier pieces counted; 0 in the first piece
	tclass    [2]uint8  // first packet's each way
	reason    uint8     // evidence<<4 | home class of the forward direction
	link      linkBits
}

// linkBits tells which link fields the first packet had.
type linkBits uint8

const (
	linkMAC linkBits = 1 << iota
	linkVLAN
	linkVLAN2
	linkMPLS
	linkIPv6
)

// ipv6 is what only flows of IPv6 have: memory that IPv4 never touches.
type ipv6 struct {
	ends      [2]words // addresses of the canonical ends; of a fused table's flow
	flowLabel uint32   // of the flow's first packet
}

func linkBitsOf(l packet.Layer) (b linkBits) {
	if l&packet.HasMAC != 0 {
		b = linkMAC
	}
	if l&packet.HasIPv6 != 0 {
		b |= linkIPv6
	}
	if l&(packet.HasVLAN|packet.HasMPLS) == 0 {
		return b
	}
	if l&packet.HasVLAN != 0 {
		b |= linkVLAN
	}
	if l&packet.HasVLAN2 != 0 {
		b |= linkVLAN2
	}
	if l&packet.HasMPLS != 0 {
		b |= linkMPLS
	}
	return b
}

// store holds the records of a table. Records are known by number; free ones
// are used again, last freed first.
type store struct {
	hot     slabs[hot]
	cold    slabs[cold]
	ipv6    slabs[ipv6]
	keys    slabs[rules.Key]   // only where keys hold more than the five-tuple
	trails  slabs[rules.Trail] // of fused tables whose rules have use for them
	keyed   bool
	trailed bool
	next    int32 // records never used begin here
	room    int32 // and end here
	free    int32 // number + 1 of the record freed last, which names the next in hot.armed

	gauges gauges

	earlier     slabs[pieces]
	earlierNext int32
	earlierRoom int32
	earlierFree int32 // number + 1, as free; pieces.number names the next

	memory *memory
}

// pieces is what the earlier pieces of a long flow counted.
type pieces struct {
	octets, packets [2]uint64
	number          uint32 // pieces so far
}

func (s *store) hotAt(rec int32) *hot       { return s.hot.at(rec) }
func (s *store) coldAt(rec int32) *cold     { return s.cold.at(rec) }
func (s *store) ipv6At(rec int32) *ipv6     { return s.ipv6.at(rec) }
func (s *store) keyAt(rec int32) *rules.Key { return s.keys.at(rec) }

// alloc returns a free record with its old content, the serial of which must
// be kept.
func (s *store) alloc() int32 {
	if s.free != 0 {
		rec := s.free - 1
		s.free = int32(s.hotAt(rec).armed)
		return rec
	}
	if s.next == s.room {
		s.grow()
	}
	s.next++
	return s.next - 1
}

func (s *store) grow() {
	s.room = s.hot.grow(s.memory)
	s.cold.grow(s.memory)
	s.ipv6.grow(s.memory)
	if s.keyed {
		s.keys.grow(s.memory)
	}
	if s.trailed {
		s.trails.grow(s.memory)
	}
	if s.gauges.of != nil {
		s.gauges.ref.grow(s.memory)
	}
}

// release frees a record, what was kept of its earlier pieces, and its gauge.
func (s *store) release(rec int32) {
	if c := s.coldAt(rec); c.earlier != 0 {
		s.earlier.at(c.earlier - 1).number = uint32(s.earlierFree)
		s.earlierFree, c.earlier = c.earlier, 0
	}
	h := s.hotAt(rec)
	if h.state&measures != 0 {
		s.gauges.take(rec)
	}
	h.armed = uint32(s.free)
	s.free = rec + 1
}

// reset forgets all records, of which none may be in use. Their serials stay, so
// that no reference of before goes astray.
func (s *store) reset() {
	s.next, s.free = 0, 0
	s.earlierNext, s.earlierFree = 0, 0
}

// before returns what earlier pieces of a flow counted.
func (s *store) before(c *cold) pieces {
	if c.earlier == 0 {
		return pieces{}
	}
	return *s.earlier.at(c.earlier - 1)
}

// keep returns a place to keep p in, as cold.earlier names it.
func (s *store) keep(p pieces) int32 {
	ref := s.earlierFree
	if ref != 0 {
		s.earlierFree = int32(s.earlier.at(ref - 1).number)
	} else {
		if s.earlierNext == s.earlierRoom {
			s.earlierRoom = s.earlier.grow(s.memory)
		}
		s.earlierNext++
		ref = s.earlierNext
	}
	*s.earlier.at(ref - 1) = p
	return ref
}

// copyTo makes dst a copy of src, all but its serial.
func (s *store) copyTo(dst, src int32) {
	serial := s.hotAt(dst).serial
	*s.hotAt(dst) = *s.hotAt(src)
	s.hotAt(dst).serial = serial
	c := s.coldAt(src)
	*s.coldAt(dst) = *c
	if c.link&linkIPv6 != 0 {
		*s.ipv6At(dst) = *s.ipv6At(src)
	}
	if s.keyed {
		*s.keyAt(dst) = *s.keyAt(src)
	}
}
