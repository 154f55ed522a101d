//go:build integration

package differential

import (
	"slices"

	"flowmeter/meter/capture"
)

// reading is what tshark says of one trace, put into the sums of conversations.
type reading struct {
	path      string
	fragments fragments
	packets   uint64
	sums      account
	frames    map[conversation][]string // their numbers
	applied   map[string]int            // packets by rule
}

// noPacket is a named difference in the number of packets.
const noPacket = "pcapng block that holds no packet: tshark numbers it as a frame"

// addUp makes the sums.
func addUp(path string, rows []row) *reading {
	x := &reading{
		path:      path,
		fragments: fragments{firsts: map[packetID]firstFragment{}},
		sums:      account{},
		frames:    map[conversation][]string{},
		applied:   map[string]int{},
	}
	for _, r := range rows {
		if !r.has("frame.encap_type") {
			x.applied[noPacket]++
			continue
		}
		x.packets++
		x.count(r)
	}
	return x
}

// count adds the packet of a row, if it is one of IP, by the rules.
func (x *reading) count(r row) {
	if r.has("frame.time_epoch") { // a simple packet block has none
		x.fragments.tick(r.time())
	}
	s := plain(r)
	for _, rule := range ruleBook {
		if s.counted && rule.applies(x, r, &s) {
			rule.amend(x, r, &s)
			x.applied[rule.name]++
		}
	}
	if !s.counted {
		return
	}
	x.fragments.remember(r, &s)
	x.sums.add(s.way, 1, s.octets)
	c, _ := s.conversation()
	x.frames[c] = append(x.frames[c], r.first("frame.number"))
}

// octets returns what was captured of a frame, numbered from 1; nil if there is
// none of that number.
func (x *reading) octets(number uint64) []byte {
	trace, err := capture.Open(x.path)
	if err != nil {
		return nil
	}
	defer trace.Close()
	for {
		b, err := trace.Next()
		if err != nil {
			return nil
		}
		defer b.Release()
		if n := uint64(len(b.Frames)); number > n {
			number -= n
			continue
		}
		return slices.Clone(b.Data(&b.Frames[number-1]))
	}
}
