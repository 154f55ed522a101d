package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"flowmeter/exporters"
)

// segment is one file: messages of one run, numbered without gaps unless the
// file is damaged.
type segment struct {
	path       string
	generation uint64
	first      uint64 // number of its first message
	last       uint64 // of its last; first-1 while there is none
	size       int64  // octets up to the end of the last whole message
	written    time.Time
	flows      exporters.Tally
	sent       exporters.Tally // of those, what was sent to the collector
}

// unsent is what of the segment was never sent.
func (g *segment) unsent() exporters.Tally {
	t := g.flows
	t.Records -= g.sent.Records
	t.Packets -= g.sent.Packets
	t.Octets -= g.sent.Octets
	return t
}

// oldest returns about when the first record of the segment that was never sent
// ended: at the earliest when the last one that was sent did.
func (g *segment) oldest() int64 {
	if g.sent.Records > 0 {
		return g.sent.Last
	}
	return g.flows.First
}

// suffix of segments: they are IPFIX files.
const suffix = ".ipfix"

func segmentName(first, generation uint64) string {
	return fmt.Sprintf("%020d-%016x%s", first, generation, suffix)
}

// parseName tells what segmentName wrote.
func parseName(name string) (first, generation uint64, ok bool) {
	n, err := fmt.Sscanf(name, "%020d-%016x", &first, &generation)
	return first, generation, err == nil && n == 2 && name == segmentName(first, generation)
}

// listSegments returns the segments of a directory, oldest first, unread.
func listSegments(dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*segment
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		if first, generation, ok := parseName(e.Name()); ok {
			all = append(all, &segment{path: filepath.Join(dir, e.Name()), generation: generation, first: first, last: first - 1})
		}
	}
	slices.SortFunc(all, func(a, b *segment) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// found is what reading a segment told.
type found struct {
	total uint64 // flow records of the spool up to its last message
	torn  int64  // octets behind the last whole message
	lost  uint64 // flow records of damaged messages before it
}

// load reads a segment, so that what is known of it is true.
func (g *segment) load() (f found, err error) {
	file, err := os.Open(g.path)
	if err != nil {
		return f, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return f, err
	}
	g.written = st.ModTime()
	r := newReader(file)
	known := false
	for {
		m, total, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return f, err
		}
		if known && total >= f.total+m.Flows.Records {
			f.lost += total - f.total - m.Flows.Records
		}
		f.total, known = total, true
		g.size = r.offset
		g.last = max(g.last, m.Number)
		g.flows = sum(g.flows, m.Flows)
	}
	f.torn = st.Size() - g.size
	return f, nil
}

// sum adds two tallies.
func sum(a, b exporters.Tally) exporters.Tally {
	if a.Records == 0 {
		a.First = b.First
	}
	if b.Records > 0 {
		a.Last = b.Last
	}
	a.Records += b.Records
	a.Packets += b.Packets
	a.Octets += b.Octets
	return a
}
