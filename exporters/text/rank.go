package text

import (
	"math"
	"slices"

	"flowmeter/meter/flow"
)

// ranks are the short names that a table can be sorted by. They speak of the
// flow up to and with the piece of the record.
var ranks = []struct {
	name string
	rank func(r *flow.Record) uint64
}{
	{"octets", func(r *flow.Record) uint64 { return r.Count[0].TotalOctets + r.Count[1].TotalOctets }},
	{"packets", func(r *flow.Record) uint64 { return r.Count[0].TotalPackets + r.Count[1].TotalPackets }},
	{"duration", func(r *flow.Record) uint64 { return uint64(r.FlowEnd() - r.Start) }},
	{"start", func(r *flow.Record) uint64 { return math.MaxInt64 - uint64(r.Start) }}, // the earliest first
}

// ranking returns what ranks records for a sort field. Where that is a field
// of the model, it is returned too: the table shows it in a column of its own.
func ranking(sort string) (rank func(*flow.Record) uint64, field *column, err error) {
	var known []string
	for _, k := range ranks {
		if k.name == sort {
			return k.rank, nil, nil
		}
		known = append(known, k.name)
	}
	cols := numeric(columns(flow.ToMillis))
	known = append(known, names(cols)...)
	i := slices.Index(known, sort)
	if i < 0 {
		return nil, nil, unknown(sort, known)
	}
	c := &cols[i-len(ranks)]
	return c.rank, c, nil
}

// rank is the column's value, 0 where r lacks it.
func (c *column) rank(r *flow.Record) uint64 {
	if r.Has&c.needs != c.needs {
		return 0
	}
	return c.Uint(r, c.way)
}

// numeric keeps the columns whose values are numbers or times.
func numeric(cols []column) []column {
	return slices.DeleteFunc(cols, func(c column) bool { return c.Uint == nil || c.Quoted })
}

// SortFields returns all names that a table can be sorted by.
func SortFields() []string {
	var known []string
	for _, k := range ranks {
		known = append(known, k.name)
	}
	return append(known, names(numeric(columns(flow.ToMillis)))...)
}
