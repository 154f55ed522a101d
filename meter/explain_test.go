package meter

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// place is a direction of a record.
type place struct {
	ruleset string
	flow    uint64
	piece   uint32
	way     flow.Way
}

// TestExplainTraces explains every packet of the traces of this repository. What
// it says is what the compiled Program says, and the flows that it names are
// those of the records of a run, packet by packet.
func TestExplainTraces(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*.pcap*")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	open := openAll(withoutTruth(paths))
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, sideBySide+"- {name: inside, decapsulate: innermost, rules: [{if: 'tunnel || outer.tcp', do: count}]}\n")
	programs := map[string]*rules.Program{}
	for _, rs := range cfg.RuleSets {
		programs[rs.Name] = rs.Program
	}
	got, packets := map[place]uint64{}, uint64(0)
	err = Explain(cfg, open, func(err error) { t.Error(err) }, func(x *Explanation) error {
		packets++
		for i := range x.Sets {
			s := &x.Sets[i]
			if err := asProgram(programs[s.RuleSet.Name], x, s); err != nil {
				return err
			}
			if s.Fate.Verdict == rules.Counted {
				got[place{s.RuleSet.Name, s.Flow.FlowID, s.Flow.Piece, s.Way}]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	run := meterAll(t, cfg, open...)
	want := map[place]uint64{}
	for i := range run.records {
		r := &run.records[i]
		for way := range r.Count {
			if n := r.Count[way].Packets; n > 0 {
				want[place{run.rulesets[i], r.FlowID, r.Piece, flow.Way(way)}] += n
			}
		}
	}
	if packets != run.totals.Read || !maps.Equal(got, want) {
		t.Errorf("%d of %d packets; in %d directions of flows, not %d", packets, run.totals.Read, len(got), len(want))
	}
}

// asProgram compares an explanation with what the compiled Program says.
func asProgram(p *rules.Program, x *Explanation, s *Explained) error {
	var want rules.Match
	p.MatchNest(s.Packet, x.Data, s.Nest, &want)
	got := s.Explanation.Match
	got.Constant = want.Constant
	if want.Verdict != rules.Counted {
		got.Key, want.Key = rules.Key{}, rules.Key{}
	}
	if got != want {
		return fmt.Errorf("%s: packet %d: rule set %s: explained %+v, matched %+v", x.Source, x.Number, s.RuleSet.Name, got, want)
	}
	return nil
}

// TestExplainReserves: what a reserve says of a packet stands behind what the
// rule set says that gave it away.
func TestExplainReserves(t *testing.T) {
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, narrow)
	given, reached := map[string]int{}, map[string]int{}
	err := Explain(cfg, []Open{randomTrace(1, 4000).open(100)}, func(err error) { t.Error(err) }, func(x *Explanation) error {
		for i := range x.Sets {
			s := &x.Sets[i]
			if v := s.Fate.Verdict; v == rules.Standby || v == rules.Overflow {
				given[s.RuleSet.Name]++
				if i+1 == len(x.Sets) {
					return fmt.Errorf("%s gave packet %d away, to nobody", s.RuleSet.Name, x.Number)
				}
				reached[x.Sets[i+1].RuleSet.Name]++
			}
		}
		return nil
	})
	if err != nil || given["default"] == 0 || reached["hosts"] != given["default"] || reached["default overflow"] != given["hosts"] || given["hosts"] == 0 {
		t.Error(err, given, reached)
	}
}

// TestExplainEnds: an error of the one who reads ends it, with no more packets.
func TestExplainEnds(t *testing.T) {
	enough := errors.New("enough")
	n := 0
	err := Explain(DefaultConfig(), []Open{randomTrace(1, 400).open(100), randomTrace(2, 400).open(100)}, func(err error) { t.Error(err) }, func(*Explanation) error {
		if n++; n == 70 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 70 {
		t.Error(n, err)
	}
}
