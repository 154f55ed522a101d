package exporters

import (
	"slices"
	"testing"

	"flowmeter/meter/flow"
)

// TestSelectors: each is new once. The latest of each input is told again with
// templates, also where records of before come after it.
func TestSelectors(t *testing.T) {
	a, b, slower := &flow.Selector{Input: "a", ID: 1, Interval: 100}, &flow.Selector{Input: "b", ID: 2, Interval: 1}, &flow.Selector{Input: "a", ID: 3, Interval: 1000}
	alike := *a
	var s Selectors
	for i, c := range []struct {
		next  *flow.Selector
		isNew bool
		told  []uint32
	}{
		{nil, false, nil},
		{a, true, []uint32{1}},
		{a, false, []uint32{1}},
		{&alike, false, []uint32{1}},
		{b, true, []uint32{1, 2}},
		{nil, false, []uint32{1, 2}},
		{slower, true, []uint32{3, 2}},
		{a, false, []uint32{3, 2}},
	} {
		isNew := s.New(c.next)
		var told []uint32
		for _, x := range s.All() {
			told = append(told, x.ID)
		}
		if isNew != c.isNew || !slices.Equal(told, c.told) {
			t.Errorf("step %d: new %v, then %v are told again, want %v and %v", i, isNew, told, c.isNew, c.told)
		}
	}
	var late Selectors
	late.New(slower)
	if !late.New(a) || len(late.All()) != 1 || late.All()[0] != slower {
		t.Error("a selector of before, told after the one of now, took its place")
	}
}
