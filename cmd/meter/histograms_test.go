package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"flowmeter/exporters"
	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

const histogramFile = `
rulesets:
- name: kinds
  timeouts: {active: 1s}
  rules:
  - {if: 'tcp', set: {kind: connections}, measure: [packet_size, inter_arrival, bit_rate: {linear: 0..50k, buckets: 6, window: 250ms}], do: count}
  - {if: 'udp', set: {kind: 7}, measure: [packet_size, turnaround: {log: 10us..100ms, buckets: 9}], do: count}
  - {set: {kind: rest}, measure: packet_rate, do: count}
- name: plain
  rules: [{measure: [turnaround], do: count}]
- {name: unmeasured}
`

// lineKeeper is an exporter that keeps records as JSON.
type lineKeeper struct {
	json *text.JSON
	t    *testing.T
}

func (j *lineKeeper) Offer(b *flow.Batch) {
	if err := j.json.Export(b); err != nil {
		j.t.Error(err)
	}
	b.Release()
}

// measuredMeter returns a meter that has gone through a trace, and the records
// that it made.
func measuredMeter(t *testing.T) (m *meter.Meter, records []map[string]any) {
	t.Helper()
	s, err := meter.ParseSettings("f", []byte(histogramFile), rules.DefaultNetworks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	j, err := text.NewJSON(&out, flow.ToNanos, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Meter.Workers = 2
	m = meter.New(s.Meter, []meter.Exporter{&lineKeeper{j, t}})
	traces := []string{"../../testdata/office.pcapng", "../../testdata/ssh.pcap", "../../testdata/iperf3.pcap"}
	if err := m.Run(newInputs(traces).open(false), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return m, records
}

func measuredPage(t *testing.T, m *meter.Meter) string {
	t.Helper()
	var page bytes.Buffer
	account := func() (*meter.Account, []*exporters.Queue) { return meter.AccountOf([]*meter.Meter{m}), nil }
	if err := newPage(account, func() (bool, time.Time) { return true, time.Time{} })(&page); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

// TestHistograms reads the page with Prometheus' own parser and compares every
// bucket with the sum of what the records say.
func TestHistograms(t *testing.T) {
	m, records := measuredMeter(t)
	page := measuredPage(t, m)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%v\n%s", err, page)
	}
	seen := 0
	for family, field := range map[string]struct {
		name string
		unit float64 // of a bound
	}{
		"meter_flow_packet_size_octets":    {"packetSize", 1},
		"meter_flow_inter_arrival_seconds": {"interArrivalTime", 1e6},
		"meter_flow_turnaround_seconds":    {"turnaroundTime", 1e6},
		"meter_flow_octets_per_second":     {"bitRate", 8},
		"meter_flow_packets_per_second":    {"packetRate", 1},
	} {
		f := families[family]
		if f == nil || f.GetType().String() != "HISTOGRAM" {
			t.Fatalf("%s is no histogram", family)
		}
		for _, metric := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range metric.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			want := wantHistogram(records, field.name, labels)
			h := metric.GetHistogram()
			total := uint64(0)
			for i, b := range h.GetBucket() {
				bound := math.Inf(1)
				if i < len(want.bounds) {
					bound = want.bounds[i] / field.unit
				}
				total += want.counts[i]
				if b.GetUpperBound() != bound || b.GetCumulativeCount() != total {
					t.Errorf("%s %v: bucket %d up to %v has %d, want %d up to %v", family, labels, i, b.GetUpperBound(), b.GetCumulativeCount(), total, bound)
				}
			}
			if len(h.GetBucket()) != len(want.counts) || h.GetSampleCount() != total {
				t.Errorf("%s %v: %d buckets, %d values, want %d, %d", family, labels, len(h.GetBucket()), h.GetSampleCount(), len(want.counts), total)
			}
			if field.name == "packetSize" && h.GetSampleSum() != want.octets {
				t.Errorf("%s %v: sum %v, want %v", family, labels, h.GetSampleSum(), want.octets)
			}
			if total > 0 {
				seen++
			}
		}
	}
	if seen != 14 {
		t.Errorf("%d histograms have values, want 14: one for each kind, quantity and direction that there is", seen)
	}
	if strings.Contains(page, `le="1e`) || strings.Contains(page, `_bucket{ruleset="unmeasured"`) {
		t.Error("a bound with an exponent, or a rule set that measures nothing")
	}
	lintPage(t, page)
}

type wanted struct {
	bounds []float64
	counts []uint64
	octets float64
}

// wantHistogram adds the lists of the records up.
func wantHistogram(records []map[string]any, name string, labels map[string]string) (w wanted) {
	counts, octets := name+"Counts", "octetDeltaCount"
	if labels["direction"] == "reverse" {
		counts, octets = "reverse"+strings.ToUpper(counts[:1])+counts[1:], "reverseOctetDeltaCount"
	}
	for _, r := range records {
		if r["ruleset"] != labels["ruleset"] || r[name+"Bounds"] == nil {
			continue
		}
		kind := r["flowKindName"]
		if kind == nil {
			kind = ""
			if n, any := r["flowKind"]; any {
				kind = fmt.Sprint(n)
			}
		}
		if w.bounds == nil {
			for _, b := range r[name+"Bounds"].([]any) {
				w.bounds = append(w.bounds, b.(float64))
			}
			w.counts = make([]uint64, len(w.bounds)+1)
		}
		if kind != labels["kind"] || r[counts] == nil {
			continue
		}
		w.octets += r[octets].(float64)
		for i, n := range r[counts].([]any) {
			w.counts[i] += uint64(n.(float64))
		}
	}
	return w
}

// lintPage has promtool look at the page, where there is one.
func lintPage(t *testing.T, page string) {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("no promtool on the PATH")
		return
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
