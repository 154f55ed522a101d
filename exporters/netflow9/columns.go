package netflow9

import (
	"slices"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// Types that are not the number of a field of the model (RFC 3954 §8).
const (
	typeSrcPort = 7
	typeDstPort = 11
	typeLast    = 21
	typeFirst   = 22
	typeICMP    = 32
	typeSampler = 48
)

// sizes are those that RFC 3954 §8 gives, where the model's type has another.
var sizes = map[uint16]uint16{6: 1, 25: 2, 26: 2, typeFirst: 4, typeLast: 4, typeSampler: 2}

// selected returns the fields to export, in their order. A prefix brings its
// length with it.
func (c *Config) selected() []flow.Field {
	var out []flow.Field
	for _, f := range flow.Model(flow.ToMillis) {
		if f.V9 != 0 && len(c.Fields) == 0 {
			out = append(out, f)
		}
	}
	for _, name := range c.Fields {
		for _, f := range flow.Model(flow.ToMillis) {
			if f.Name == name || f.Name == name+"Length" && !slices.Contains(c.Fields, f.Name) {
				out = append(out, f)
			}
		}
	}
	return out
}

func newShapes(c *Config) *wire.Shapes {
	l := layout{fields: c.selected(), pair: c.Biflow == exporters.Pair}
	mask := flow.HasSrcPort | flow.HasDstPort | flow.HasICMP4 | flow.HasICMP6
	for i := range l.fields {
		mask |= l.fields[i].NeedsOf(flow.Forward)
	}
	if l.pair {
		mask |= flow.HasReverse
	}
	return wire.NewShapes(firstData, mask, l.columns)
}

// layout decides the columns of records.
type layout struct {
	fields []flow.Field
	pair   bool
}

// columns lays out a record that holds what h says. The reverse direction of
// a pair is told in the OUT counters and the egress type of service; what v9
// has no second type for is that of the forward direction.
func (l *layout) columns(h flow.Has) []wire.Column {
	var cols []wire.Column
	both := l.pair && h&flow.HasReverse != 0
	for i := range l.fields {
		f := &l.fields[i]
		switch {
		case f.NeedsOf(flow.Forward)&^h == 0:
			cols = append(cols, l.column(f, h, both))
		case h&(flow.HasICMP4|flow.HasICMP6) != 0 && h&(flow.HasSrcPort|flow.HasDstPort) == 0:
			cols = append(cols, icmpPort(f.V9)...)
		}
		if both && f.V9Reverse != 0 && f.NeedsOf(flow.Reverse)&^h == 0 {
			cols = append(cols, wire.NewColumn(f, flow.Reverse, h, f.V9Reverse, 0))
		}
	}
	return cols
}

func (l *layout) column(f *flow.Field, h flow.Has, both bool) wire.Column {
	c := wire.NewColumn(f, flow.Forward, h, f.V9, 0)
	if size, ok := sizes[f.V9]; ok {
		c.Size = size
	}
	switch f.V9 {
	case typeFirst, typeLast:
		c.Form = wire.Uptime
		c.Compute(span(f, both))
	case 25, 26:
		c.Compute(saturate16(f.Uint))
	}
	return c
}

// span returns the getter of a time. There is one pair of times only: that of
// a record with both directions covers both.
func span(f *flow.Field, both bool) func(*flow.Record, flow.Way) uint64 {
	switch {
	case !both:
		return f.Uint
	case f.V9 == typeFirst:
		return func(r *flow.Record, _ flow.Way) uint64 { return uint64(r.FlowStart()) }
	}
	return func(r *flow.Record, _ flow.Way) uint64 { return uint64(r.FlowEnd()) }
}

// saturate16 holds a number at the largest that two octets can say.
func saturate16(get func(*flow.Record, flow.Way) uint64) func(*flow.Record, flow.Way) uint64 {
	return func(r *flow.Record, w flow.Way) uint64 { return min(get(r, w), 1<<16-1) }
}

// icmpPort returns what collectors expect of ICMP in place of a port: source
// port 0, and type and code as the destination port. Those of ICMPv6 stand
// under the type of ICMP's too: version 9 has no other, and nfcapd looks there
// and not at the port.
func icmpPort(v9 uint16) []wire.Column {
	switch v9 {
	case typeSrcPort:
		return []wire.Column{{ID: v9, Size: 2, Uint: func(*flow.Record, flow.Way) uint64 { return 0 }}}
	case typeDstPort, typeICMP:
		return []wire.Column{{ID: v9, Size: 2, Uint: func(r *flow.Record, w flow.Way) uint64 { return uint64(icmp(r, w)) }}}
	}
	return nil
}

// icmp is type and code of the direction, or, where it has no packets, of the
// other one.
func icmp(r *flow.Record, w flow.Way) uint16 {
	if r.Count[w].Packets == 0 {
		w = 1 - w
	}
	return r.Count[w].ICMP
}
