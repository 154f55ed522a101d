package sample

import "flowmeter/meter/flow"

// ends are the pairs of bits that a turned record exchanges.
var ends = [][2]flow.Has{
	{flow.HasSrcV4, flow.HasDstV4}, {flow.HasSrcV6, flow.HasDstV6}, {flow.HasSrcPort, flow.HasDstPort},
	{flow.HasSrcV4Prefix, flow.HasDstV4Prefix}, {flow.HasSrcV6Prefix, flow.HasDstV6Prefix},
	{flow.HasSrcMAC, flow.HasDstMAC}, {flow.HasSrcKind, flow.HasDstKind}, {flow.HasSrcClass, flow.HasDstClass},
}

// Split does, slowly and obviously, what an exporter should do with records
// under biflow: split.
func Split(records []flow.Record) []flow.Record {
	var out []flow.Record
	for _, r := range records {
		if r.Has&flow.HasForward != 0 {
			f := r
			f.Has &^= flow.HasReverse
			out = append(out, f)
		}
		if r.Has&flow.HasReverse != 0 {
			out = append(out, turn(r))
		}
	}
	return out
}

// turn is the reverse direction of r, spelled out.
func turn(r flow.Record) flow.Record {
	b := r
	b.Key = r.Key.Swap()
	b.Count = [2]flow.Counters{r.Count[1]}
	b.Measured = r.Measured.Backward(nil)
	b.First.SrcMAC, b.First.DstMAC = r.First.DstMAC, r.First.SrcMAC
	b.Class = r.Class.Reverse()
	b.Biflow = map[uint8]uint8{0: 0, 1: 2, 3: 0}[r.Biflow]
	b.Has = r.Has&^(flow.HasReverse|flow.HasFlowLabel) | flow.HasForward
	for _, pair := range ends {
		b.Has &^= pair[0] | pair[1]
		if r.Has&pair[0] != 0 {
			b.Has |= pair[1]
		}
		if r.Has&pair[1] != 0 {
			b.Has |= pair[0]
		}
	}
	return b
}
