package flow

// Selector is a choice of packets before metering, as records and options tell
// it: uniform probabilistic sampling (RFC 5475 §5.2.2.1). Records hold the
// counts of the packets that were chosen; who wants an estimate of all of them
// multiplies by Interval. It is never changed.
type Selector struct {
	Input    string // name of the input
	ID       uint32 // selectorId (IE 302), from 1; another one for each input and Interval
	Interval uint32 // each packet is chosen with probability 1/Interval; 1 for every packet
}

// Probability returns samplingProbability (IE 311).
func (s *Selector) Probability() float64 { return 1 / float64(s.Interval) }

// unsaid is the selector of records that say nothing of sampling.
var unsaid Selector

// selector returns the record's selector; where nothing is said of it, one that
// says nothing.
func (r *Record) selector() *Selector {
	if r.RuleSet.Selector == nil {
		return &unsaid
	}
	return r.RuleSet.Selector
}

// sampling returns the fields of records of sampled inputs, and of all others
// whose records go to the same collectors.
func sampling() []Field {
	return []Field{
		{Name: "selectorId", ID: 302, Type: Unsigned64, Semantics: Identifier, V9: 48, Needs: HasSelector,
			Uint: func(r *Record, _ Way) uint64 { return uint64(r.selector().ID) }},
		{Name: "samplingInterval", ID: 34, Type: Unsigned32, Semantics: Quantity, Units: Packets, Needs: HasSelector,
			Uint: func(r *Record, _ Way) uint64 { return uint64(r.selector().Interval) }},
	}
}
