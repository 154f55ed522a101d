//go:build integration

package differential

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// TestTshark meters every trace of testdata and, if it is set, of the folder
// METER_TRACES, and compares packets and octets of all conversations with what
// tshark's fields add up to. Nothing is allowed to differ but by a rule.
// METER_TRACES_FILTER, a regular expression, picks some of the traces.
func TestTshark(t *testing.T) {
	ts := newTshark(t)
	paths := traces(t)
	results := make([]result, len(paths))
	work := make(chan int)
	var workers sync.WaitGroup
	for range 2 { // more would not be faster on two cores
		workers.Go(func() {
			for i := range work {
				results[i] = ts.compare(t, paths[i])
			}
		})
	}
	for i := range paths {
		work <- i
	}
	close(work)
	workers.Wait()
	t.Log(ts.version())
	report(t, results)
}

// traces returns the files to be compared.
func traces(t *testing.T) (paths []string) {
	t.Helper()
	wanted, err := regexp.Compile(os.Getenv("METER_TRACES_FILTER"))
	if err != nil {
		t.Fatal(err)
	}
	roots := []string{testdata}
	if dir := os.Getenv("METER_TRACES"); dir != "" {
		roots = append(roots, dir)
	} else {
		t.Log("METER_TRACES names no folder: only testdata is compared")
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && wanted.MatchString(path) && !slices.Contains(noTraces, filepath.Ext(path)) {
				paths = append(paths, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// noTraces are the kinds of files that stand beside traces.
var noTraces = []string{".md", ".sh", ".awk", ".tsv", ".txt"}

// result is what the comparison of one trace gave.
type result struct {
	compared      bool
	packets       uint64
	conversations int
	applied       map[string]int // packets, or this trace, by rule
	differences   []string       // that no rule explains
}

func (res *result) differs(format string, args ...any) {
	res.differences = append(res.differences, fmt.Sprintf(format, args...))
}

// compare compares one trace.
func (ts tshark) compare(t *testing.T, path string) (res result) {
	got := measure(t, path, forever, nil)
	want, err := ts.dissect(path)
	if err != nil {
		res.differs("%s: %v", path, err)
		return res
	}
	res.applied = map[string]int{}
	for _, rule := range traceRules {
		if !rule.applies(path, &got, &want) {
			continue
		}
		res.applied[rule.name]++
		if rule.again == nil {
			return res
		}
		if want, err = rule.again(ts, path); err != nil {
			res.differs("%s: %v", path, err)
			return res
		}
	}
	res.compareTrace(path, &got, &want)
	return res
}

// compareTrace compares what both sides have read of a trace.
func (res *result) compareTrace(path string, got *metered, want *dissection) {
	x := addUp(path, want.rows)
	res.compared, res.packets, res.conversations = true, got.totals.Read, len(x.sums)
	for name, n := range x.applied {
		res.applied[name] += n
	}
	if want.whole() != (got.failed == nil) {
		res.differs("%s: %v; tshark says %q", path, got.failed, want.complaint)
	}
	if got.totals.Read != x.packets {
		res.differs("%s: %d packets, tshark has %d", path, got.totals.Read, x.packets)
	}
	for _, c := range differences(got.sums, x.sums) {
		frames := x.frames[c]
		res.differs("%s: %v: %v, tshark has %v (frames %v)", path, c, got.sums[c], x.sums[c], frames[:min(len(frames), 10)])
	}
}

// ruleNames returns those of all rules.
func ruleNames() (names []string) {
	for _, rule := range ruleBook {
		names = append(names, rule.name)
	}
	for _, rule := range traceRules {
		names = append(names, rule.name)
	}
	return append(names, noPacket)
}

// report fails for every difference without a rule and prints the table.
func report(t *testing.T, results []result) {
	var traces, conversations int
	var packets uint64
	packetsBy, tracesBy := map[string]int{}, map[string]int{}
	for _, name := range ruleNames() {
		packetsBy[name] = 0 // a rule that nothing needs is to be seen
	}
	for _, res := range results {
		for _, d := range res.differences {
			t.Error(d)
		}
		if res.compared {
			traces++
		}
		packets += res.packets
		conversations += res.conversations
		for name, n := range res.applied {
			packetsBy[name] += n
			tracesBy[name]++
		}
	}
	t.Logf("%d traces compared, %d packets, %d conversations; differences by rule:", traces, packets, conversations)
	for _, name := range slices.Sorted(maps.Keys(packetsBy)) {
		t.Logf("%6d in %3d traces: %s", packetsBy[name], tracesBy[name], name)
	}
}
