// Package text writes flow records for people and scripts: JSON lines, CSV,
// and a table of the largest flows for the terminal. All three are driven by
// the information model (flow.Model) and use its names.
package text

import (
	"cmp"
	"fmt"
	"slices"

	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
)

// column is a field of the model in one direction: a key in JSON, a cell in
// CSV.
type column struct {
	flow.Field
	name  string // Field.Name, or Field.ReverseName
	way   flow.Way
	needs flow.Has // what a record must have for the column not to be empty
	index int      // place in the model's order
}

// columns returns all that text forms can show, in the model's order, each
// reverse field right after its forward twin.
func columns(p flow.Precision) []column {
	var cols []column
	add := func(c column) {
		c.index = len(cols)
		cols = append(cols, c)
	}
	for _, f := range flow.Model(p) {
		if f.Wire {
			continue
		}
		add(column{Field: f, name: f.Name, way: flow.Forward, needs: f.NeedsOf(flow.Forward)})
		if f.TwoWay {
			add(column{Field: f, name: f.ReverseName(), way: flow.Reverse, needs: f.NeedsOf(flow.Reverse)})
		}
	}
	return cols
}

func names(cols []column) []string {
	out := make([]string, len(cols))
	for i := range cols {
		out[i] = cols[i].name
	}
	return out
}

// choose returns the columns of the given names, in their order. A name that
// is unknown or stands twice is an error.
func choose(p flow.Precision, fields []string) ([]column, error) {
	all := columns(p)
	known := names(all)
	chosen := make([]column, 0, len(fields))
	for i, name := range fields {
		at := slices.Index(known, name)
		if at < 0 {
			return nil, unknown(name, known)
		}
		if slices.Contains(fields[:i], name) {
			return nil, fmt.Errorf("field %q stands twice", name)
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

func unknown(name string, known []string) error {
	if near := conf.Nearest(name, known); near != "" {
		return fmt.Errorf("unknown field %q (did you mean %s?)", name, near)
	}
	return fmt.Errorf("unknown field %q", name)
}

// byModel puts columns back into the model's order.
func byModel(cols []column) {
	slices.SortFunc(cols, func(a, b column) int { return cmp.Compare(a.index, b.index) })
}
