package meter

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// slowRing gives its batches at the pace of a link that is not very busy.
type slowRing struct{ Ring }

func (r slowRing) Next(wait time.Duration) (*capture.Batch, error) {
	time.Sleep(time.Millisecond)
	return r.Ring.Next(wait)
}

func slow(rings []Ring) []Ring {
	for i := range rings {
		rings[i] = slowRing{rings[i]}
	}
	return rings
}

const (
	kept    = `{name: kept, timeouts: {active: 1h, idle: 1h}, rules: [{if: 'ip or ipv6', save: [dst.port], do: count}]}`
	hosts   = `{name: hosts, timeouts: {active: 1h, idle: 1h}, rules: [{if: 'ip or ipv6', save: [src.addr, dst.addr], do: count}]}`
	changes = `{name: changes, timeouts: {active: 1h, idle: 1h}, rules: [{if: 'ip.src == 10.0.0.%d', do: ignore}, {save: [dst.addr/%d], do: count}]}`
)

// TestReload: while packets come in, rule sets change a hundred times. No
// packet is missed or counted twice in those that stay, their flows go on, and
// what the others had counted is in records.
func TestReload(t *testing.T) {
	for _, workers := range []int{1, 2, 3} {
		tr := steadyTrace(11, 20_000, time.Now(), time.Microsecond)
		config := func(i int) []*rules.RuleSet {
			sets := "rulesets: [" + kept + "," + hosts
			if i%3 != 2 {
				sets = "rulesets: [" + hosts + "," + kept // in another place
			}
			if i%4 != 3 { // sometimes there is none
				sets += "," + fmt.Sprintf(changes, i%20, 8+i%2)
			}
			return ruleSets(t, sets+"]")
		}
		cfg := DefaultConfig()
		cfg.RuleSets, cfg.Workers = config(0), workers
		c := newCollector()
		m := New(cfg, []Exporter{c})
		done := make(chan int)
		go func() {
			n := 0
			for ; n < 100 && m.Totals().Read < 20_000; n++ {
				if err := m.Reload(Change{RuleSets: config(n), Exporters: []Exporter{c}}); err != nil && err != errEnded {
					t.Error(err)
				}
				if total := m.Totals(); total.Check(m.Names()) != nil {
					t.Error(total.Check(m.Names()))
				}
				AccountOf([]*Meter{m})
			}
			done <- n
		}()
		if err := m.RunLive(slow(tr.rings(t, workers)), func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
		n := <-done
		Finish([]Exporter{c}, AccountOf([]*Meter{m}))
		close(c.batches)
		<-c.done
		checkReload(t, c.records, workers, n)
	}
}

// checkReload compares what arrived with a run without any reload.
func checkReload(t *testing.T, records []flow.Record, workers, reloads int) {
	t.Helper()
	tr := steadyTrace(11, 20_000, time.Now(), time.Microsecond)
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, "rulesets: ["+kept+","+hosts+"]")
	plain := meterLive(t, cfg, tr.rings(t, 1), nil)
	packets := func(all []flow.Record, name string) (sum uint64, flows int) {
		for i := range all {
			if all[i].RuleSet.Name == name {
				sum += all[i].Count[0].Packets + all[i].Count[1].Packets
				flows++
			}
		}
		return sum, flows
	}
	for _, name := range []string{"kept", "hosts"} {
		got, flows := packets(records, name)
		want, unbroken := packets(plain.records, name)
		if got != want || flows != unbroken {
			t.Errorf("%d workers, %d reloads, rule set %s: %d packets in %d flows, want %d in %d", workers, reloads, name, got, flows, want, unbroken)
		}
	}
	sum, flows := packets(records, "changes")
	t.Logf("%d workers, %d reloads: %d packets in %d flows of the rule set that changed", workers, reloads, sum, flows)
	if sum == 0 || flows < 2 || reloads < 5 {
		t.Errorf("%d workers: %d reloads, %d packets in %d flows of the rule set that changed", workers, reloads, sum, flows)
	}
}

// TestReloadGoesToNewExporters: what ended before goes to the exporters of
// before, all else to the new ones.
func TestReloadGoesToNewExporters(t *testing.T) {
	tr := steadyTrace(12, 4000, time.Now(), time.Microsecond)
	rings, hold := tr.rings(t, 2), make(chan struct{})
	for _, r := range rings {
		r.(*testRing).hold = hold
	}
	a, b := newCollector(), newCollector()
	cfg := DefaultConfig()
	cfg.RuleSets, cfg.Workers = ruleSets(t, "rulesets: ["+kept+"]"), 2
	m := New(cfg, []Exporter{a})
	go func() {
		defer close(hold)
		for m.Totals().Read < 4000 {
			time.Sleep(time.Millisecond)
		}
		if err := m.Reload(Change{RuleSets: ruleSets(t, "rulesets: ["+hosts+"]"), Exporters: []Exporter{b}}); err != nil {
			t.Error(err)
		}
	}()
	if err := m.RunLive(rings, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	for _, c := range []*collector{a, b} {
		Finish([]Exporter{c}, AccountOf([]*Meter{m}))
		close(c.batches)
		<-c.done
	}
	if len(a.records) == 0 || slices.ContainsFunc(a.records, func(r flow.Record) bool { return r.RuleSet.Name != "kept" || r.EndReason != flow.EndForced }) {
		t.Errorf("%d records of before", len(a.records))
	}
	if len(b.records) != 0 {
		t.Errorf("%d records of packets that there were not", len(b.records))
	}
}

// TestExpireAndFlows: live flows can be shown, which changes nothing, and
// exported at any time.
func TestExpireAndFlows(t *testing.T) {
	tr := steadyTrace(13, 3000, time.Now(), time.Microsecond)
	rings, hold := tr.rings(t, 2), make(chan struct{})
	for _, r := range rings {
		r.(*testRing).hold = hold
	}
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, "rulesets: ["+hosts+"]")
	o := meterLive(t, cfg, rings, func(m *Meter) {
		defer close(hold)
		for m.Totals().Read < 3000 {
			time.Sleep(time.Millisecond)
		}
		var shown, flows uint64
		m.Flows(func(all []flow.Record) {
			for i := range all {
				shown += all[i].Count[0].Packets + all[i].Count[1].Packets
				flows++
			}
		})
		total := m.Totals()
		if c := &total.RuleSets[0]; shown != c.Verdicts[rules.Counted] || flows != c.Live {
			t.Errorf("%d packets in %d flows are shown of %d in %d", shown, flows, c.Verdicts[rules.Counted], c.Live)
		}
		if err := m.Expire(); err != nil {
			t.Error(err)
		}
		if total := m.Totals(); total.RuleSets[0].Live != 0 || total.RuleSets[0].Released != total.RuleSets[0].Verdicts[rules.Counted] {
			t.Errorf("%d flows are left", total.RuleSets[0].Live)
		}
	})
	if len(o.records) == 0 {
		t.Error("no records")
	}
}
