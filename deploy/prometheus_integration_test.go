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
	"strconv"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// TestAlertRules has promtool look at the rules, and run their tests.
func TestAlertRules(t *testing.T) {
	t.Log(lab.Said(t, "promtool", "check", "rules", "prometheus/alerts.yaml"))
	t.Log(lab.Said(t, "promtool", "test", "rules", "prometheus/alerts_test.yaml", "prometheus/alerts_week_test.yaml"))
}

// server is a Prometheus that scrapes one meter, as the job meter.
type server struct{ address string }

// startPrometheus starts one that scrapes a target and looks at its rules at
// intervals.
func startPrometheus(t *testing.T, target, rules string, interval time.Duration) *server {
	t.Helper()
	dir, s := t.TempDir(), &server{lab.Local(lab.FreePort(t, "tcp"))}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	conf := write("prometheus.yml", fmt.Sprintf(`global: {scrape_interval: %v, scrape_timeout: %[1]v, evaluation_interval: %[1]v}
rule_files: [%[2]q]
scrape_configs: [{job_name: meter, static_configs: [{targets: [%[3]q]}]}]
`, interval, write("alerts.yaml", rules), target))
	lab.Start(t, "prometheus", "--config.file="+conf, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.address)
	lab.Eventually(t, "prometheus scrapes", func() bool {
		up, err := s.query(`up{job="meter"} == 1`)
		return err == nil && len(up) == 1
	})
	return s
}

// ask reads an answer of Prometheus' API.
func (s *server) ask(path string, into any) error {
	text, err := lab.Get("http://" + s.address + "/api/v1/" + path)
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

// hurried makes less of the minutes of the rules, so that a test can wait.
func hurried(rules string, minute time.Duration) string {
	short := func(m string) string {
		digits := regexp.MustCompile(`\d+`).FindString(m)
		n, _ := strconv.Atoi(digits) // they are digits
		return strings.Replace(m, digits+"m", fmt.Sprintf("%dms", n*int(minute/time.Millisecond)), 1)
	}
	return regexp.MustCompile(`(for: \d+m\b|\[\d+m\])`).ReplaceAllStringFunc(rules, short)
}

// filledIn puts values in place of what Grafana does.
func filledIn(expr, ruleset string) string {
	return strings.NewReplacer("$__rate_interval", "5s", "$instance", ".*", "$input", ".*", "$exporter", ".*", "$ruleset", ruleset).Replace(expr)
}

// showDashboards runs every query of every dashboard and returns how many
// series each has.
func (s *server) showDashboards(t *testing.T, ruleset string) {
	t.Helper()
	var table strings.Builder
	for expr, place := range queries() {
		values, err := s.soon(filledIn(expr, ruleset))
		if err != nil {
			t.Errorf("%s: %v", place, err)
		}
		if len(values) == 0 {
			t.Errorf("%s has no data: %s", place, expr)
		}
		if slices.Contains(values, "NaN") {
			t.Errorf("%s is not a number: %s", place, expr)
		}
		fmt.Fprintf(&table, "%4d  %-50s %s\n", len(values), place, expr)
	}
	lines := strings.SplitAfter(table.String(), "\n")
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[min(6, len(a)):], b[min(6, len(b)):]) })
	t.Logf("series of each of %d queries:\n%s", len(queries()), strings.Join(lines, ""))
}

// soon returns the values of an expression, and waits a while for them.
func (s *server) soon(expr string) (values []string, err error) {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		values, err = s.query(expr)
		if err != nil || len(values) > 0 || time.Now().After(end) {
			return values, err
		}
	}
}

// fires waits until just these alerts fire, and tells the way there.
func fires(t *testing.T, s *server, want []string) {
	t.Helper()
	begin := time.Now()
	var got []string
	var way strings.Builder
	defer func() { t.Logf("waiting for %v:%s", want, way.String()) }()
	lab.Eventually(t, fmt.Sprintf("%v fire and no others", want), func() bool {
		if now := s.firing(t); way.Len() == 0 || !slices.Equal(now, got) {
			got = now
			fmt.Fprintf(&way, " %.1fs %v", time.Since(begin).Seconds(), got)
		}
		return slices.Equal(got, want)
	})
}
