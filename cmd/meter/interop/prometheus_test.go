//go:build integration

package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// service is a running `meter run` whose trace is a pipe.
type service struct {
	*lab.Process
	trace *os.File
	port  int    // of the metrics
	lines string // path of the JSON lines
}

func startService(t *testing.T) *service {
	t.Helper()
	path, trace := fifo(t)
	s := &service{trace: trace, port: lab.FreePort(t, "tcp"), lines: filepath.Join(t.TempDir(), "flows.jsonl")}
	conf := filepath.Join(t.TempDir(), "meter.yaml")
	text := fmt.Sprintf(`meter:
  inputs:
    - traces: [%s]
rulesets:
  - name: conversations
    rules:
      - if: not (ip or ipv6)
        do: ignore
      - do: count
  - name: by-prefix
    rules:
      - if: ip
        save: [src.addr/24, dst.addr/24]
        do: count
exporters:
  - jsonl: {path: %s}
  - prometheus: {listen: "%s"}
`, path, s.lines, lab.Local(s.port))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Process = lab.Start(t, meter, "run", "-c", conf)
	lab.Eventually(t, "metrics are served", func() bool { return strings.Contains(s.Log.String(), "serving metrics") })
	return s
}

func (s *service) get(path string) string {
	s.T.Helper()
	text, err := lab.Get("http://" + lab.Local(s.port) + path)
	if err != nil {
		s.T.Fatal(err)
	}
	return text
}

// metric is a line of the page: name, labels and value.
var (
	metric = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? (\S+)$`)
	label  = regexp.MustCompile(`\w+="(?:[^"\\]|\\.)*"`)
)

// series reads a page of metrics: value by name{labels}.
func series(t *testing.T, page string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, m := range metric.FindAllStringSubmatch(page, -1) {
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		labels := label.FindAllString(m[2], -1)
		slices.Sort(labels)
		all[m[1]+"{"+strings.Join(labels, ",")+"}"] = v
	}
	return all
}

// sum adds up the series whose name{labels} match.
func sum(all map[string]float64, pattern string) (n uint64) {
	re := regexp.MustCompile(pattern)
	for key, v := range all {
		if re.MatchString(key) {
			n += uint64(v)
		}
	}
	return n
}

func TestPrometheus(t *testing.T) {
	s := startService(t)
	trace, err := os.ReadFile(testdata + "office.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	feed(t, s.trace, trace)
	for path, want := range map[string]string{"/-/healthy": "healthy", "/-/ready": "ready", "/": "/metrics"} {
		if text := s.get(path); !strings.Contains(text, want) {
			t.Errorf("%s says %q", path, text)
		}
	}
	page := s.get("/metrics")
	t.Run("promtool", func(t *testing.T) { lab.Promtool(t, page) })
	t.Run("prometheus", func(t *testing.T) { compareScraped(t, s.port, series(t, page)) })

	s.trace.Close() // the trace ends, and with it the run
	if status := s.Wait(); status != 0 {
		t.Errorf("exit status %d\n%s", status, s.Log.String())
	}
	compareBalance(t, series(t, page), s.Out.String(), readRecords(t, s.lines))
}

// compareScraped has a Prometheus scrape the page, and compares every series
// that it then has.
func compareScraped(t *testing.T, from int, want map[string]float64) {
	dir, port := t.TempDir(), lab.FreePort(t, "tcp")
	conf := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs: [{job_name: meter, static_configs: [{targets: [%q]}]}]\n", lab.Local(from))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Start(t, "prometheus", "--config.file="+conf, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+lab.Local(port))
	query := "http://" + lab.Local(port) + "/api/v1/query?query=" + url.QueryEscape(`{__name__=~"meter_.+"}`)
	var got map[string]float64
	lab.Eventually(t, "prometheus has scraped", func() bool {
		answer, err := lab.Get(query)
		if err != nil { // it is still starting
			return false
		}
		got = queried(t, answer)
		return len(got) > 0
	})
	// Those of the process change from scrape to scrape.
	maps.DeleteFunc(want, func(key string, _ float64) bool { return !strings.HasPrefix(key, "meter_") })
	t.Logf("prometheus has %d series of %d", len(got), len(want))
	if !maps.Equal(got, want) {
		t.Errorf("prometheus has\n%v\nthe page\n%v", got, want)
	}
}

// queried reads Prometheus' answer, without the labels that it adds.
func queried(t *testing.T, answer string) map[string]float64 {
	t.Helper()
	var a struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	all := map[string]float64{}
	for _, r := range a.Data.Result {
		var labels []string
		for name, value := range r.Metric {
			if name != "__name__" && name != "job" && name != "instance" {
				labels = append(labels, fmt.Sprintf("%s=%q", name, value))
			}
		}
		slices.Sort(labels)
		text, _ := r.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		all[r.Metric["__name__"]+"{"+strings.Join(labels, ",")+"}"] = v
	}
	return all
}

// compareBalance compares the page, scraped after the last packet, with the
// balance that the program printed at its end and with its records.
func compareBalance(t *testing.T, page map[string]float64, balance string, records []record) {
	t.Helper()
	read := sum(page, "^meter_packets_read_total")
	lost := sum(page, `^meter_decode_packets_total.*outcome="(malformed|unsupported)"`) + sum(page, "^meter_filtered_packets_total")
	for _, set := range []string{"conversations", "by-prefix"} {
		label := fmt.Sprintf(`ruleset="%s"`, set)
		counted := sum(page, "^meter_verdict_packets_total.*"+label+`.*verdict="counted"`)
		if all := sum(page, "^meter_verdict_packets_total.*"+label) + lost; all != read {
			t.Errorf("%s: verdicts sum up to %d, %d were read", set, all, read)
		}
		if n := sum(page, "^meter_traffic_packets_total.*"+label); n != counted {
			t.Errorf("%s: traffic is %d packets, %d were counted", set, n, counted)
		}
		of := slices.DeleteFunc(slices.Clone(records), func(r record) bool { return r["ruleset"] != set })
		total := accountOf(of).total()
		if total.packets+total.reversePackets != counted || total.octets+total.reverseOctets != sum(page, "^meter_traffic_octets_total.*"+label) {
			t.Errorf("%s: records have %+v, the page %d packets", set, total, counted)
		}
		if n := sum(page, "^meter_flows_created_total.*"+label); n != total.flows {
			t.Errorf("%s: %d flows were created, %d records came", set, n, total.flows)
		}
		t.Logf("%s: %d packets, %d octets, %d flows on the page and in the records", set, counted, total.octets+total.reverseOctets, total.flows)
	}
	if n := balanceRow(t, balance, "read"); n != read {
		t.Errorf("the balance has %d packets read, the page %d", n, read)
	}
}
