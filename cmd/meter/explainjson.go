package main

import (
	"bufio"
	"encoding/json"

	"flowmeter/exporters/text"
	"flowmeter/meter"
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// explainJSON prints explanations as JSON lines.
type explainJSON struct {
	w  *json.Encoder
	id *text.Identifier
}

func newExplainJSON(w *bufio.Writer) *explainJSON {
	e := &explainJSON{json.NewEncoder(w), text.NewIdentifier()}
	e.w.SetEscapeHTML(false)
	return e
}

// What is printed, in the order of its keys.
type (
	packetJSON struct {
		Trace    string        `json:"trace"`
		Packet   uint64        `json:"packet"`
		Time     string        `json:"time"`
		Octets   uint64        `json:"octets"`
		Decoded  string        `json:"decoded"`
		Left     string        `json:"left,omitempty"`
		RuleSets []ruleSetJSON `json:"rulesets"`
	}
	ruleSetJSON struct {
		RuleSet  string          `json:"ruleset"`
		Passes   []passJSON      `json:"passes"`
		Verdict  string          `json:"verdict"`
		Way      string          `json:"way,omitempty"`
		Evidence string          `json:"evidence,omitempty"`
		Flow     json.RawMessage `json:"flow,omitempty"`
	}
	passJSON struct {
		Seen    string     `json:"seen"`
		Class   string     `json:"class"`
		Rules   []ruleJSON `json:"rules"`
		Verdict string     `json:"verdict"`
		Decided string     `json:"decided"`
		Lacking []string   `json:"lacking,omitempty"`
	}
	ruleJSON struct {
		At    string      `json:"at"`
		Depth int         `json:"depth,omitempty"`
		If    string      `json:"if,omitempty"`
		Tests []testJSON  `json:"tests,omitempty"`
		True  bool        `json:"true"`
		Save  []valueJSON `json:"save,omitempty"`
		Set   []valueJSON `json:"set,omitempty"`
		Asks  []string    `json:"measure,omitempty"`
		Call  string      `json:"call,omitempty"`
		Do    string      `json:"do,omitempty"`
	}
	testJSON struct {
		Field  string   `json:"field"`
		Values []string `json:"values"`
		True   bool     `json:"true"`
	}
	valueJSON struct {
		Name  string  `json:"name"`
		Value *string `json:"value"`
	}
)

func (e *explainJSON) packet(x *meter.Explanation) error {
	p := packetJSON{Trace: x.Source, Packet: x.Number, Time: string(flow.AppendTime(nil, x.Headers.Time, flow.ToNanos)),
		Octets: octetsOf(x.Headers), Decoded: x.Outcome.String(), Left: x.Left, RuleSets: []ruleSetJSON{}}
	for i := range x.Sets {
		p.RuleSets = append(p.RuleSets, e.ruleSet(&x.Sets[i]))
	}
	return e.w.Encode(p)
}

func (e *explainJSON) ruleSet(s *meter.Explained) ruleSetJSON {
	rs := ruleSetJSON{RuleSet: s.RuleSet.Name, Verdict: s.Fate.Verdict.String()}
	for i := range s.Passes {
		rs.Passes = append(rs.Passes, passOf(&s.Passes[i]))
	}
	if s.Fate.Verdict == rules.Counted {
		rs.Way, rs.Evidence = wayNames[s.Way], s.Evidence.String()
		rs.Flow = e.id.Append(nil, &s.Flow)
	}
	return rs
}

func passOf(p *rules.Pass) passJSON {
	out := passJSON{Seen: "wire", Class: p.Class.String(), Rules: []ruleJSON{}, Verdict: p.Verdict.String(), Decided: "end", Lacking: p.Lacking}
	if p.Swapped {
		out.Seen = "swapped"
	}
	if p.Decided >= 0 {
		out.Decided = p.Tries[p.Decided].At.String()
	}
	for i := range p.Tries {
		t := &p.Tries[i]
		r := ruleJSON{At: t.At.String(), Depth: t.Depth, If: t.If, True: t.True, Save: valuesOf(t.Saved), Set: valuesOf(t.Set), Asks: namesOf(t.Asks), Call: t.Calls, Do: t.Does}
		for _, test := range t.Tests {
			r.Tests = append(r.Tests, testJSON{test.Field, append([]string{}, test.Values...), test.True})
		}
		out.Rules = append(out.Rules, r)
	}
	return out
}

func valuesOf(vs []rules.Value) []valueJSON {
	var out []valueJSON
	for _, v := range vs {
		value := &v.Value
		if v.Value == "" {
			value = nil
		}
		out = append(out, valueJSON{v.Name, value})
	}
	return out
}
