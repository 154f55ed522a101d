package ring

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"flowmeter/meter/capture"
)

// names numbers the interfaces of an input, by name: one that comes back has
// its number again. Readers look without a lock.
type names struct {
	resolve func(index int32) (name string, hardware uint16) // asks the system; "" if there is none

	mu      sync.Mutex
	byName  map[string]uint32
	list    atomic.Pointer[[]capture.Interface]
	byIndex atomic.Pointer[map[int32]uint32]
}

// all returns the interfaces by number.
func (n *names) all() []capture.Interface {
	if list := n.list.Load(); list != nil {
		return *list
	}
	return nil
}

// note says that the interface of an index has this name now, and returns its
// number.
func (n *names) note(index int32, name string, hardware uint16, snaplen int) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	of := capture.Interface{Name: name, Index: uint32(index), Link: uint16(kindOf(hardware).link()), Snaplen: uint32(snaplen)}
	list := n.all()
	number, known := n.byName[name]
	switch {
	case !known:
		number = uint32(len(list))
		if n.byName == nil {
			n.byName = map[string]uint32{}
		}
		n.byName[name] = number
		list = append(list[:number:number], of) // a copy: the old one is being read
	case list[number] != of:
		list = append([]capture.Interface(nil), list...)
		list[number] = of
	}
	n.list.Store(&list)
	n.index(index, number)
	return number
}

// index keeps a number where numberOf finds it.
func (n *names) index(index int32, number uint32) {
	old := n.byIndex.Load()
	if old == nil {
		old = &map[int32]uint32{}
	}
	if have, known := (*old)[index]; known && have == number {
		return
	}
	m := maps.Clone(*old)
	m[index] = number
	n.byIndex.Store(&m)
}

// numberOf returns the number of an interface that a frame was seen at. Where
// it is younger than the last news of interfaces, the system is asked, once.
func (n *names) numberOf(index int32) uint32 {
	if m := n.byIndex.Load(); m != nil {
		if number, known := (*m)[index]; known {
			return number
		}
	}
	name, hardware := "", uint16(0)
	if n.resolve != nil {
		name, hardware = n.resolve(index)
	}
	if name == "" {
		name = fmt.Sprintf("ifindex%d", index) // gone before anybody could ask
	}
	return n.note(index, name, hardware, 0)
}
