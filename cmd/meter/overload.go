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
// and back.
func (r *service) watchOverload(ctx context.Context) {
	known := overloadLog{}
	for tick := time.Tick(overloadEvery); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			known.tell(r.log, meter.AccountOf(r.meters()).Overloads())
		}
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
		if o.Step == was.Step {
			for step := flow.NumSteps - 1; step > 0; step-- {
				if o.Steps[step] > was.Steps[step] {
					log.Warn("the flow table was nearly full for a moment", "step", step.String(), "steps", o.Steps[step]-was.Steps[step])
					break
				}
			}
			continue
		}
		if o.Step == flow.Normal {
			log.Info(overloadMessages[o.Step])
			continue
		}
		log.Warn(overloadMessages[o.Step], "step", o.Step.String())
	}
}
