package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"flowmeter/meter"
	"flowmeter/rules"
)

// difference is what a reload from one configuration to another would do.
type difference struct {
	w        io.Writer
	before   *meter.Settings
	after    *meter.Settings
	from, to *exporterSection
}

// print says of each input, rule set and exporter what becomes of it.
func (d *difference) print() {
	before := fixture{d.before, d.from.web.served, d.from.log}
	for _, key := range restartKeys(before, fixture{d.after, d.to.web.served, d.to.log}) {
		fmt.Fprintf(d.w, "%s: changed, which needs a new start\n", key)
	}
	if onlyTraces(d.before, d.after) {
		fmt.Fprintln(d.w, "traces are read: which needs a new start")
	}
	d.parts("input", "its flows end", inputTexts(d.before), inputTexts(d.after))
	d.parts("rule set", "its flows end", ruleSetTexts(d.before, d.before), ruleSetTexts(d.after, d.before))
	d.parts("exporter", "what waits is sent first", exporterTexts(d.from, d.before), exporterTexts(d.to, d.after))
}

// part is a named part of a configuration and what tells it from others.
type part struct{ name, text string }

// parts prints what becomes of the parts of one kind.
func (d *difference) parts(kind, end string, before, after []part) {
	for _, p := range after {
		old := slices.IndexFunc(before, func(o part) bool { return o.name == p.name })
		switch {
		case old < 0:
			fmt.Fprintf(d.w, "%s %s: new\n", kind, p.name)
		case before[old].text == p.text:
			fmt.Fprintf(d.w, "%s %s: goes on as it is\n", kind, p.name)
		default:
			fmt.Fprintf(d.w, "%s %s: changed, %s\n", kind, p.name, end)
		}
	}
	for _, p := range before {
		if !slices.ContainsFunc(after, func(o part) bool { return o.name == p.name }) {
			fmt.Fprintf(d.w, "%s %s: gone, %s\n", kind, p.name, end)
		}
	}
}

func inputTexts(s *meter.Settings) (all []part) {
	for i := range s.Inputs {
		all = append(all, part{s.Inputs[i].Name, s.Inputs[i].Text})
	}
	return all
}

// ruleSetTexts tells rule sets apart as a reload does: those of the other
// configuration that are equal to one have the same text.
func ruleSetTexts(s, other *meter.Settings) (all []part) {
	for _, rs := range s.Meter.RuleSets {
		same := slices.IndexFunc(other.Meter.RuleSets, func(o *rules.RuleSet) bool { return rs.Equal(o) })
		all = append(all, part{rs.Name, fmt.Sprint(same)})
	}
	return all
}

// exporterTexts names exporters as metrics do.
func exporterTexts(x *exporterSection, s *meter.Settings) (all []part) {
	out := newOutputs(true, nil)
	out.dry = true
	_ = x.build(out, s) // mistakes have been told
	for _, l := range out.outlets {
		var names []string
		for _, q := range l.queues {
			names = append(names, q.Name())
		}
		all = append(all, part{strings.Join(names, ", "), l.text})
	}
	return all
}
