package main

import (
	"io"
	"log/slog"
	"slices"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/text"
	"flowmeter/exporters/web"
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
	a := &meter.Account{Inputs: []string{"eth0"}, Totals: []meter.Totals{sum}, RuleSets: []string{"default"}, Sum: sum, Books: sum.Books([]string{"default"})}
	out := newOutputs(true, slog.New(slog.DiscardHandler))
	sink, err := text.NewJSON(io.Discard, flow.ToMillis, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.outlet("jsonl", func() error { out.add("jsonl", sink); return nil }); err != nil {
		t.Fatal(err)
	}
	st := out.queues[0].Stats()
	st.Sent(3, 300)
	st.Queued.Store(2)
	st.Drop(exporters.QueueFull, exporters.Tally{Records: 1})
	if e := statusOf(a, out).Exporters[0]; e.Spool != nil {
		t.Errorf("there is no spool: %+v", e.Spool)
	}
	st.SpoolLimit.Store(1 << 20)
	st.SpoolOctets.Store(100)
	st.SpoolRecords.Store(7)
	st.SpoolOldest.Store(1e18)

	s := statusOf(a, out)
	in, rs, ex := s.Inputs[0], s.RuleSets[0], s.Exporters[0]
	if in.Name != "eth0" || in.State != web.Running || in.Packets != 10 || in.Octets != 1000 || in.Filtered != 1 || in.Decoded["ok"] != 7 || in.Decoded["malformed"] != 2 {
		t.Errorf("input %+v", in)
	}
	if rs.Name != "default" || rs.Flows != 3 || rs.Created != 4 || rs.Ended["idle"] != 1 || rs.Verdicts["counted"] != 5 || rs.Verdicts["ignored"] != 2 {
		t.Errorf("rule set %+v", rs)
	}
	if ex.Name != "jsonl" || ex.State != web.Waiting || !ex.Up || ex.Records != 3 || ex.Octets != 300 || ex.Queued != 2 || ex.Dropped["queue_full"] != 1 {
		t.Errorf("exporter %+v", ex)
	}
	if sp := ex.Spool; sp.Octets != 100 || sp.Limit != 1<<20 || sp.Records != 7 || sp.Oldest.UnixNano() != 1e18 {
		t.Errorf("spool %+v", sp)
	}
	if s.Balance.Packets != 10 || !s.Balance.Closes || s.Balance.Open != "" {
		t.Errorf("balance %+v", s.Balance)
	}
	a.Sum.Read++
	if b := statusOf(a, out).Balance; b.Closes || b.Open == "" {
		t.Errorf("balance %+v of a sum that does not come out", b)
	}
}

// TestDown has an exporter that is not open yet, works, fails, and works again.
func TestDown(t *testing.T) {
	out := newOutputs(true, slog.New(slog.DiscardHandler))
	sink, err := text.NewJSON(io.Discard, flow.ToMillis, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.add("jsonl", sink)
	st := out.queues[0].Stats()
	down := func(when string, want ...string) {
		t.Helper()
		if d := out.down(); !slices.Equal(d, want) {
			t.Errorf("%s: %q", when, d)
		}
	}
	down("before it runs", "exporter jsonl is down")
	st.Up.Store(true)
	down("open")
	st.Errors.Add(1)
	st.Up.Store(false)
	down("after an error", "exporter jsonl is down")
	st.Sent(1, 100)
	down("after a record")
}

// TestDownWhileTracesAreRead has an exporter that connects with its first
// record, and so is not down before.
func TestDownWhileTracesAreRead(t *testing.T) {
	out := newOutputs(false, slog.New(slog.DiscardHandler))
	sink, err := text.NewJSON(io.Discard, flow.ToMillis, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.add("jsonl", sink)
	if d := out.down(); d != nil {
		t.Errorf("before the first record: %q", d)
	}
	out.queues[0].Stats().Errors.Add(1)
	if d := out.down(); len(d) != 1 {
		t.Errorf("after an error: %q", d)
	}
}
