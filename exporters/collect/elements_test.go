package collect

import (
	"os"
	"strings"
	"testing"

	"flowmeter/meter/flow"
)

// The elements that the manual's table of fields names exist: in IANA's registry
// or in the information model.
func TestElementsOfFields(t *testing.T) {
	known := map[string]bool{}
	for _, e := range iana {
		known[e.name] = true
	}
	for _, f := range flow.Model(flow.ToMillis) {
		known[f.Name] = true
	}
	src, err := os.ReadFile("../../rules/testdata/elements.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(src)) {
		for i, name := range strings.Fields(line) {
			switch {
			case name == "#":
			case i > 0 && line[0] != '#' && !known[name]:
				t.Errorf("no element %s: %s", name, line)
			}
		}
	}
}
