package main

import (
	"context"
	"log/slog"
	"time"

	"flowmeter/meter"
	"flowmeter/meter/flow"
)

// overloadEvery is how often the tables are looked at for steps of overload.
const overloadEvery = time.Second

// watchOverload logs each step of a rule set towards its standby and overflow,
// and back, until the end of the metering.
func (r *service) watchOverload(ctx context.Context) {
	known := overloadLog{}
	tick := time.NewTicker(overloadEvery)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		account, _ := r.shown()
		known.tell(r.log, account.Overloads())
	}
}

// overloadLog is what was logged last, by rule set.
type overloadLog map[string]meter.Overload

var overloadMessages = [flow.NumSteps]string{
	flow.Normal:    "the flow table has room again",
	flow.OnStandby: "the flow table is nearly full: new flows are the standby's",
	flow.Flooded:   "the flow table is full: new flows are counted in overflow flows, one for each class",
}

// tell logs the steps since it was last called: where each rule set is now, or
// how far it was, if it is where it was.
func (l overloadLog) tell(log *slog.Logger, now []meter.Overload) {
	for _, o := range now {
		was := l[o.RuleSet]
		l[o.RuleSet] = o
		if o.Steps == was.Steps {
			continue
		}
		log := log.With("ruleset", o.RuleSet, "flows", o.Flows, "max_flows", o.MaxFlows, "since", o.Since)
		switch {
		case o.Step == was.Step:
			log.Warn("the flow table was nearly full for a moment", "farthest", farthest(&was, &o).String())
		case o.Step == flow.Normal:
			log.Info(overloadMessages[o.Step], "farthest", farthest(&was, &o).String())
		default:
			log.Warn(overloadMessages[o.Step])
		}
	}
}

// farthest returns how far a rule set gave way between two looks at it.
func farthest(was, now *meter.Overload) flow.Step {
	for step := flow.NumSteps - 1; step > flow.Normal; step-- {
		if now.Steps[step] > was.Steps[step] || was.Step == step {
			return step
		}
	}
	return flow.Normal
}
