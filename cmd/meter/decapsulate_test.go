package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDecapsulateFlag: the flag does what decapsulate: of a rule file does, and
// wins over it.
func TestDecapsulateFlag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "inner.yaml")
	if err := os.WriteFile(file, []byte("rulesets: [{decapsulate: innermost}]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	records := func(args ...string) string {
		status, out, errs := meterRun(t, append(append([]string{"read", "-q", "-o", "-"}, args...), traces+"tunnel.pcap")...)
		if status != exitOK {
			t.Fatalf("%v: status %d: %s", args, status, errs)
		}
		return out
	}
	outer, inner := records(), records("-r", file)
	if outer == inner || strings.Count(inner, "\n") < 10 {
		t.Fatalf("%d and %d octets: the trace tells nothing apart", len(outer), len(inner))
	}
	if got := records("--decapsulate", "innermost"); got != inner {
		t.Errorf("--decapsulate innermost\n%swant\n%s", got, inner)
	}
	if got := records("-r", file, "--decapsulate", "none"); got != outer {
		t.Errorf("--decapsulate none\n%swant\n%s", got, outer)
	}
	const want = "meter: --decapsulate: unknown value \"inner\" (one of: none, innermost)\n"
	if status, _, errs := meterRun(t, "read", "--decapsulate", "inner", traces+"tunnel.pcap"); status != exitUsage || errs != want {
		t.Errorf("status %d: %s", status, errs)
	}
}
