package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpand(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"b.pcap", "a.pcap", "c.erf", "[x].pcap", "x.pcap"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join("d", "e.pcap"), nil, 0o600)
	tests := []struct{ patterns, want, wrong string }{
		{"c.erf a.pcap", "c.erf a.pcap", ""},
		{"*.pcap", "[x].pcap a.pcap b.pcap x.pcap", ""},
		{"c.erf [ab].pcap -", "c.erf a.pcap b.pcap -", ""},
		{"[x].pcap", "[x].pcap", ""}, // the file of that name, not x.pcap
		{"a.pcap a.pcap", "a.pcap a.pcap", ""},
		{"*/*.pcap", "d/e.pcap", ""},
		{"a.pcap none b.pcap *.none [", "a.pcap b.pcap", "none|*.none|["},
		{"", "", ""},
	}
	for _, tt := range tests {
		got, err := Expand(strings.Fields(tt.patterns))
		if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", tt.patterns, diff)
		}
		if (err != nil) != (tt.wrong != "") {
			t.Errorf("%s: %v", tt.patterns, err)
		}
		for _, name := range strings.Split(tt.wrong, "|") {
			if err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("%s is not named in: %v", name, err)
			}
		}
	}
}
