package ipfix

import (
	"slices"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// reversePEN marks the reverse twin of an IANA field (RFC 5103 §6.1).
const reversePEN = 29305

// large are the fields that the default selection leaves out: they would add
// half as much again to a record, collectors that take totals for deltas would
// count the pieces of a long flow twice, and sampling is told by options.
var large = []string{
	"octetTotalCount", "packetTotalCount", "layer2OctetDeltaCount",
	"minimumIpTotalLength", "maximumIpTotalLength",
	"sourceMacAddress", "destinationMacAddress",
	"samplingInterval",
}

// reduced gives the octets of fields that are exported in fewer than their
// type has (RFC 7011 §6.2): these fit by nature.
var reduced = map[string]uint16{"minimumIpTotalLength": 4, "maximumIpTotalLength": 4}

// narrow are the fields that take four octets in records whose counts all fit.
var narrow = []string{"octetDeltaCount", "packetDeltaCount"}

// selected returns the fields to export, in their order. A prefix brings its
// length with it.
func (c *Config) selected() []flow.Field {
	var out []flow.Field
	model := flow.Model(c.Precision)
	add := func(f flow.Field) {
		if f.ID != 0 && (c.Private || !f.Private) {
			out = append(out, f)
		}
	}
	if len(c.Fields) == 0 {
		for _, f := range model {
			if !slices.Contains(large, f.Name) {
				add(f)
			}
		}
		return out
	}
	for _, name := range c.Fields {
		for _, f := range model {
			if f.Name == name || f.Name == name+"Length" && !slices.Contains(c.Fields, f.Name) {
				add(f)
			}
		}
	}
	return out
}

// newShapes returns the templates of a configuration, made as records need them.
func newShapes(c *Config) *wire.Shapes {
	fields := c.selected()
	mask := flow.HasWide
	for i := range fields {
		mask |= fields[i].NeedsOf(flow.Forward)
		if twin(&fields[i]) && c.Biflow == exporters.Pair {
			mask |= fields[i].NeedsOf(flow.Reverse)
		}
	}
	return wire.NewShapes(firstData, mask, func(h flow.Has) []wire.Column {
		return columns(fields, h, c.Enterprise)
	})
}

// twin tells whether a field has a reverse twin. Only IANA's number space has a
// reverse (RFC 5103 §6.2): of the meter's own fields, those have one that have a
// number for it.
func twin(f *flow.Field) bool { return f.TwoWay && (!f.Private || f.ReverseID != 0) }

// columns lays out a record that holds what h says. A reverse twin stands
// before its forward one: of two columns that they take for the same, some
// collectors keep the last.
func columns(fields []flow.Field, h flow.Has, enterprise uint32) []wire.Column {
	var cols []wire.Column
	for i := range fields {
		f := &fields[i]
		if twin(f) && f.NeedsOf(flow.Reverse)&^h == 0 {
			cols = append(cols, column(f, flow.Reverse, enterprise, h))
		}
		if f.NeedsOf(flow.Forward)&^h != 0 {
			continue
		}
		cols = append(cols, column(f, flow.Forward, enterprise, h))
	}
	return cols
}

func column(f *flow.Field, w flow.Way, enterprise uint32, h flow.Has) wire.Column {
	id, pen := f.ID, uint32(0)
	switch {
	case f.Private && w == flow.Reverse:
		id, pen = f.ReverseID, enterprise
	case f.Private:
		pen = enterprise
	case w == flow.Reverse:
		pen = reversePEN
	}
	c := wire.NewColumn(f, w, h, id, pen)
	if size, ok := reduced[f.Name]; ok {
		c.Size = size
	}
	if h&flow.HasWide == 0 && slices.Contains(narrow, f.Name) {
		c.Size = 4
	}
	return c
}
