package sample

import "flowmeter/meter/flow"

// Sampled has records say that their packets were chosen by s.
func Sampled(records []flow.Record, s *flow.Selector) []flow.Record {
	rs := *RuleSet
	rs.Selector = s
	for i := range records {
		records[i].RuleSet = &rs
		records[i].Has |= flow.HasSelector
	}
	return records
}

// Selectors are those of two inputs, and of the first one after its rate
// changed.
var Selectors = []*flow.Selector{{Input: "a", ID: 1, Interval: 100}, {Input: "b", ID: 2, Interval: 1}, {Input: "a", ID: 3, Interval: 10}}
