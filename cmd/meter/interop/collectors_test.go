//go:build integration

package interop

import (
	"os/exec"
	"path/filepath"
	"testing"

	"flowmeter/meter/lab"
)

// watcher is somebody who gets the records of a run.
type watcher struct {
	name  string
	where string // as --output has it
	end   func() // asks it to end once it has taken everything; nil if it need not be asked
	check func(t *testing.T, trace string, truth []record)
}

// watch starts a collector. Where its tool is missing, the check says so.
func watch(t *testing.T, needs string, start func() watcher) watcher {
	t.Helper()
	if _, err := exec.LookPath(needs); err != nil {
		return watcher{name: needs, check: func(t *testing.T, _ string, _ []record) { lab.Tool(t, needs) }}
	}
	return start()
}

// watchers starts everybody who understands what a run with the given biflow
// exports.
func watchers(t *testing.T, biflow string, strange bool) []watcher {
	all := []watcher{
		nfcapd(t, "ipfix", biflow), nfcapd(t, "netflow9", biflow),
		collector(t, "ipfix", biflow), collector(t, "ipfix+tcp", biflow), collector(t, "netflow9", biflow),
		ipfixFile(t, biflow),
	}
	all = append(all, wire(t, "ipfix", biflow)...)
	all = append(all, wire(t, "ipfix+tcp", biflow)...)
	all = append(all, wire(t, "netflow9", biflow)...)
	if biflow == "pair" { // nfacctd takes no notice of reverse fields
		return all
	}
	all = append(all, wire(t, "netflow5", biflow)...)
	all = append(all, nfcapd(t, "netflow5", biflow), collector(t, "netflow5", biflow))
	if strange { // nfacctd shows times beyond those of most traces as none
		return all
	}
	return append(all, nfacctd(t, "ipfix"), nfacctd(t, "netflow9"), nfacctd(t, "netflow5"))
}

// TestCollectors runs the program over traces, with all collectors at once, and
// compares what each got with the JSON lines of the run.
func TestCollectors(t *testing.T) {
	for _, trace := range traces(t) {
		for _, biflow := range []string{"pair", "split"} {
			t.Run(trace.name+"/"+biflow, func(t *testing.T) {
				all := watchers(t, biflow, trace.strange)
				lines := filepath.Join(t.TempDir(), "truth.jsonl")
				args := append([]string{"read", "-q", "--top", "0", "--biflow", biflow, "-o", lines}, trace.flags...)
				for _, w := range all {
					if w.where != "" {
						args = append(args, "-o", w.where)
					}
				}
				if status, _, stderr := runMeter(t, append(args, trace.path)...); status > trace.status {
					t.Fatalf("exit status %d: %s", status, stderr)
				}
				truth := readRecords(t, lines)
				for _, w := range all {
					if w.end != nil {
						w.end()
					}
				}
				for _, w := range all {
					t.Run(w.name, func(t *testing.T) { w.check(t, trace.name, truth) })
				}
			})
		}
	}
}
