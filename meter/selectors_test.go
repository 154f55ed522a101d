package meter

import (
	"testing"
	"time"

	"flowmeter/meter/flow"
)

// TestSelectorTable: an input keeps its number while its rate stays, and never
// gets back one that it had before.
func TestSelectorTable(t *testing.T) {
	var table SelectorTable
	for i, c := range []struct {
		input    string
		sample   int
		id       uint32
		interval uint32
	}{{"a", 100, 1, 100}, {"b", 0, 2, 1}, {"a", 100, 1, 100}, {"b", 1, 2, 1}, {"a", 10, 3, 10}, {"a", 100, 4, 100}} {
		if s := table.Of(c.input, c.sample); s.ID != c.id || s.Interval != c.interval || s.Input != c.input {
			t.Errorf("step %d: %+v", i, s)
		}
	}
}

// TestReloadOfSampling: no record has packets of two rates, each says its own,
// and flows go on where the selector alone is new. What was passed over is not
// told as ignored.
func TestReloadOfSampling(t *testing.T) {
	for _, workers := range []int{1, 2} {
		tr := steadyTrace(21, 12_000, time.Now(), time.Microsecond)
		cfg := DefaultConfig()
		sets := "rulesets: [" + kept + "," + hosts + "]"
		cfg.RuleSets, cfg.Workers, cfg.Input, cfg.Sample = ruleSets(t, sets), workers, "a", 1
		c := newCollector()
		m := New(cfg, []Exporter{c})
		var table SelectorTable
		go func() {
			for i, n := range []int{1, 4, 4} { // 1: the selector alone is new
				for m.Totals().Read < uint64(i+1)*3000 {
					time.Sleep(time.Millisecond)
				}
				if err := m.Reload(Change{RuleSets: ruleSets(t, sets), Sample: n, Selector: table.Of("a", n)}); err != nil {
					t.Error(err)
				}
			}
		}()
		if err := m.RunLive(slow(tr.rings(t, workers)), func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
		Finish([]Exporter{c}, AccountOf([]*Meter{m}))
		close(c.batches)
		<-c.done
		checkSampled(t, c.records, workers)
		total := m.Totals()
		if total.Unsampled == 0 || AccountOf([]*Meter{m}).statistics().IgnoredPackets != total.Ignored || total.Ignored > total.Read-total.Unsampled {
			t.Errorf("%d packets are told as ignored, %d were passed over, of %d", total.Ignored, total.Unsampled, total.Read)
		}
	}
}

// checkSampled: all records say how their packets were chosen, and those of the
// one rate end before those of the other begin.
func checkSampled(t *testing.T, records []flow.Record, workers int) {
	t.Helper()
	flows, packets := map[uint32]int{}, map[uint32]uint64{}
	var lastOfAll, firstOfSampled int64
	for i := range records {
		r := &records[i]
		if r.Has&flow.HasSelector == 0 || r.RuleSet.Selector == nil {
			t.Fatal("a record does not say how its packets were chosen")
		}
		n := r.RuleSet.Selector.Interval
		flows[n]++
		packets[n] += r.Count[0].Packets + r.Count[1].Packets
		switch {
		case n == 1 && r.EndReason != flow.EndForced:
			t.Errorf("a flow of before ended as %v", r.EndReason)
		case n == 1:
			lastOfAll = max(lastOfAll, r.FlowEnd())
		case firstOfSampled == 0 || r.FlowStart() < firstOfSampled:
			firstOfSampled = r.FlowStart()
		}
	}
	if len(flows) != 2 || flows[1] == 0 || flows[4] == 0 || packets[4] >= packets[1] {
		t.Errorf("flows by interval %v, packets %v", flows, packets)
	}
	if workers == 1 && lastOfAll > firstOfSampled {
		t.Error("flows of two rates lie over each other")
	}
}
