package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter"
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

const overloadFile = `
rulesets:
- {name: conversations, max_flows: 10, overload: {high_water: 80%, standby: by-service, flood: 100%}}
- {name: by-service, runs: standby, max_flows: 4, rules: [{save: [dst.addr, proto], do: count}]}
`

// overloaded returns a meter that has gone through a trace with too few flows.
func overloaded(t *testing.T) *meter.Meter {
	t.Helper()
	s, err := meter.ParseSettings("f", []byte(overloadFile), rules.DefaultNetworks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := meter.New(s.Meter, nil)
	if err := m.Run(newInputs([]string{"../../testdata/office.pcapng"}).open(false), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOverloadIsShown(t *testing.T) {
	m := overloaded(t)
	out := newOutputs(true, slog.New(slog.DiscardHandler))
	var page bytes.Buffer
	account := func() (*meter.Account, []*exporters.Queue) { return meter.AccountOf([]*meter.Meter{m}), out.queues }
	if err := newPage(account, func() (bool, time.Time) { return true, time.Time{} })(&page); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`meter_overload_state{ruleset="conversations"} 0`,
		`meter_overload_steps_total{ruleset="conversations",to="standby"} 1`,
		`meter_overload_steps_total{ruleset="conversations",to="flood"} 1`,
		`meter_overload_steps_total{ruleset="conversations",to="normal"} 1`,
		`meter_flows_max{ruleset="conversations"} 10`,
		`meter_flows_max{ruleset="by-service"} 4`,
		`meter_verdict_packets_total{ruleset="conversations",verdict="standby"} 211`,
		`meter_verdict_packets_total{ruleset="by-service",verdict="counted"} 161`,
		`meter_verdict_packets_total{ruleset="by-service",verdict="overflow"} 50`,
		`meter_verdict_packets_total{ruleset="conversations overflow",verdict="counted"} 50`,
		`meter_flows_live{ruleset="conversations overflow"} 0`,
	} {
		if !strings.Contains(page.String(), line+"\n") {
			t.Errorf("the page lacks %s", line)
		}
	}
	if strings.Contains(page.String(), `meter_flows_max{ruleset="conversations overflow"}`) {
		t.Error("an overflow has a most")
	}
	s := statusOf(meter.AccountOf([]*meter.Meter{m}), out)
	if len(s.RuleSets) != 3 || !s.Balance.Closes {
		t.Fatalf("%+v", s)
	}
	own, standby := s.RuleSets[0], s.RuleSets[1]
	if own.Overload != "normal" || own.OverloadSince == nil || own.MaxFlows != 10 || own.Verdicts["standby"] != 211 ||
		standby.Name != "by-service" || standby.Overload != "" || standby.MaxFlows != 4 || standby.Verdicts["counted"] != 161 {
		t.Errorf("%+v\n%+v", own, standby)
	}
}

// TestOverloadIsLoggedOnce for each step, whatever lies between two looks.
func TestOverloadIsLoggedOnce(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	known := overloadLog{}
	at := func(step flow.Step, steps ...uint64) []meter.Overload {
		return []meter.Overload{{RuleSet: "all", Step: step, Steps: [flow.NumSteps]uint64(steps), Since: time.Unix(1, 0), Flows: 9, MaxFlows: 10}}
	}
	for _, c := range []struct {
		now         []meter.Overload
		level, want string // nothing is logged if both are empty
	}{
		{at(flow.Normal, 0, 0, 0), "", ""},
		{at(flow.OnStandby, 0, 1, 0), "WARN", "the standby's"},
		{at(flow.OnStandby, 0, 1, 0), "", ""},
		{at(flow.Flooded, 0, 1, 1), "WARN", "overflow flows"},
		{at(flow.Flooded, 0, 1, 1), "", ""},
		{at(flow.Normal, 1, 2, 1), "INFO", "farthest=flood"},
		{at(flow.Normal, 2, 3, 1), "WARN", "for a moment"},
		{at(flow.Normal, 3, 4, 2), "WARN", "farthest=flood"},
		{nil, "", ""},
	} {
		b.Reset()
		known.tell(log, c.now)
		lines := strings.Count(b.String(), "\n")
		if c.want == "" && lines != 0 || c.want != "" && (lines != 1 || !strings.Contains(b.String(), "level="+c.level) ||
			!strings.Contains(b.String(), c.want) || !strings.Contains(b.String(), "ruleset=all")) {
			t.Errorf("%+v: %q", c.now, b.String())
		}
	}
}

// TestRunLogsOverload has steps that come and go within a run.
func TestRunLogsOverload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(overloadFile+"meter: {inputs: [{traces: ../../testdata/office.pcapng}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := meterRun(t, "run", "-c", file, "--log.format=text")
	if status != 0 || strings.Count(stderr, "ruleset=conversations") != 1 || !strings.Contains(stderr, "farthest=flood") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	if !strings.Contains(stdout, "conversations overflow: 2 flows") {
		t.Error(stdout)
	}
}

// TestFlagsReachReserves: those that speak of all rule sets speak of standbys,
// too, and an overflow has the timeouts of its rule set.
func TestFlagsReachReserves(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(overloadFile), 0o600); err != nil {
		t.Fatal(err)
	}
	idle, most := 7*time.Second, 33
	f := meterFlags{Config: file, Idle: &idle, MaxFlows: &most, Orient: "perimeter"}
	s, err := f.settings(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := s.Meter.RuleSets[0].Overload
	if o.Standby.Idle != idle || o.Standby.MaxFlows != most || o.Standby.Orient != rules.Perimeter {
		t.Errorf("standby %+v", o.Standby)
	}
	if o.Overflow.Idle != idle || o.Overflow.MaxFlows == most || o.Overflow.Orient != rules.First {
		t.Errorf("overflow %+v", o.Overflow)
	}
}
