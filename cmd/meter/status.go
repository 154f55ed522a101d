package main

import (
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/web"
	"flowmeter/meter"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// started is when this process began.
var started = time.Now()

// statusOf returns what /status shows of an account and its exporters.
func statusOf(a *meter.Account, out *outputs) web.Status {
	s := web.Status{Started: started.UTC(), Balance: balanceStatus(a)}
	s.Version, _ = buildVersion()
	for i, name := range a.Inputs {
		s.Inputs = append(s.Inputs, inputStatus(name, &a.Totals[i]))
	}
	for _, b := range a.Books {
		s.RuleSets = append(s.RuleSets, ruleSetStatus(&b, a.MaxFlows[b.Name]))
	}
	for _, l := range out.outlets {
		s.Exporters = append(s.Exporters, l.status(web.Running)...)
	}
	for _, l := range out.retired {
		s.Exporters = append(s.Exporters, l.status(web.Draining)...)
	}
	return s
}

func balanceStatus(a *meter.Account) web.BalanceStatus {
	b := web.BalanceStatus{Packets: a.Sum.Read, Closes: true}
	if err := a.Sum.Check(a.RuleSets); err != nil {
		b.Closes, b.Open = false, err.Error()
	}
	return b
}

func inputStatus(name string, t *meter.Totals) web.InputStatus {
	s := web.InputStatus{Name: name, State: web.Running, Packets: t.Read, Octets: t.Octets, Filtered: t.Filtered, Decoded: map[string]uint64{}}
	for o, n := range t.Outcomes {
		s.Decoded[packet.Outcome(o).String()] = n
	}
	return s
}

func ruleSetStatus(b *meter.Book, most uint64) web.RuleSetStatus {
	c := b.Counts
	s := web.RuleSetStatus{Name: b.Name, Flows: c.Live, MaxFlows: int(most), Created: c.Created, Ended: map[string]uint64{}, Verdicts: map[string]uint64{}}
	for r := flow.EndIdle; r < flow.NumEndReasons; r++ {
		s.Ended[r.String()] = c.Ended[r]
	}
	for v, n := range c.Verdicts {
		s.Verdicts[rules.Verdict(v).String()] = n
	}
	if b.Reserves != nil {
		s.Overload = b.Reserves.Step.String()
		s.OverloadSince = timeOf(b.Reserves.Since)
	}
	return s
}

// timeOf is the time of ns since 1970; nil for 0, which is never.
func timeOf(ns int64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := time.Unix(0, ns).UTC()
	return &t
}

// status returns that of exporters that are in the given state unless they have
// not begun, or have ended.
func (l *outlet) status(state web.State) (all []web.ExporterStatus) {
	if l.gone.Load() {
		return nil
	}
	if state == web.Running && !l.begun.Load() {
		state = web.Waiting
	}
	for _, q := range l.queues {
		all = append(all, exporterStatus(q.Name(), state, q.Stats()))
	}
	return all
}

func exporterStatus(name string, state web.State, st *exporters.Stats) web.ExporterStatus {
	s := web.ExporterStatus{
		Name: name, State: state, Up: st.Up.Load(), Records: st.Records.Load(), Octets: st.Octets.Load(), Resent: st.Resent.Load(),
		Dropped: map[string]uint64{}, Queued: uint64(max(0, st.Queued.Load())),
	}
	for r := range exporters.NumReasons {
		s.Dropped[r.String()] = st.Dropped(r)
	}
	s.Spool = spoolStatus(st)
	return s
}

// spoolStatus returns nil where there is no spool.
func spoolStatus(st *exporters.Stats) *web.SpoolStatus {
	limit := st.SpoolLimit.Load()
	if limit == 0 {
		return nil
	}
	s := &web.SpoolStatus{Octets: uint64(max(0, st.SpoolOctets.Load())), Limit: uint64(limit), Records: uint64(max(0, st.SpoolRecords.Load()))}
	if oldest := st.SpoolOldest.Load(); oldest != 0 {
		at := time.Unix(0, oldest).UTC()
		s.Oldest = &at
	}
	return s
}

// down returns a line for each exporter that is not up. Reading traces, one that
// has had nothing to export is not down: it connects when it has.
func (o *outputs) down() []string {
	var lines []string
	for _, q := range o.queues {
		st := q.Stats()
		waits := o.queue.Lossless && st.Errors.Load() == 0
		if !st.Up.Load() && !waits {
			lines = append(lines, "exporter "+q.Name()+" is down")
		}
	}
	return lines
}
