package wire

import (
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// sources are the bits of a source's attributes; that of the destination's is
// the next higher bit of each.
const sources = flow.HasSrcV4 | flow.HasSrcV6 | flow.HasSrcV4Prefix | flow.HasSrcV6Prefix |
	flow.HasSrcPort | flow.HasSrcMAC | flow.HasSrcClass | flow.HasSrcKind

// Swap exchanges source and destination in a set of what a record holds.
func Swap(h flow.Has) flow.Has {
	return h&sources<<1 | h>>1&sources | h&^(sources|sources<<1)
}

// reverseDirection is biflowDirection as it stands in the record of the
// reverse direction alone. For what an initiator was answered that is
// reverseInitiator; RFC 5103 has no number for a source inside the perimeter.
var reverseDirection = [4]uint8{0: 0, 1: 2, 2: 1, 3: 0}

// Backward sets dst to the reverse direction of r as a flow of its own, whose
// source is r's destination. What only r's first packet told of the forward
// direction, the flow label and the MPLS label, is left out.
func Backward(dst, r *flow.Record) {
	room := dst.Measured
	*dst = *r
	dst.Measured = r.Measured.Backward(room)
	dst.Key = r.Key.Swap()
	dst.Has = Swap(r.Has) &^ flow.HasReverse
	if r.Key.Saved&rules.FlowLabel == 0 {
		dst.Has &^= flow.HasFlowLabel
	}
	if r.Key.Saved&rules.MPLS == 0 {
		dst.Has &^= flow.HasMPLS
	}
	dst.Has |= flow.HasForward
	dst.Count[flow.Forward] = r.Count[flow.Reverse]
	dst.Count[flow.Reverse] = flow.Counters{}
	dst.First.SrcMAC, dst.First.DstMAC = r.First.DstMAC, r.First.SrcMAC
	dst.Class = r.Class.Reverse()
	dst.Biflow = reverseDirection[r.Biflow&3]
}
