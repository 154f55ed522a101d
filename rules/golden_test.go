package rules

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmeter/meter/conf"
)

var update = flag.Bool("update", false, "rewrite the expected messages in testdata")

// complaints reads a file of rules and returns all that was said of it.
func complaints(t testing.TB, path string) string {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, c := conf.Parse(filepath.Base(path), src)
	if len(c.Errors) == 0 {
		ParseFile(v, DefaultNetworks())
	}
	var b strings.Builder
	if err := c.Err(); err != nil {
		b.WriteString(err.Error() + "\n")
	}
	for _, w := range c.Warnings {
		b.WriteString("warning: " + w.Error() + "\n")
	}
	return b.String()
}

// Each file of testdata/bad holds one mistake (all-at-once several), each of
// testdata/warn something that is hardly meant; beside it is what is said.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files in testdata", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := complaints(t, path)
			bad := filepath.Base(filepath.Dir(path)) == "bad"
			if got == "" || bad == strings.HasPrefix(got, "warning: ") {
				t.Errorf("got %q", got)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", got)
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\ngot  %swant %s", path, got, want)
	}
}
