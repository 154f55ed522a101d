package srl

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/conf"
)

var update = flag.Bool("update", false, "rewrite the expected translations and messages")

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
		t.Errorf("%s\ngot\n%s\nwant\n%s", path, got, want)
	}
}

func programs(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal(pattern, files, err)
	}
	return files
}

// TestTranslations: the YAML beside each program is its translation, with every
// comment of the program, in their order within rules.
func TestTranslations(t *testing.T) {
	for _, path := range append(programs(t, "../../testdata/srl/*.srl"), programs(t, "testdata/good/*.srl")...) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".srl")
		out, err := Translate(filepath.Base(path), name, src)
		if err != nil {
			t.Error(err)
			continue
		}
		golden(t, strings.TrimSuffix(path, ".srl")+".yaml", string(out))
		for line := range strings.Lines(string(src)) {
			if _, text, found := strings.Cut(line, "#"); found && !strings.Contains(string(out), "# "+strings.TrimSpace(text)) && strings.TrimSpace(text) != "" {
				t.Errorf("%s: the comment %q is lost", path, strings.TrimSpace(text))
			}
		}
	}
}

// TestMessages: each file of testdata/bad holds a mistake or several; beside it
// is what is said.
func TestMessages(t *testing.T) {
	for _, path := range programs(t, "testdata/bad/*.srl") {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Translate(filepath.Base(path), "test", src)
		if err == nil {
			t.Errorf("%s: no mistake was found", path)
			continue
		}
		for _, e := range err.(conf.Errors) {
			if e.Line == 0 || e.Col == 0 {
				t.Errorf("%s: no place: %v", path, e)
			}
		}
		golden(t, strings.TrimSuffix(path, ".srl")+".txt", err.Error()+"\n")
	}
}

// TestLargePrograms: long lists, long chains of else if and many subroutines take
// no longer than their length; what defines multiply is refused.
func TestLargePrograms(t *testing.T) {
	var chain, list, doubled strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&chain, "if DestTransAddress == %d save, store FlowKind := %d;\nelse ", i+1, i%255+1)
		fmt.Fprintf(&list, "10.%d.%d.0/%d, ", i/256, i%256, 24+i%2)
	}
	chain.WriteString("ignore; count;")
	doubled.WriteString("define d0 = ;")
	for i := range 60 {
		fmt.Fprintf(&doubled, "define d%d = d%d d%d;", i+1, i, i)
	}
	for _, tt := range []struct{ name, src, want string }{
		{"else if", chain.String(), ""},
		{"list", "if SourcePeerAddress == (" + strings.TrimSuffix(list.String(), ", ") + ") save; count;", ""},
		{"defines", doubled.String() + "d60 count;", "the defines make more than"},
		{"statements", strings.Repeat("save SourcePeerAddress; if SourceTransType == 6 nomatch;\n", 20_000), ""},
		{"braces", strings.Repeat("{", 5000), "nested deeper than"},
		{"parentheses", "if " + strings.Repeat("(", 5000), "nested deeper than"},
	} {
		begin := time.Now()
		_, err := Translate("test.srl", "test", []byte(tt.src))
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%s: took %v", tt.name, took)
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %.300v", tt.name, err)
		}
	}
}

// FuzzTranslate: whatever the text, there is an end, and what is written can be
// read.
func FuzzTranslate(f *testing.F) {
	for _, pattern := range []string{"../../testdata/srl/*.srl", "testdata/*/*.srl"} {
		files, _ := filepath.Glob(pattern)
		for _, path := range files {
			if src, err := os.ReadFile(path); err == nil {
				f.Add(string(src))
			}
		}
	}
	f.Add(newMaker(1).program())
	f.Fuzz(func(t *testing.T, src string) {
		_, err := Translate("f", "f", []byte(src))
		if err != nil && strings.Contains(err.Error(), "f, translated") && !strings.Contains(err.Error(), "more than") && !strings.Contains(err.Error(), "deeper than") {
			t.Errorf("%v\n%s", err, src)
		}
	})
}
