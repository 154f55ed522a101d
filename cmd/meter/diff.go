package main

import (
	"errors"
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

// print says of each input, rule set and exporter what becomes of it, or why a
// reload would be refused.
func (d *difference) print() error {
	keys := restartKeys(fixture{d.before, d.from.web.served, d.from.log}, fixture{d.after, d.to.web.served, d.to.log})
	if onlyTraces(d.before, d.after) {
		keys = append(keys, "traces")
	}
	for _, key := range keys {
		fmt.Fprintf(d.w, "%s: changed, which needs a new start\n", key)
	}
	if keys != nil {
		return errRefused
	}
	d.parts("input", "its flows end", inputTexts(d.before), inputTexts(d.after))
	d.filters()
	d.parts("rule set", "its flows end", ruleSetTexts(d.before, d.before), ruleSetTexts(d.after, d.before))
	d.parts("exporter", "what waits is sent first", exporterTexts(d.from, d.before), exporterTexts(d.to, d.after))
	return nil
}

// errRefused is what a reload that cannot be says.
var errRefused = errors.New("a reload would be refused: nothing would change")

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

// filters names the inputs that go on in another way.
func (d *difference) filters() {
	for i := range d.after.Inputs {
		in := &d.after.Inputs[i]
		for j := range d.before.Inputs {
			if o := &d.before.Inputs[j]; o.Name == in.Name && o.Source == in.Source && o.Text != in.Text {
				fmt.Fprintf(d.w, "input %s: another filter or sampling from one packet to the next\n", in.Name)
			}
		}
	}
}

func inputTexts(s *meter.Settings) (all []part) {
	for i := range s.Inputs {
		all = append(all, part{s.Inputs[i].Name, s.Inputs[i].Source})
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
