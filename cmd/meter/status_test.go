package main

import (
	"io"
	"log/slog"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// TestStatusOf compares each part of /status with the account it is made from.
func TestStatusOf(t *testing.T) {
	sum := meter.Totals{Read: 10, Octets: 1000, Filtered: 1, RuleSets: make([]flow.Counts, 1)}
	sum.Outcomes[packet.OK], sum.Outcomes[packet.Malformed] = 7, 2
	c := &sum.RuleSets[0]
	c.Verdicts[rules.Counted], c.Verdicts[rules.Ignored], c.Live, c.Created = 5, 2, 3, 4
	c.Ended[flow.EndIdle] = 1
	a := &meter.Account{Inputs: []string{"eth0"}, Totals: []meter.Totals{sum}, RuleSets: []string{"default"}, Sum: sum}
	out := newOutputs(true, slog.New(slog.DiscardHandler))
	sink, err := text.NewJSON(io.Discard, flow.ToMillis, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.add("jsonl", sink)
	st := out.queues[0].Stats()
	st.Sent(3, 300)
	st.Queued.Store(2)
	st.Drop(exporters.QueueFull, exporters.Tally{Records: 1})

	s := statusOf(a, out)
	in, rs, ex := s.Inputs[0], s.RuleSets[0], s.Exporters[0]
	if in.Name != "eth0" || in.Packets != 10 || in.Octets != 1000 || in.Filtered != 1 || in.Decoded["ok"] != 7 || in.Decoded["malformed"] != 2 {
		t.Errorf("input %+v", in)
	}
	if rs.Name != "default" || rs.Flows != 3 || rs.Created != 4 || rs.Ended["idle"] != 1 || rs.Verdicts["counted"] != 5 || rs.Verdicts["ignored"] != 2 {
		t.Errorf("rule set %+v", rs)
	}
	if ex.Name != "jsonl" || !ex.Up || ex.Records != 3 || ex.Octets != 300 || ex.Queued != 2 || ex.Dropped["queue_full"] != 1 {
		t.Errorf("exporter %+v", ex)
	}
	if s.Balance.Packets != 10 || !s.Balance.Closes || s.Balance.Open != "" {
		t.Errorf("balance %+v", s.Balance)
	}
	a.Sum.Read++
	if b := statusOf(a, out).Balance; b.Closes || b.Open == "" {
		t.Errorf("balance %+v of a sum that does not come out", b)
	}
}

// TestDown has an exporter that has had nothing to do, then fails, then works.
func TestDown(t *testing.T) {
	out := newOutputs(true, slog.New(slog.DiscardHandler))
	sink, err := text.NewJSON(io.Discard, flow.ToMillis, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.add("jsonl", sink)
	st := out.queues[0].Stats()
	if d := out.down(); d != nil {
		t.Errorf("at the start: %q", d)
	}
	st.Errors.Add(1)
	if d := out.down(); len(d) != 1 || d[0] != "exporter jsonl: its last attempt failed" {
		t.Errorf("after an error: %q", d)
	}
	st.Sent(1, 100)
	if d := out.down(); d != nil {
		t.Errorf("after that: %q", d)
	}
}
