package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSrl2yaml: what is printed can be read as rules; mistakes have their place,
// and nothing is printed then.
func TestSrl2yaml(t *testing.T) {
	files, err := filepath.Glob(traces + "srl/*.srl")
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	rulesFile := filepath.Join(t.TempDir(), "rules.yaml")
	for _, file := range files {
		status, stdout, stderr := meterRun(t, "srl2yaml", file)
		if status != exitOK || stderr != "" {
			t.Errorf("%s: status %d: %s", file, status, stderr)
		}
		if err := os.WriteFile(rulesFile, []byte(stdout), 0o600); err != nil {
			t.Fatal(err)
		}
		if status, _, stderr := meterRun(t, "check", "-r", rulesFile); status != exitOK || stderr != "" {
			t.Errorf("%s: check: status %d: %s", file, status, stderr)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.srl")
	if err := os.WriteFile(bad, []byte("count\nSAVE SourcePeerAdress;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ file, want string }{{bad, bad + ":2:1: SAVE stands where ; should (statements end with ;)\n"}, {"nowhere.srl", "no such file"}} {
		status, stdout, stderr := meterRun(t, "srl2yaml", tt.file)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: status %d, %q, %q", tt.file, status, stdout, stderr)
		}
	}
}
