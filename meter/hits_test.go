package meter

import (
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"flowmeter/rules"
)

// TestRuleReports: with any number of workers and any cache, the sums over the
// rules are the verdicts, and each rule decided as many packets as an explanation
// of every packet says.
func TestRuleReports(t *testing.T) {
	paths, _ := filepath.Glob("../testdata/*.pcap*")
	open := openAll(withoutTruth(paths))
	for _, text := range []string{sideBySide, turning} {
		cfg := DefaultConfig()
		cfg.RuleSets = ruleSets(t, text)
		want := explainedHits(t, cfg, open)
		for _, c := range [][2]int{{1, 1 << 17}, {1, 0}, {2, 1}, {4, 1 << 17}} {
			cfg.Workers, cfg.CacheSize = c[0], c[1]
			m := New(cfg, nil)
			if err := m.Run(open, func(err error) { t.Error(err) }); err != nil {
				t.Fatal(err)
			}
			reports := RuleReports(m)
			checkReports(t, m, reports)
			if got := packetsByRule(reports); !reflect.DeepEqual(got, want) {
				t.Errorf("%d workers, cache %d:\n%v\nexplained:\n%v", c[0], c[1], got, want)
			}
		}
	}
}

// turning are rule sets of the five-tuple in which several rules count the packets of one flow.
const turning = `
rulesets:
- name: sides
  orient: first
  rules:
  - {if: 'tcp.flags.fin', do: count}
  - {if: 'src.port < 1024', do: nomatch}
  - {if: 'dst.port == 443', do: count}
  - {if: 'dst.port < 1024', do: count}
  - {if: 'icmp && length > 100', do: ignore}
- name: never
  rules: [{if: 'vlan.outer == 4000', do: count}, {if: icmp, do: nomatch}]
`

// explainedHits counts by the rules that explanations name.
func explainedHits(t *testing.T, cfg Config, open []Open) map[string]uint64 {
	hits := map[string]uint64{}
	err := Explain(cfg, open, func(err error) { t.Error(err) }, func(x *Explanation) error {
		for _, s := range x.Sets {
			for i, pass := range s.Passes {
				name := endOfRules
				if pass.Decided >= 0 {
					name = pass.Tries[pass.Decided].At.Exact()
				}
				if i+1 < len(s.Passes) {
					name += " turned"
				}
				if name != "end turned" {
					hits[s.RuleSet.Name+" "+name]++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

func packetsByRule(reports []RuleReport) map[string]uint64 {
	hits := map[string]uint64{}
	for _, r := range reports {
		for _, c := range r.Rules {
			for name, n := range map[string]uint64{c.Name: c.Packets, c.Name + " turned": c.Turned} {
				if n > 0 {
					hits[r.RuleSet+" "+name] += n
				}
			}
		}
	}
	return hits
}

// checkReports compares the sums over rules with the account.
func checkReports(t *testing.T, m *Meter, reports []RuleReport) {
	t.Helper()
	totals := m.Totals()
	for i, b := range totals.Books(m.Names()) {
		got := map[string][2]uint64{}
		for _, c := range reports[i].Rules {
			got[c.Do] = [2]uint64{got[c.Do][0] + c.Packets, got[c.Do][1] + c.Octets}
		}
		want := map[string][2]uint64{}
		for v := range rules.NumVerdicts {
			do := "count" // and no key, or no room
			switch v {
			case rules.Ignored:
				do = "ignore"
			case rules.NoMatch:
				do = "nomatch"
			}
			want[do] = [2]uint64{want[do][0] + b.Counts.Verdicts[v], want[do][1] + b.Counts.VerdictOctets[v]}
		}
		for do, n := range want {
			if got[do] != n {
				t.Errorf("%s: rules that %s have %v, the verdicts %v", b.Name, do, got[do], n)
			}
		}
	}
}

// TestRuleReportsOfReserves: so are those of rule sets that gave way.
func TestRuleReportsOfReserves(t *testing.T) {
	cfg := DefaultConfig()
	cfg.RuleSets, cfg.Workers = ruleSets(t, narrow), 2
	m := New(cfg, nil)
	if err := m.Run([]Open{randomTrace(1, 4000).open(100)}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	reports := RuleReports(m, m)
	for i := range reports { // of two meters, so all is there twice
		for j := range reports[i].Rules {
			reports[i].Rules[j].Packets /= 2
			reports[i].Rules[j].Octets /= 2
		}
	}
	checkReports(t, m, reports)
}

// TestRuleLabels: no more than mostRules rules of a rule set have a series of
// their own, and the sum is still right.
func TestRuleLabels(t *testing.T) {
	text := "rulesets: [{name: many, rules: ["
	for i := range mostRules + 500 {
		text += fmt.Sprintf("{if: dst.port == %d, do: count}, ", i)
	}
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, text+"{if: udp, do: ignore}]}]")
	m := New(cfg, nil)
	if err := m.Run([]Open{randomTrace(1, 4000).open(100)}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	a := AccountOf([]*Meter{m})
	series, all, other := map[string]bool{}, uint64(0), uint64(0)
	for _, f := range Families() {
		if f.Name == "meter_rule_packets_total" {
			f.Collect(a, func(v uint64, labels ...string) {
				series[labels[1]] = true
				all += v
				if labels[1] == "other" {
					other = v
				}
			})
		}
	}
	if len(series) != mostRules+3 || all != sum(a.Sum.RuleSets[0].Verdicts[:]) || other == 0 || !series["end"] {
		t.Errorf("%d series, %d of %d packets, %d of other", len(series), all, a.Sum.Read, other) // of those read, some are malformed
	}
}

// TestReloadKeepsHits: what a rule decided stays with it over reloads that change
// its rule set, and the counts of a rule never fall.
func TestReloadKeepsHits(t *testing.T) {
	config := func(i int) []*rules.RuleSet {
		return ruleSets(t, fmt.Sprintf(`rulesets: [{name: a, timeouts: {idle: %ds}, rules: [{if: tcp, do: count}, {if: udp, do: ignore}]}, {name: b, rules: [{if: tcp, save: [dst.port], do: count}]}]`, 1+i%9))
	}
	cfg := DefaultConfig()
	cfg.RuleSets, cfg.Workers = config(0), 2
	m := New(cfg, nil)
	done := make(chan int)
	go func() {
		last, n := map[string]uint64{}, 0
		for ; n < 50 && m.Totals().Read < 20_000; n++ {
			if err := m.Reload(Change{RuleSets: config(n)}); err != nil && err != errEnded {
				t.Error(err)
			}
			now := packetsByRule(RuleReports(m))
			for name, was := range last {
				if now[name] < was {
					t.Errorf("%s fell from %d to %d", name, was, now[name])
				}
			}
			last = now
		}
		done <- n
	}()
	if err := m.RunLive(slow(steadyTrace(11, 20_000, time.Now(), time.Microsecond).rings(t, 2)), func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	n := <-done
	sums := map[string]uint64{}
	for _, r := range RuleReports(m) {
		for _, c := range r.Rules {
			sums[r.RuleSet] += c.Packets
		}
	}
	totals := m.Totals()
	want := totals.Read - totals.leftOut()
	if sums["a"] != want || sums["b"] != want || n < 5 {
		t.Errorf("%d reloads: %v, want %d", n, sums, want)
	}
}
