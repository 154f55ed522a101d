package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"flowmeter/meter/conf"
)

// measured is how a rule set measures a quantity.
type measured struct {
	as      *Distribution
	way     measureWay
	assumed bool // no rule says how
}

// measureWay is what the file says of it.
type measureWay struct {
	log          bool
	lower, upper uint64
	buckets      int
	window       time.Duration
}

// What the limits of buckets are within.
const (
	maxBound  = 1_000_000_000_000 // 1 Tb/s; 11 days in µs
	minWindow = time.Millisecond
	maxWindow = time.Hour
)

// measureDefaults are the examples of RFC 2724; it has none of packet rates.
var measureDefaults = [NumQuantities]measureWay{
	PacketSize:   {false, 25, 1500, 60, 0},
	InterArrival: {true, 1000, 1_800_000, 60, 0},
	Turnaround:   {true, 1000, 1_800_000, 60, 0},
	BitRate:      {true, 1000, 10_000_000, 60, 5 * time.Second},
	PacketRate:   {true, 10, 10_000, 60, 5 * time.Second},
}

// measure reads `measure:`: names of quantities, or mappings of one to how it
// is measured; a list, or one.
func (p *reader) measure(r *rule, v conf.Value) {
	if v.Kind != sequenceNode {
		p.measureOne(r, v)
		return
	}
	v.Each(func(item conf.Value) { p.measureOne(r, item) })
}

func (p *reader) measureOne(r *rule, v conf.Value) {
	if v.Kind == scalarNode {
		p.measureAs(r, Quantity(v.Enum(quantityNames...)), v, conf.Value{})
		return
	}
	fields := conf.Fields{}
	for q, name := range quantityNames {
		fields[name] = func(how conf.Value) { p.measureAs(r, Quantity(q), v, how) }
	}
	v.Map(fields)
}

// measureAs adds a quantity to a rule. How has no Node where only its name
// stands in the file: it is then measured as another rule says, if one does.
func (p *reader) measureAs(r *rule, q Quantity, at, how conf.Value) {
	w, ok := measureDefaults[q], true
	if how.Node != nil {
		at, ok = how, w.read(q, how)
	}
	known := p.names.measured[q]
	switch {
	case !ok:
	case known.as == nil || how.Node != nil && known.assumed:
		p.names.measured[q] = measured{w.distribution(q, at), w, how.Node == nil}
	case how.Node != nil && known.way != w:
		at.Errorf("give the rules one way to measure it, or write two rule sets",
			"%s is measured in another way by a rule before", q)
	}
	r.measures = append(r.measures, q)
}

// read reads how a quantity is measured; false after a mistake.
func (w *measureWay) read(q Quantity, how conf.Value) bool {
	before := len(how.C.Errors)
	limits := func(log bool) func(conf.Value) {
		return func(v conf.Value) { w.log = log; w.lower, w.upper = boundsOf(q, v) }
	}
	fields := conf.Fields{
		"linear":  limits(false),
		"log":     limits(true),
		"buckets": func(v conf.Value) { w.buckets = int(v.Int(2, MaxBuckets)) },
	}
	if w.window != 0 {
		fields["window"] = func(v conf.Value) { w.window = v.Duration(minWindow, maxWindow) }
	}
	how.Map(fields)
	if w.log && w.lower == 0 && len(how.C.Errors) == before {
		how.Errorf("begin with 1 or more, or write linear:", "a logarithmic series cannot begin with 0")
	}
	return len(how.C.Errors) == before
}

// distribution works the bounds out.
func (w *measureWay) distribution(q Quantity, at conf.Value) *Distribution {
	d := newDistribution(q, w.log, w.lower, w.upper, w.buckets, w.window)
	if d == nil {
		at.Errorf("write fewer buckets:, or limits that are farther apart",
			"%d buckets from %d to %d: bounds are whole numbers, and two would be the same", w.buckets, w.lower, w.upper)
	}
	return d
}

// boundsOf reads the limits of the first and the last bucket: a..b.
func boundsOf(q Quantity, v conf.Value) (lower, upper uint64) {
	a, b, ranged := strings.Cut(v.Str(), "..")
	lower, err := boundOf(q, a)
	if err == nil {
		upper, err = boundOf(q, b)
	}
	switch {
	case !ranged || err != nil:
		v.Errorf("write "+boundExamples[q], "%q is no pair of limits", v.Value)
	case lower >= upper:
		v.Errorf("", "the first limit, %s, is not below the last, %s", a, b)
	}
	return lower, upper
}

var boundExamples = [NumQuantities]string{"25..1500", "1ms..1800ms", "1ms..1800ms", "1k..10M", "10..10k"}

var boundUnits = map[byte]uint64{'k': 1e3, 'M': 1e6, 'G': 1e9}

// boundOf reads a limit: a duration of whole microseconds, or a number that k,
// M or G may stand behind.
func boundOf(q Quantity, s string) (uint64, error) {
	s = strings.TrimSpace(s)
	if q == InterArrival || q == Turnaround {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d%time.Microsecond != 0 || d/time.Microsecond > maxBound {
			return 0, fmt.Errorf("%q is no time of whole microseconds", s)
		}
		return uint64(d / time.Microsecond), nil
	}
	unit := uint64(1)
	if s != "" && boundUnits[s[len(s)-1]] != 0 {
		unit, s = boundUnits[s[len(s)-1]], s[:len(s)-1]
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > maxBound/unit {
		return 0, fmt.Errorf("%q is no number up to %d", s, uint64(maxBound))
	}
	return n * unit, nil
}
