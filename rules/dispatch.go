package rules

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"flowmeter/meter/packet"
)

// A dispatch finds, in a list of rules, the next that a packet can match, so
// that those before need not be tried. What it finds is only a candidate: the
// rule's own tests still decide. So a packet gets the same answer as if all
// rules were tried one by one.
type dispatch struct {
	tables  []*table
	steady  int     // tables that look at what does not vary within a conversation come first
	always  []int32 // by rule: the next, from it on, that must be tried whatever the packet
	varying []int32 // by rule: the next, from it on, that is in a table behind the steady ones
	starts  []int32 // by rule: its first instruction; the last is behind the list
	number  int32   // in the Program
	changes bool    // what set: does may change what the tables say
}

const (
	maxTables = 8
	noNode    = -1

	// maxFinds is how many rules are found in one dispatch for a packet. If
	// these did not settle it, the others are tried one by one, which is faster
	// when many of them are candidates.
	maxFinds = 256
)

// candidates are what the tables of a dispatch said of a packet in one pass.
type candidates struct {
	by    *dispatch
	last  int32 // rule from which on was looked last; before it, the list is gone through anew
	finds int
	nodes [maxTables]int32
	nexts [maxTables]int32 // first rule of each table behind those tried; notLooked
}

const notLooked = -1

// changed forgets what set: may have changed.
func (f *candidates) changed() {
	if f.by != nil && f.by.changes {
		f.by = nil
	}
}

// next returns the instruction to go on at, for the rules of a dispatch from a
// given one on.
func (d *dispatch) next(from int32, s *state) int32 {
	if s.found.by != d || from <= s.found.last {
		s.found.by, s.found.finds = d, 0
		for i := range d.tables {
			s.found.nexts[i] = notLooked
		}
	}
	s.found.last = from
	if s.found.finds++; s.found.finds > maxFinds {
		return d.starts[from]
	}
	to := d.nearest(0, d.steady, from, d.always[from], s)
	if d.varying[from] < to {
		// Tried one by one, a rule before the candidate would look at it, too.
		s.varies = true
		to = d.nearest(d.steady, len(d.tables), from, to, s)
	}
	return d.starts[to]
}

// nearest returns the first rule from a given one on, and before to, that the
// tables from lo to hi hold for the packet, else to.
func (d *dispatch) nearest(lo, hi int, from, to int32, s *state) int32 {
	for i := lo; i < hi; i++ {
		next := s.found.nexts[i]
		if next < from {
			next = d.tables[i].advance(&s.found.nodes[i], from, next, s)
			s.found.nexts[i] = next
		}
		to = min(to, next)
	}
	return to
}

// A table holds what rules test one value for: addresses, or numbers as if
// they were addresses, in prefixes.
type table struct {
	get      getter
	addr     bool
	need     have // else no rule of the table matches
	width    int  // of numbers, in bits: at most 32 are looked up as IPv4 addresses
	prefixes bart.Table[int32]
	short    *shortTable // in place of prefixes for many numbers of 16 bits
	nodes    []node
	groups   [][]int32 // rules that test for the same values, in their order
}

// A node stands for one prefix in one group.
type node struct {
	group int32
	wider int32   // node of the same prefix, or of the longest that covers it; noNode
	first int32   // first rule of this node and all wider ones
	all   []int32 // where a packet may come to a node with many wider ones: the rules of all, or nil if they are too many
	many  bool
}

// advance returns the first rule, from a given one on, that the table holds for
// the packet, or a rule before that. It is next that was the last one.
func (t *table) advance(n *int32, from, next int32, s *state) int32 {
	if next == notLooked {
		*n = t.find(s)
	}
	if *n == noNode {
		return none
	}
	one := &t.nodes[*n]
	switch {
	case one.first >= from:
		return one.first
	case one.all != nil:
		return behind(one.all, from)
	case one.many:
		return from
	}
	to := none
	for i := *n; i != noNode; i = t.nodes[i].wider {
		to = min(to, behind(t.groups[t.nodes[i].group], from))
	}
	return to
}

const none = int32(1<<31 - 1)

// behind returns the first of some rules from a given one on, or none.
func behind(rules []int32, from int32) int32 {
	if len(rules) == 1 {
		if rules[0] >= from {
			return rules[0]
		}
		return none
	}
	if i, _ := slices.BinarySearch(rules, from); i < len(rules) {
		return rules[i]
	}
	return none
}

// find returns the node of what the packet holds.
func (t *table) find(s *state) int32 {
	need := t.need
	if need&elsewhere != 0 {
		there, ok := s.within(need)
		if !ok {
			return noNode
		}
		s, need = &there, need&^elsewhere
	}
	if s.have&need != need {
		return noNode
	}
	if t.short != nil {
		return t.short.find(s.number(t.get))
	}
	if n, ok := t.prefixes.Lookup(t.key(s)); ok {
		return n
	}
	return noNode
}

func (t *table) key(s *state) netip.Addr {
	if !t.addr {
		return numberAddr(s.number(t.get), t.width)
	}
	addr := s.addr(t.get)
	if s.have&have(packet.HasIPv4) != 0 {
		return netip.AddrFrom4([4]byte(addr[12:]))
	}
	return netip.AddrFrom16(*addr)
}

// numberAddr returns the address that a number is looked up as. There is none
// of a number that is too large.
func numberAddr(n uint64, width int) netip.Addr {
	if width > 32 {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], n)
		return netip.AddrFrom16(b)
	}
	if n>>width != 0 {
		return netip.Addr{}
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(n<<(32-width)))
	return netip.AddrFrom4(b)
}
