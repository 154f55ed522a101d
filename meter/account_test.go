package meter

import (
	"fmt"
	"strings"
	"testing"

	"flowmeter/meter/capture/ring"
)

// counters returns the values of all families of one type, by name and labels.
func counters(a *Account, kind string) map[string]uint64 {
	all := map[string]uint64{}
	for _, f := range Families() {
		if f.Type != kind {
			continue
		}
		f.Collect(a, func(v uint64, labels ...string) { all[f.Name+" "+strings.Join(labels, ",")] += v })
	}
	return all
}

// meteredInput meters packets of an input of that name to their end.
func meteredInput(t *testing.T, input, sets string, seed uint64, frames int) *Meter {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Input, cfg.RuleSets = input, ruleSets(t, sets)
	cfg.Capture = func() []ring.InterfaceStats {
		return []ring.InterfaceStats{{Name: "eth0", Packets: uint64(frames), Drops: seed, Freezes: 1}, {Name: fmt.Sprint("eth", seed), Packets: 7}}
	}
	c := newCollector()
	m := New(cfg, []Exporter{c})
	if err := run(m, c, func(err error) { t.Error(err) }, randomTrace(seed, frames).open(32)); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAccountOfEnded: what an input counted that a reload ended is in the counters
// of the one that has its name, and of rule sets also where there is none.
func TestAccountOfEnded(t *testing.T) {
	const sets = "rulesets: [{name: default}, " + hosts + "]"
	first := meteredInput(t, "a", sets, 1, 3000)
	second := meteredInput(t, "a", "rulesets: [{name: default}]", 2, 2000)
	gone := meteredInput(t, "gone", "rulesets: [{name: default}]", 3, 1000)
	all := AccountOf([]*Meter{second}, first.Account(), gone.Account())
	of := func(m *Meter) map[string]uint64 { return counters(AccountOf([]*Meter{m}), "counter") }
	a, b, c := of(first), of(second), of(gone)
	got := counters(all, "counter")
	for name := range b {
		if want := a[name] + b[name] + c[name]; got[name] != want {
			t.Errorf("%s is %d, want %d and %d and %d", name, got[name], a[name], b[name], c[name])
		}
	}
	if len(got) != len(b) {
		t.Errorf("%d counters, want those of the input that runs: %d", len(got), len(b))
	}
	for _, name := range []string{"meter_packets_read_total a", "meter_verdict_packets_total default,counted", "meter_capture_drops_total a,eth0"} {
		if got[name] <= b[name] {
			t.Errorf("%s is %d, and %d without what ended: this tests nothing", name, got[name], b[name])
		}
	}
	if n := counters(all, "gauge")["meter_balance_open_packets default"]; n != 0 {
		t.Errorf("%d packets are in no account", n)
	}
	s, f := all.statistics(), first.Totals()
	f2, f3 := second.Totals(), gone.Totals()
	if s.Packets != f.Read+f2.Read+f3.Read || s.Octets != f.Octets+f2.Octets+f3.Octets {
		t.Errorf("exporters tell of %d packets, %d octets", s.Packets, s.Octets)
	}
	if again := AccountOf([]*Meter{second}); again.Totals[0].Read != f2.Read {
		t.Error("reading the account changes it")
	}
}
