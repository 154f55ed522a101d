package rules

import (
	"math/bits"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// This file makes the tables that rules are looked up in.

// A tableMaker makes a table.
type tableMaker struct {
	*table
	known map[valuesID]int32 // groups
}

func newTableMaker(id tableID) *tableMaker {
	return &tableMaker{&table{get: id.get, need: id.need}, map[valuesID]int32{}}
}

// add puts a rule into the group of what one of its tests looks for.
func (t *tableMaker) add(c *compiler, k *cond, rule int32) {
	id := k.want.id()
	g, known := t.known[id]
	if !known {
		g = int32(len(t.groups))
		t.known[id], t.groups = g, append(t.groups, nil)
		if k.want.size() > fewValues {
			c.copies[id]++
		}
		t.insert(g, k)
	}
	if group := t.groups[g]; len(group) == 0 || group[len(group)-1] != rule {
		t.groups[g] = append(group, rule)
	}
}

// insert puts the values of a group into the table.
func (t *tableMaker) insert(group int32, k *cond) {
	t.addr = k.field.isAddr()
	for _, p := range k.want.prefixes {
		t.node(p, group)
	}
	if t.width == 0 {
		t.width = widthOf(k.field.max)
	}
	for _, s := range k.want.spans {
		s.prefixes(t.width, func(p netip.Prefix) { t.node(p, group) })
	}
}

func (t *tableMaker) node(p netip.Prefix, group int32) {
	wider, known := t.prefixes.Get(p)
	if !known {
		wider = noNode
	}
	t.prefixes.Insert(p, int32(len(t.nodes)))
	t.nodes = append(t.nodes, node{group: group, wider: wider})
}

// finish ties the nodes of each prefix to those of the next wider one.
func (t *tableMaker) finish() {
	type covering struct {
		prefix netip.Prefix
		top    int32
		depth  int
	}
	room := roomPerNode * (len(t.nodes) + fewRules)
	var open []covering // each covers the next
	for p, top := range t.prefixes.AllSorted() {
		for len(open) > 0 && !open[len(open)-1].prefix.Overlaps(p) {
			open = open[:len(open)-1]
		}
		wider, depth := int32(noNode), 0
		if len(open) > 0 {
			wider, depth = open[len(open)-1].top, open[len(open)-1].depth
		}
		depth += t.tie(top, wider)
		if depth > manyNodes {
			room -= t.gather(top, room)
		}
		open = append(open, covering{p, top, depth})
	}
	if !t.addr && t.width == 16 && len(t.nodes) >= manyNumbers {
		t.short = newShortTable()
		for p, top := range t.prefixes.AllSorted() {
			t.short.fill(p, top)
		}
		t.prefixes = bart.Table[int32]{}
	}
}

const (
	manyNodes   = 4    // so many and their wider ones are looked at one by one
	roomPerNode = 64   // rules that the nodes of a table hold on average, at most
	maxGathered = 4096 // rules that one node holds, at most
)

// tie gives the nodes of a prefix, from the top one on, the wider one, and all
// of them their first rule. It returns how many they are.
func (t *tableMaker) tie(top, wider int32) int {
	var chain []int32
	for n := top; n != noNode; n = t.nodes[n].wider {
		chain = append(chain, n)
	}
	t.nodes[chain[len(chain)-1]].wider = wider
	for _, n := range slices.Backward(chain) {
		one := &t.nodes[n]
		one.first = t.groups[one.group][0]
		if one.wider != noNode {
			one.first = min(one.first, t.nodes[one.wider].first)
		}
	}
	return len(chain)
}

// gather gives a node the rules of all wider ones, if there is room for them,
// and returns how much it took.
func (t *tableMaker) gather(top int32, room int) int {
	room = min(room, maxGathered)
	var all []int32
	for n := top; n != noNode && len(all) <= room; n = t.nodes[n].wider {
		group := t.groups[t.nodes[n].group]
		all = append(all, group[:min(len(group), room+1)]...)
	}
	one := &t.nodes[top]
	if one.many = len(all) > room; one.many {
		return 0
	}
	slices.Sort(all)
	one.all = slices.Clone(slices.Compact(all))
	return len(one.all)
}

// widthOf returns in how many bits a number is looked up.
func widthOf(most uint64) int {
	for width := 8; width < 64; width *= 2 {
		if most>>width == 0 {
			return width
		}
	}
	return 64
}

// prefixes cuts the numbers of a span into prefixes.
func (s span) prefixes(width int, each func(netip.Prefix)) {
	for lo := s.lo; ; {
		free := min(bits.TrailingZeros64(lo), width) // 64 of 0
		for last(lo, free) > s.hi {
			free--
		}
		each(netip.PrefixFrom(numberAddr(lo, width), width-free))
		end := last(lo, free)
		if end == s.hi {
			return
		}
		lo = end + 1
	}
}

// last returns the largest number that differs from lo in the lowest bits alone.
func last(lo uint64, bits int) uint64 { return lo | ^(^uint64(0) << bits) }
