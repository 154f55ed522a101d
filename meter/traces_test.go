package meter

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmeter/meter/capture"
)

// openAll opens the given files one after the other.
func openAll(paths []string) (open []Open) {
	pool := capture.NewPool(capture.DefaultReaderConfig())
	for _, path := range paths {
		open = append(open, func() (Source, error) { return pool.Open(path) })
	}
	return open
}

// meterTraces meters all traces, whole or damaged, as one input, with 1, 2 and 4
// workers and every size of the cache: nothing panics, the balance closes, the
// records are the same.
func meterTraces(t *testing.T, paths []string) *outcome {
	t.Helper()
	cfg := DefaultConfig()
	cfg.RuleSets = append(ruleSets(t, sideBySide), ruleSets(t, within)...)
	first := meterAll(t, cfg, openAll(paths)...)
	for _, c := range [][2]int{{2, 0}, {4, 1}} {
		cfg.Workers, cfg.CacheSize = c[0], c[1]
		first.same(t, meterAll(t, cfg, openAll(paths)...), fmt.Sprintf("%d workers, cache %d", c[0], c[1]))
	}
	return first
}

// TestCapturedTraces meters the traces of this repository.
func TestCapturedTraces(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*.pcap*")
	paths = withoutTruth(paths)
	if err != nil || len(paths) == 0 {
		t.Skip("testdata holds no traces")
	}
	if o := meterTraces(t, paths); len(o.failures) != 0 || len(o.records) == 0 {
		t.Errorf("%d records of %d traces, %q", len(o.records), len(paths), o.failures)
	}
	damaged, _ := filepath.Glob("../testdata/damaged/*")
	o := meterTraces(t, withoutTruth(damaged))
	for _, failure := range o.failures {
		if !strings.HasPrefix(failure, "../testdata/damaged/") {
			t.Errorf("a failure that does not name its file first: %s", failure)
		}
	}
}

func withoutTruth(paths []string) (traces []string) {
	for _, path := range paths {
		if !strings.HasSuffix(path, ".tsv") {
			traces = append(traces, path)
		}
	}
	return traces
}

// TestForeignTraces meters collections of traces that others made, many of
// them to break programs.
func TestForeignTraces(t *testing.T) {
	dir := os.Getenv("METER_TRACES")
	if dir == "" {
		t.Skip("METER_TRACES names no folder of traces")
	}
	folders := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			folder := filepath.Dir(path)
			folders[folder] = append(folders[folder], path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, paths := range folders {
		o := meterTraces(t, paths)
		t.Logf("%s: %d files, %d not read whole, %d packets, %d records, %d steps of the clock",
			filepath.Base(folder), len(paths), len(o.failures), o.totals.Read, len(o.records), o.totals.ClockSteps)
	}
}
