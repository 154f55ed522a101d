// Package deploy tests what makes the program a service: unit, packages, alert
// rules, dashboards, and the pages that speak of them.
package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"flowmeter/deploy/grafana"
)

// text reads a file of the project, by its path from the root.
func text(t *testing.T, path string) string {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// decode reads a YAML file of the project.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text(t, path)), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// alert is a rule of alerts.yaml.
type alert struct {
	Alert               string
	Expr                string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	decode(t, "deploy/prometheus/alerts.yaml", &file)
	var all []alert
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("no alerts")
	}
	return all
}

// queries returns every query of every dashboard, with where it stands.
func queries() map[string]string {
	all := map[string]string{}
	for _, d := range grafana.Dashboards() {
		for _, r := range d.Rows {
			for _, p := range r.Panels {
				for _, q := range p.Queries {
					all[q.Expr] = d.Title + ": " + p.Title
				}
			}
		}
	}
	return all
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^a-z0-9 _-]`)
)

// TestRunbooks checks that every alert says how grave it is, and what to do
// under a heading of its own name or that of a milder one.
func TestRunbooks(t *testing.T) {
	page := text(t, "docs/operations.md")
	var anchors []string
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		anchors = append(anchors, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	for _, a := range alerts(t) {
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s has severity %q", a.Alert, a.Labels["severity"])
		}
		if a.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", a.Alert)
		}
		anchor, found := strings.CutPrefix(a.Annotations["runbook"], "docs/operations.md#")
		if !found || !slices.Contains(anchors, anchor) {
			t.Errorf("%s: %s has no such heading", a.Alert, a.Annotations["runbook"])
		}
		if !strings.HasPrefix(strings.ToLower(a.Alert), anchor) || !strings.Contains(page, "`"+a.Alert+"`") {
			t.Errorf("docs/operations.md does not name %s below #%s", a.Alert, anchor)
		}
	}
}

// TestAlertsAreTested checks that promtool's tests have each alert fire, and be
// silent.
func TestAlertsAreTested(t *testing.T) {
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, path := range []string{"deploy/prometheus/alerts_test.yaml", "deploy/prometheus/alerts_week_test.yaml"} {
		var file struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []any `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		decode(t, path, &file)
		for _, test := range file.Tests {
			for _, a := range test.AlertRuleTest {
				fires[a.Alertname] = fires[a.Alertname] || len(a.ExpAlerts) > 0
				silent[a.Alertname] = silent[a.Alertname] || len(a.ExpAlerts) == 0
			}
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: fires in a test: %t, is silent in one: %t", a.Alert, fires[a.Alert], silent[a.Alert])
		}
	}
}

var (
	metric = regexp.MustCompile(`\bmeter_[a-z_]+\b`)
	family = regexp.MustCompile("(?m)^\\| `(meter_[a-z_]+)` \\|")
)

// served returns the names of docs/metrics.md, which a test of cmd/meter makes
// from those of the program.
func served(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, m := range family.FindAllStringSubmatch(text(t, "docs/metrics.md"), -1) {
		names[m[1]] = true
	}
	return names
}

// TestMetricNames checks that alerts and dashboards ask for what is served.
func TestMetricNames(t *testing.T) {
	exprs := queries()
	for _, a := range alerts(t) {
		exprs[a.Expr] = a.Alert
	}
	known, used := served(t), map[string]bool{}
	for expr, place := range exprs {
		names := metric.FindAllString(expr, -1)
		if len(names) == 0 && !strings.HasPrefix(expr, "up{") {
			t.Errorf("%s asks for nothing of ours: %s", place, expr)
		}
		for _, name := range names {
			name = strings.TrimSuffix(name, "_bucket") // of a histogram
			used[name] = true
			if !known[name] {
				t.Errorf("%s: the program serves no %s", place, name)
			}
		}
	}
	t.Logf("%d queries and alerts use %d families: %v", len(exprs), len(used), slices.Sorted(maps.Keys(used)))
}

// TestEveryFamilyIsShown checks that no family is left out of the dashboards.
func TestEveryFamilyIsShown(t *testing.T) {
	var all strings.Builder
	for expr := range queries() {
		all.WriteString(expr + "\n")
	}
	for name := range served(t) {
		if !strings.Contains(all.String(), name) {
			t.Errorf("no dashboard shows %s", name)
		}
	}
}

// recipe is what this test reads of nfpm.yaml.
type recipe struct {
	Contents []struct{ Src, Dst, Type, Packager string }
	Scripts  map[string]string
}

// TestRecipe checks that all that packages hold is there or made by make.
func TestRecipe(t *testing.T) {
	var r recipe
	decode(t, "deploy/nfpm.yaml", &r)
	made := []string{"bin/meter", "dist/meter.1.gz"}
	sources := slices.Collect(maps.Values(r.Scripts))
	for _, c := range r.Contents {
		sources = append(sources, c.Src)
	}
	for _, src := range sources {
		if found, err := filepath.Glob(filepath.Join("..", src)); !slices.Contains(made, src) && (err != nil || len(found) == 0) {
			t.Errorf("nfpm.yaml: there is no %s", src)
		}
	}
}

// TestDockerfile checks what the image is built from and with: files that are
// there, and the Go that go.mod asks for.
func TestDockerfile(t *testing.T) {
	src := text(t, "deploy/Dockerfile")
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(text(t, "go.mod"))[1]
	if !strings.Contains(src, "FROM golang:"+want+" AS build") {
		t.Errorf("go.mod asks for Go %s", want)
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY ((?:[\w./]+ )+)[\w./]+$`).FindAllStringSubmatch(src, -1) {
		for _, path := range strings.Fields(m[1]) {
			if _, err := os.Stat(filepath.Join("..", path)); err != nil {
				t.Error(err)
			}
		}
	}
	if i := strings.LastIndex(src, "\nFROM "); !strings.HasPrefix(src[i:], "\nFROM scratch\n") || !strings.Contains(src[i:], "\nUSER 65532:65532\n") {
		t.Error("the image is to hold the program alone, and not to run as root")
	}
}

// TestUnit checks what no tool knows: that the unit names the files that the
// packages bring, and gives the rights that raw packets take, and no other.
func TestUnit(t *testing.T) {
	unit := text(t, "deploy/systemd/meter.service")
	recipe := text(t, "deploy/nfpm.yaml")
	for _, path := range []string{"/usr/bin/meter", "/etc/meter/config.yaml"} {
		if !strings.Contains(unit, path) || !strings.Contains(recipe, "dst: "+path+"\n") {
			t.Errorf("%s is not in the unit and in the packages", path)
		}
	}
	for _, line := range []string{
		"Type=notify", "DynamicUser=yes", "StateDirectory=meter", "WatchdogSec=30s", "MemoryMax=1G",
		"AmbientCapabilities=CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_RAW",
		"ExecReload=/bin/kill -HUP $MAINPID", "RestartPreventExitStatus=2",
	} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("the unit has no %s", line)
		}
	}
	// Each of these would leave the service without interfaces or without the
	// right to read them.
	for _, line := range []string{"PrivateUsers=yes", "PrivateNetwork=yes"} {
		if strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("%s breaks AF_PACKET", line)
		}
	}
}
