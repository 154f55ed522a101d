package ring

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/capture"
)

// TestNames: an interface keeps its number by name, whatever its index.
func TestNames(t *testing.T) {
	asked := 0
	n := names{resolve: func(index int32) (string, uint16) {
		asked++
		if index == 5 {
			return "late0", ethernet
		}
		return "", 0
	}}
	if n.all() != nil {
		t.Error("there is none yet")
	}
	steps := []struct {
		index int32
		name  string
		want  uint32
	}{{2, "eth0", 0}, {3, "eth1", 1}, {9, "eth0", 0}, {3, "eth2", 2}, {3, "eth1", 1}}
	for _, s := range steps {
		if got := n.note(s.index, s.name, ethernet, 96); got != s.want || n.numberOf(s.index) != s.want {
			t.Errorf("%+v: %d", s, got)
		}
	}
	before := n.all()
	for _, s := range []struct {
		index int32
		want  uint32
	}{{5, 3}, {5, 3}, {6, 4}, {6, 4}, {3, 1}} {
		if got := n.numberOf(s.index); got != s.want {
			t.Errorf("index %d: %d", s.index, got)
		}
	}
	if asked != 2 {
		t.Errorf("the system was asked %d times, for two interfaces", asked)
	}
	want := []capture.Interface{
		{Name: "eth0", Index: 9, Link: 1, Snaplen: 96}, {Name: "eth1", Index: 3, Link: 1, Snaplen: 96},
		{Name: "eth2", Index: 3, Link: 1, Snaplen: 96}, {Name: "late0", Index: 5, Link: 1}, {Name: "ifindex6", Index: 6, Link: 113},
	}
	if diff := cmp.Diff(want, n.all()); diff != "" {
		t.Error(diff)
	}
	if len(before) != 3 {
		t.Error("a list that was handed out has changed")
	}
}
