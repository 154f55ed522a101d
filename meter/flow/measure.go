package flow

import (
	"math/bits"
	"unsafe"

	"flowmeter/rules"
)

// gauge is what a flow that is measured (RFC 2724) needs beside the counters:
// a flow without measure: has none.
type gauge struct {
	last   [2]int64 // latest packet time each way; valid if that way was seen
	window [2]window
	counts int32 // number of its counters within those of its layout
	next   int32 // number + 1 of the next free one of the layout
	layout uint8
	seen   uint8 // bit way: there was a packet that way, in any piece
	before Way   // of the packet before; valid if any was seen
}

// window is the stretch of time that a rate is taken over, and what has come
// in it each way.
type window struct {
	start int64
	sum   [2]uint64
	open  bool
}

// layout says where the counters of a flow stand that measures a set of
// quantities: first all of the forward direction, then all of the reverse one.
// Of each quantity there is one for each bucket, one for the overflow, and the
// sum of the values.
type layout struct {
	of   rules.Quantities
	at   [rules.NumQuantities]int // where a quantity begins within a direction
	size int                      // counters of one direction
	free int32                    // number + 1 of the gauge freed last
	made int32                    // counters made
	room int32                    // and how many there is memory for
	parts
}

// parts are the counters of a layout: a growing array as slabs are, of elements
// whose size is known only when the rules are read.
type parts struct {
	list [32 - firstPartBits][]uint64
	n    int
}

const firstPartBits = 5

// gauges are those of a table.
type gauges struct {
	of      *rules.Distributions
	ref     slabs[int32] // by record: number + 1 of its gauge; made only where the rules measure
	list    slabs[gauge]
	next    int32
	room    int32
	layouts []layout
	memory  *memory
}

func newGauges(of *rules.Distributions, m *memory) gauges { return gauges{of: of, memory: m} }

// sizeOf returns how many counters a quantity has in one direction.
func sizeOf(d *rules.Distribution) int { return len(d.Bounds) + 2 }

// offset returns where a quantity's counters begin within a direction of a
// record that measures a set of them; of NumQuantities, where they end.
func offset(of *rules.Distributions, set rules.Quantities, q rules.Quantity) (at int) {
	for i := range q {
		if set.Has(i) {
			at += sizeOf(of[i])
		}
	}
	return at
}

// MeasuredOctets returns what a flow that measures all of these takes beside what
// every flow does.
func MeasuredOctets(of *rules.Distributions) uint64 {
	counters := 0
	for _, d := range of {
		if d != nil {
			counters += 2 * sizeOf(d)
		}
	}
	return uint64(8*counters) + uint64(unsafe.Sizeof(gauge{})+unsafe.Sizeof(int32(0)))
}

// layoutOf returns the number of the layout of a set of quantities.
func (g *gauges) layoutOf(set rules.Quantities) uint8 {
	for i := range g.layouts {
		if g.layouts[i].of == set {
			return uint8(i)
		}
	}
	l := layout{of: set, size: offset(g.of, set, rules.NumQuantities)}
	for q := range rules.NumQuantities {
		l.at[q] = offset(g.of, set, q)
	}
	g.layouts = append(g.layouts, l) // at most one for each set of five
	return uint8(len(g.layouts) - 1)
}

// at returns the gauge of a record that has one, its layout and its counters.
func (g *gauges) at(rec int32) (*gauge, *layout, []uint64) {
	one := g.list.at(*g.ref.at(rec) - 1)
	l := &g.layouts[one.layout]
	return one, l, l.counters(one.counts)
}

// give gives a record a gauge of a layout, all zero.
func (g *gauges) give(rec int32, number uint8) *gauge {
	l := &g.layouts[number]
	ref := l.free
	if ref == 0 {
		ref = g.make(number)
	} else {
		l.free = g.list.at(ref - 1).next
	}
	*g.ref.at(rec) = ref
	one := g.list.at(ref - 1)
	*one = gauge{counts: one.counts, layout: number}
	clear(l.counters(one.counts))
	return one
}

// make makes a gauge of a layout and its counters, which stay together.
func (g *gauges) make(number uint8) int32 {
	if g.next == g.room {
		g.room = g.list.grow(g.memory)
	}
	g.next++
	l := &g.layouts[number]
	if l.made == l.room {
		l.room = l.grow(g.memory, 2*l.size)
	}
	g.list.at(g.next - 1).counts = l.made
	l.made++
	return g.next
}

// take frees a record's gauge.
func (g *gauges) take(rec int32) {
	ref := g.ref.at(rec)
	one := g.list.at(*ref - 1)
	l := &g.layouts[one.layout]
	one.next, l.free = l.free, *ref
	*ref = 0
}

func (l *layout) counters(i int32) []uint64 {
	part := bits.Len32(uint32(i) >> firstPartBits)
	at := int(i)
	if part > 0 {
		at -= 1 << (firstPartBits + part - 1)
	}
	return l.list[part][at*2*l.size : (at+1)*2*l.size]
}

// grow is that of slabs, for elements of size octets of 8.
func (p *parts) grow(m *memory, size int) int32 {
	p.list[p.n] = newArray[uint64](m, size<<(firstPartBits+max(0, p.n-1)))
	p.n++
	return 1 << (firstPartBits + p.n - 1)
}

// measure counts a packet in the distributions of its flow.
func (t *Table) measure(rec int32, p *Packet, way Way, octets uint32) {
	g, l, all := t.store.gauges.at(rec)
	counts := all[int(way)*l.size : int(way+1)*l.size]
	if l.of.Has(rules.PacketSize) {
		t.tallyValue(rules.PacketSize, l, counts, uint64(octets))
	}
	if l.of.Has(rules.InterArrival) && g.seen&(1<<way) != 0 {
		t.tallyValue(rules.InterArrival, l, counts, since(g.last[way], p.Time))
	}
	if l.of.Has(rules.Turnaround) && g.seen != 0 && g.before != way {
		t.tallyValue(rules.Turnaround, l, counts, since(g.last[way^1], p.Time))
	}
	if l.of.Has(rules.BitRate) {
		t.pass(rules.BitRate, g, l, all, p.Time).sum[way] += 8 * uint64(octets)
	}
	if l.of.Has(rules.PacketRate) {
		t.pass(rules.PacketRate, g, l, all, p.Time).sum[way]++
	}
	g.before = way
	if g.seen&(1<<way) == 0 || p.Time > g.last[way] {
		g.last[way] = p.Time
	}
	g.seen |= 1 << way
}

// since returns the time from one packet to another, 0 if the other is stamped
// earlier.
func since(from, to int64) uint64 { return uint64(max(0, to-from)) }

// tallyValue counts a value in its bucket.
func (t *Table) tallyValue(q rules.Quantity, l *layout, counts []uint64, v uint64) {
	d := t.store.gauges.of[q]
	of := counts[l.at[q]:][:sizeOf(d)]
	of[d.Bucket(v)]++
	of[len(of)-1] += v
}

// pass brings the window of a rate to the one that a time is in, and counts
// those that are over, empty ones too. The first begins with the piece's first
// packet.
func (t *Table) pass(q rules.Quantity, g *gauge, l *layout, counts []uint64, time int64) *window {
	w := &g.window[q-rules.BitRate]
	if !w.open {
		*w = window{start: time, open: true}
	}
	length := int64(t.store.gauges.of[q].Window)
	if time-w.start < length {
		return w
	}
	over := (time - w.start) / length
	t.closeWindow(q, w, l.at[q], l.size, counts, uint64(over-1))
	w.start += over * length
	w.sum = [2]uint64{}
	return w
}

// closeWindow counts a window and as many empty ones behind it, both ways.
func (t *Table) closeWindow(q rules.Quantity, w *window, at, size int, counts []uint64, empty uint64) {
	d := t.store.gauges.of[q]
	for way, sum := range w.sum {
		of := counts[way*size+at:][:sizeOf(d)]
		of[d.Bucket(sum)]++
		of[d.Bucket(0)] += empty
		of[len(of)-1] += sum
	}
}

// startMeasuring gives a new flow what the rules ask for.
func (t *Table) startMeasuring(rec int32, h *hot, set rules.Quantities) {
	h.state |= measures
	t.store.gauges.give(rec, t.store.gauges.layoutOf(set))
}

// splitMeasures lets the closed piece of a flow keep its counts; the flow goes
// on with new ones, but knows when its last packets were.
func (t *Table) splitMeasures(piece, rec int32) {
	*t.store.gauges.ref.at(piece) = *t.store.gauges.ref.at(rec)
	old, _, _ := t.store.gauges.at(piece)
	g := t.store.gauges.give(rec, old.layout)
	g.last, g.seen, g.before = old.last, old.seen, old.before
}
