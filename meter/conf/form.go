package conf

import (
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// A Form is what may stand in a place of a file: what was asked for when one
// was read that had something there.
type Form struct {
	Keys     []string // of a mapping that Map reads, sorted
	Pairs    bool     // a mapping whose keys are the user's own names
	List     bool
	Text     bool
	Truth    bool
	Duration bool
	Size     bool
	Percent  bool
	Range    []int64  // of an integer
	Words    []string // one of these
}

// Forms is what was asked for of each value. A Collector that has a map of them
// keeps them while a file is read.
type Forms map[*yaml.Node]*Form

// asked notes what is asked for of a value.
func (v Value) asked(note func(*Form)) {
	if v.C == nil || v.C.Forms == nil || v.Node == nil {
		return
	}
	if v.C.Forms[v.Node] == nil {
		v.C.Forms[v.Node] = &Form{}
	}
	note(v.C.Forms[v.Node])
}

func (v Value) askedKeys(fields Fields) {
	v.asked(func(f *Form) { f.Keys = slices.Sorted(maps.Keys(fields)) })
}
