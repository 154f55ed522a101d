package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAgainst: against itself no rule set moves anything; against another, each
// packet is in one row, and the rows of a verdict are what a run says of it.
func TestAgainst(t *testing.T) {
	recipes, _ := filepath.Glob("../../docs/recipes/*.yaml")
	trace := traces + "office.pcapng"
	first := regexp.MustCompile(`^([a-z-]+): (\d+) of (\d+) packets moved`)
	for _, file := range recipes {
		status, stdout, stderr := meterRun(t, "read", "-r", file, "--against", file, trace)
		m := first.FindStringSubmatch(stdout)
		if status != exitOK || stderr != "" || m == nil || m[2] != "0" || m[3] != "387" {
			t.Errorf("%s against itself: status %d: %s%s", file, status, stdout, stderr)
		}
	}
	_, stdout, _ := meterRun(t, "read", "-r", "../../docs/recipes/services.yaml", "--against", "../../docs/recipes/prefixes.yaml", trace)
	for _, line := range []string{
		`services: 385 of 387 packets moved`, `counted, kind web +counted +130`, `counted, kind ssh +counted +211`,
		`counted, kind other +counted +40`, `counted, kind dns +counted +4`, `ignored +the same +2`,
	} {
		if !regexp.MustCompile(`(?m)^ *` + line).MatchString(stdout) {
			t.Errorf("no line %q in\n%s", line, stdout)
		}
	}
	if status, _, stderr := meterRun(t, "read", "-c", "../../config.example.yaml", "--against", "../../docs/recipes/dns.yaml", trace); status != exitUsage || !strings.Contains(stderr, "no rule set has the name") {
		t.Errorf("rule sets of other names: status %d: %s", status, stderr)
	}
}

// TestAgainstInside compares rules of what tunnels carry with rules of the packets
// around it: TCP inside is the same to both, in flows of other keys.
func TestAgainstInside(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	around := write("around.yaml", "rulesets: [{rules: [{if: inner.tcp, set: {kind: carried}, do: count}, {do: ignore}]}]")
	within := write("within.yaml", "rulesets: [{decapsulate: innermost, rules: [{if: tunnel && tcp, set: {kind: carried}, do: count}, {do: ignore}]}]")
	_, summary, _ := meterRun(t, "read", "--top", "0", "--filter", "inner.tcp", traces+"tunnel.pcap")
	m := regexp.MustCompile(`counted +(\d+)`).FindStringSubmatch(summary)
	if m == nil || m[1] == "0" {
		t.Fatalf("no TCP in tunnels:\n%s", summary)
	}
	for _, c := range []struct{ from, to, want string }{
		{around, within, `counted, kind carried +the same, in a flow of another key +` + m[1] + ` `},
		{within, around, `counted, kind carried +the same, in a flow of another key +` + m[1] + ` `},
		{within, within, `counted, kind carried +the same +` + m[1] + ` `},
	} {
		status, stdout, stderr := meterRun(t, "read", "-r", c.from, "--against", c.to, traces+"tunnel.pcap")
		if status != exitOK || stderr != "" || !regexp.MustCompile(c.want).MatchString(stdout) {
			t.Errorf("%s against %s: status %d, want %s: %s%s", c.from, c.to, status, c.want, stdout, stderr)
		}
	}
}
