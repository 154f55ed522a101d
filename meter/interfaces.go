package meter

import (
	"fmt"
	"slices"
	"sync"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
)

// InterfaceTable numbers the interfaces of all sources, equal names alike: live
// ones as the kernel does, those of traces from 1. Meters whose records go to
// the same exporters share one. A trace that neither names its interfaces nor
// has several of them gets no number.
type InterfaceTable struct {
	mu     sync.Mutex
	known  []flow.Interface
	traces uint32 // numbers given to interfaces of traces
}

// number returns the number of an interface of a source.
func (t *InterfaceTable) number(in *capture.Interface, source string, place, of int) uint32 {
	name := in.Name
	if name == "" {
		if of == 1 {
			return 0
		}
		name = fmt.Sprintf("%s#%d", source, place)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.known {
		if k.Name == name && (in.Index == 0 || k.Index == in.Index) {
			return k.Index
		}
	}
	index := in.Index
	for index == 0 || in.Index == 0 && t.taken(index) {
		t.traces++
		index = t.traces
	}
	t.known = append(t.known, flow.Interface{Index: index, Name: name})
	return index
}

// taken tells whether an interface has a number already.
func (t *InterfaceTable) taken(index uint32) bool {
	return slices.ContainsFunc(t.known, func(k flow.Interface) bool { return k.Index == index })
}

// all returns the interfaces known so far, in the order in which they came.
func (t *InterfaceTable) all() []flow.Interface {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.known)
}

// interfaces is what a numbering is made from.
type interfaces interface{ Interfaces() []capture.Interface }

// numbering keeps the numbers of the interfaces of the source being read.
type numbering struct {
	table   *InterfaceTable
	src     interfaces
	known   []capture.Interface // as of when they were numbered: one that came back has another index
	numbers []uint32
}

// of returns the numbers of a source's interfaces.
func (n *numbering) of(src interfaces) []uint32 {
	all := src.Interfaces()
	if n.src == src && slices.Equal(n.known, all) {
		return n.numbers
	}
	source := ""
	if named, ok := src.(interface{ Name() string }); ok {
		source = named.Name()
	}
	n.src, n.known, n.numbers = src, slices.Clone(all), make([]uint32, len(all))
	for i := range all {
		n.numbers[i] = n.table.number(&all[i], source, i, len(all))
	}
	return n.numbers
}
