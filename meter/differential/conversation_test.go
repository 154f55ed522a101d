// Package differential compares the meter as a whole with what it was not made
// from. TestTruth needs nothing but testdata; TestTshark, with the build tag
// integration, needs tshark, and reads the folder that METER_TRACES names:
//
//	METER_TRACES=... go test -tags integration -v -run TestTshark ./meter/differential
package differential

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// end is one end of a conversation.
type end struct {
	addr netip.Addr
	port uint16
}

func (e end) compare(o end) int {
	return cmp.Or(e.addr.Compare(o.addr), cmp.Compare(e.port, o.port))
}

// conversation is two ends that talk over one protocol. The end that sorts
// first, by address, then by port, is a, whoever spoke first.
type conversation struct {
	version, proto uint8
	ports          bool // false for a protocol without, and where none were captured
	a, b           end
}

func (c conversation) compare(o conversation) int {
	return cmp.Or(cmp.Compare(c.version, o.version), cmp.Compare(c.proto, o.proto), c.a.compare(o.a), c.b.compare(o.b))
}

// sum is what a conversation carried from a to b, and from b to a. Where both
// ends are the same it is all from a to b.
type sum struct {
	packets, octets [2]uint64
}

// account is what each conversation carried.
type account map[conversation]sum

// way says which way a packet or a direction of a flow went.
type way struct {
	version, proto uint8
	ports          bool
	src, dst       end
}

// add counts packets that went from w.src to w.dst.
func (acc account) add(w way, packets, octets uint64) {
	if packets == 0 {
		return
	}
	c, direction := w.conversation()
	s := acc[c]
	s.packets[direction] += packets
	s.octets[direction] += octets
	acc[c] = s
}

func (w way) conversation() (c conversation, direction int) {
	if w.src.compare(w.dst) > 0 {
		return conversation{w.version, w.proto, w.ports, w.dst, w.src}, 1
	}
	return conversation{w.version, w.proto, w.ports, w.src, w.dst}, 0
}

// addAll adds the sums of another account.
func (acc account) addAll(o account) {
	for c, s := range o {
		t := acc[c]
		for i := range s.packets {
			t.packets[i] += s.packets[i]
			t.octets[i] += s.octets[i]
		}
		acc[c] = t
	}
}

// differences returns the conversations whose sums are not the same in both
// accounts.
func differences(a, b account) []conversation {
	var all []conversation
	for c, s := range a {
		if b[c] != s {
			all = append(all, c)
		}
	}
	for c := range b {
		if _, both := a[c]; !both {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, conversation.compare)
	return all
}

// String is as a line of the truth files, without the sums.
func (c conversation) String() string {
	port := func(e end) string {
		if !c.ports {
			return ""
		}
		return strconv.Itoa(int(e.port))
	}
	return fmt.Sprintf("%d %d %v %s %v %s", c.version, c.proto, c.a.addr, port(c.a), c.b.addr, port(c.b))
}

// String is as the last columns of a line of the truth files.
func (s sum) String() string {
	return fmt.Sprintf("%d %d %d %d", s.packets[0], s.octets[0], s.packets[1], s.octets[1])
}
