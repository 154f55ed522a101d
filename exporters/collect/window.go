package collect

import (
	"strings"
	"time"
)

// window is the time within which all flows of a file lie (RFC 5655 §8.2).
type window struct {
	from, to time.Time
	known    bool
}

// check takes the window from the options record that tells it, and counts the
// flows that lie outside.
func (w *window) check(recs []Record) (outside uint64) {
	for i := range recs {
		r := &recs[i]
		if r.Options {
			w.learn(r)
			continue
		}
		if start, end, timed := span(r, "flowStart", "flowEnd"); w.known && timed && (start.Before(w.from) || end.After(w.to)) {
			outside++
		}
	}
	return outside
}

func (w *window) learn(r *Record) {
	if from, to, timed := span(r, "minFlowStart", "maxFlowEnd"); timed {
		w.from, w.to, w.known = from, to, true
	}
}

// span returns the record's first times whose names begin so; the end is to
// the end of its unit, for a time in seconds has its fraction cut off.
func span(r *Record, start, end string) (from, to time.Time, ok bool) {
	from, _, hasFrom := timeOf(r, start)
	to, unit, hasTo := timeOf(r, end)
	return from, to.Add(unit - 1), hasFrom && hasTo
}

// timeUnits tells the unit of a time by how its element's name ends.
var timeUnits = map[string]time.Duration{
	"Seconds": time.Second, "Milliseconds": time.Millisecond, "Microseconds": time.Microsecond, "Nanoseconds": time.Nanosecond,
}

func timeOf(r *Record, prefix string) (at time.Time, unit time.Duration, ok bool) {
	for _, f := range r.Fields {
		suffix, begins := strings.CutPrefix(f.Name, prefix)
		text, isText := f.Value.(string)
		if unit = timeUnits[suffix]; !begins || !isText || unit == 0 {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		return at, unit, err == nil
	}
	return at, 0, false
}
