//go:build integration

package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// unitRoot is a root with systemd's own units and the package's.
func unitRoot(t *testing.T, dropIns ...string) root {
	t.Helper()
	lab.Tool(t, "systemd-analyze")
	r := root(t.TempDir())
	for _, dir := range []string{"/usr/lib/systemd", "/usr/bin", "/etc/systemd/system/meter.service.d"} {
		if err := os.MkdirAll(r.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	units := "/usr/lib/systemd/system"
	if _, err := os.Stat(units); err != nil {
		units = "/lib/systemd/system"
	}
	lab.Said(t, "cp", "-a", units, r.path("/usr/lib/systemd/"))
	lab.Said(t, "cp", "-a", string(unpacked(t))+"/.", string(r))
	lab.Said(t, "cp", "/bin/kill", r.path("/usr/bin/kill"))
	if err := os.Symlink("usr/bin", r.path("/bin")); err != nil {
		t.Fatal(err)
	}
	for _, name := range dropIns {
		lab.Said(t, "cp", filepath.Join("systemd/drop-ins", name), r.path("/etc/systemd/system/meter.service.d/"))
	}
	return r
}

var exposure = regexp.MustCompile(`Overall exposure level for meter\.service: ([\d.]+)`)

func exposed(t *testing.T, r root) float64 {
	t.Helper()
	out := lab.Said(t, "systemd-analyze", "security", "--no-pager", "--offline=true", "--root="+string(r), "meter.service")
	m := exposure.FindStringSubmatch(out)
	if m == nil {
		t.Fatal(out)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "✗") {
			t.Log(strings.TrimSpace(line))
		}
	}
	level, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return level
}

func TestUnitIsVerified(t *testing.T) {
	verify := func(r root) string {
		return lab.Said(t, "systemd-analyze", "verify", "--man=no", "--root="+string(r), "meter.service")
	}
	if out := verify(unitRoot(t, "collectors.conf")); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	// This one speaks of what only a newer systemd knows; what it does not know
	// it leaves out.
	out := verify(unitRoot(t, "notify-reload.conf"))
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "notify-reload") && !strings.Contains(line, "ReloadSignal") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}

func TestExposure(t *testing.T) {
	bare := exposed(t, unitRoot(t))
	fenced := exposed(t, unitRoot(t, "collectors.conf"))
	t.Logf("exposure %.1f, with the collectors' addresses %.1f", bare, fenced)
	if bare > 1.6 || fenced >= bare {
		t.Errorf("exposure is %.1f, at most 1.6 is wanted; with the collectors' addresses %.1f, which is to be less", bare, fenced)
	}
	for _, said := range []string{"rates it " + strconv.FormatFloat(bare, 'f', 1, 64), "lowers the rating to " + strconv.FormatFloat(fenced, 'f', 1, 64)} {
		if !strings.Contains(text(t, "docs/operations.md"), said) {
			t.Errorf("docs/operations.md does not say: %s", said)
		}
	}
}
