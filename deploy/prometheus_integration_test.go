//go:build integration

package deploy

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAlertRules has promtool look at the rules, and run their tests.
func TestAlertRules(t *testing.T) {
	t.Log(output(t, "promtool", "check", "rules", "prometheus/alerts.yaml"))
	t.Log(output(t, "promtool", "test", "rules", "prometheus/alerts_test.yaml", "prometheus/alerts_week_test.yaml"))
}

// server is a Prometheus that scrapes one meter, as the job meter.
type server struct{ address string }

// startPrometheus starts one that scrapes a target every second, with rules.
func startPrometheus(t *testing.T, target, rules string) *server {
	t.Helper()
	dir, s := t.TempDir(), &server{freeAddress(t)}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := write("prometheus.yml", fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs: [{job_name: meter, static_configs: [{targets: [%q]}]}]
`, write("alerts.yaml", rules), target))
	start(t, tool(t, "prometheus"), "--config.file="+conf, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.address)
	eventually(t, "prometheus scrapes", func() bool {
		up, err := s.query(`up{job="meter"} == 1`)
		return err == nil && len(up) == 1
	})
	return s
}

// ask reads an answer of Prometheus' API.
func (s *server) ask(path string, into any) error {
	text, err := page("http://" + s.address + "/api/v1/" + path)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}

// query returns the value of each series of an expression.
func (s *server) query(expr string) ([]string, error) {
	var data struct{ Result []struct{ Value [2]any } }
	if err := s.ask("query?query="+url.QueryEscape(expr), &data); err != nil {
		return nil, err
	}
	var values []string
	for _, r := range data.Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values, nil
}

// firing returns the names of the alerts that fire, each once.
func (s *server) firing(t *testing.T) []string {
	t.Helper()
	var data struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	if err := s.ask("alerts", &data); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range data.Alerts {
		if a.State == "firing" {
			names = append(names, a.Labels["alertname"])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// evaluates checks that no rule fails.
func (s *server) evaluates(t *testing.T) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	if err := s.ask("rules", &data); err != nil {
		t.Fatal(err)
	}
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
}

// hurried makes seconds of the minutes of the rules, so that a test can wait.
func hurried(rules string) string {
	rules = regexp.MustCompile(`(for: \d+)m\b`).ReplaceAllString(rules, "${1}s")
	return regexp.MustCompile(`\[(\d+)m\]`).ReplaceAllString(rules, "[${1}s]")
}

// filledIn puts values in place of what Grafana does.
func filledIn(expr, ruleset string) string {
	return strings.NewReplacer("$__rate_interval", "5s", "$instance", ".*", "$input", ".*", "$exporter", ".*", "$ruleset", ruleset).Replace(expr)
}

// showDashboards runs every query of every dashboard and returns how many
// series each has. Those of families that are not served yet may have none.
func (s *server) showDashboards(t *testing.T, ruleset string) {
	t.Helper()
	var table strings.Builder
	empty := 0
	for expr, place := range queries() {
		var values []string
		var err error
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && len(values) == 0; time.Sleep(200 * time.Millisecond) {
			if values, err = s.query(filledIn(expr, ruleset)); err != nil {
				t.Errorf("%s: %v", place, err)
				break
			}
			if later(expr) {
				break
			}
		}
		if len(values) == 0 {
			empty++
			if !later(expr) {
				t.Errorf("%s has no data: %s", place, expr)
			}
		}
		if slices.Contains(values, "NaN") {
			t.Errorf("%s is not a number: %s", place, expr)
		}
		fmt.Fprintf(&table, "%4d  %s\n", len(values), place)
	}
	lines := strings.SplitAfter(table.String(), "\n")
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[min(6, len(a)):], b[min(6, len(b)):]) })
	t.Logf("series of each of %d queries; %d have none yet:\n%s", len(queries()), empty, strings.Join(lines, ""))
}

// later tells whether a query asks for a family that is not served yet.
func later(expr string) bool {
	return slices.ContainsFunc(notServedYet(), func(name string) bool { return strings.Contains(expr, name) })
}

// TestWatched has Prometheus scrape the running meter, runs all queries of all
// dashboards, and has alerts fire and clear.
func TestWatched(t *testing.T) {
	needRoot(t) // to read an interface
	feed, listen := newFeed(t, "http-tls.pcap"), freeAddress(t)
	config := configure(t, "watched.yaml", map[string]string{"TRACE": feed.path, "STATE": open(t), "LISTEN": listen})
	meter := start(t, execStart(t, unpacked(t), config)...)
	s := startPrometheus(t, listen, hurried(text(t, "deploy/prometheus/alerts.yaml")))
	time.Sleep(12 * time.Second) // no alert looks back further, but for days
	s.evaluates(t)
	s.showDashboards(t, "default")
	fires(t, s, nil)

	feed.held.Store(true)
	fires(t, s, []string{"MeterNoTraffic"})
	feed.held.Store(false)
	fires(t, s, nil)

	if err := meter.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	fires(t, s, []string{"MeterDown"})
	start(t, meter.Args...)
	fires(t, s, nil)
}

// fires waits until just these alerts fire.
func fires(t *testing.T, s *server, want []string) {
	t.Helper()
	begin := time.Now()
	var got []string
	defer func() { t.Logf("after %v: %v", time.Since(begin).Round(time.Second), got) }()
	eventually(t, fmt.Sprintf("%v fire and no others", want), func() bool {
		got = s.firing(t)
		return slices.Equal(got, want)
	})
}
