//go:build integration

package ipfix

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
	"flowmeter/meter/lab"
)

// TestSpoolByOthers has ipfixDump and tshark read the files of a spool.
func TestSpoolByOthers(t *testing.T) {
	lab.Tool(t, "ipfixDump")
	_, cfg := newPeer(t, false)
	f := feed(t, cfg)
	f.give(sample.TCP4(3000))
	until(t, "the spool has them", 5*time.Second, func() bool { return f.e.Stats().SpoolRecords.Load() == 3000 })
	f.end()
	files := onDisk(cfg)
	if len(files) != 1 {
		t.Fatalf("%d files", len(files))
	}
	text := lab.Said(t, "ipfixDump", "--rfc5610", "--in", files[0])
	flows := 0
	for line := range strings.Lines(text) {
		if strings.Contains(line, "flowId") && strings.Contains(line, " : ") && !strings.Contains(line, "<") {
			flows++
		}
	}
	if flows != 3000 || !strings.Contains(text, "messageMD5Checksum") || strings.Contains(strings.ToLower(text), "error") {
		t.Errorf("ipfixDump found %d flows of 3000:\n%.3000s", flows, text)
	}
	messages := 0
	for b, _ := os.ReadFile(files[0]); len(b) > 0; messages++ {
		b = b[int(b[2])<<8|int(b[3]):]
	}
	tshark := sample.DissectFile(t, files[0], messages)
	if n := strings.Count(tshark, "FlowId:") + strings.Count(tshark, "Flow Id:"); n < 3000 {
		t.Errorf("tshark found %d flows of 3000", n)
	}
}

// TestMeasuredByOthers has ipfixDump and tshark read distributions: each list
// that ipfixDump prints has the values that were exported.
func TestMeasuredByOthers(t *testing.T) {
	lab.Tool(t, "ipfixDump")
	for name, records := range map[string][]flow.Record{
		"from the first record": sample.Measured(3, 120),
		"after records without": append(sample.TCP4(200), sample.Measured(4, 120)...),
	} {
		t.Run(name, func(t *testing.T) { dumpMeasured(t, records) })
	}
}

func dumpMeasured(t *testing.T, records []flow.Record) {
	cfg := Default()
	octets := exported(t, cfg, records)
	file := filepath.Join(t.TempDir(), "measured.ipfix")
	if err := os.WriteFile(file, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	text := lab.Said(t, "ipfixDump", "--rfc5610", "--in", file)
	var want []string
	for i := range records {
		for _, f := range cfg.selected() {
			for _, w := range []flow.Way{flow.Reverse, flow.Forward} { // in the order of IPFIX
				if f.List == nil || !f.In(&records[i], w) || w == flow.Reverse && !f.TwoWay {
					continue
				}
				name := f.Name
				if w == flow.Reverse {
					name = f.ReverseName()
				}
				want = append(want, fmt.Sprint(name, f.List(&records[i], w)))
			}
		}
	}
	if got := dumpedLists(text); !slices.Equal(got, want) {
		t.Errorf("ipfixDump read %d lists, %d were exported:\ngot  %.900v\nwant %.900v", len(got), len(want), got, want)
	}
	messages := 0
	for b := octets; len(b) > 0; messages++ {
		b = b[int(b[2])<<8|int(b[3]):]
	}
	if dissected := sample.DissectFile(t, file, messages); strings.Count(dissected, "Type 50: Value") == 0 {
		t.Errorf("tshark shows no packetSizeBounds:\n%.3000s", dissected)
	}
	t.Logf("%d lists in %d records", len(want), len(records))
}

var (
	listHeadLine = regexp.MustCompile(`^\(32473/\d+\)\s+(\w+(?:Bounds|Counts)) : *$`)
	listValue    = regexp.MustCompile(`^\d+ *: (\d+)$`)
)

// dumpedLists finds the lists in what ipfixDump prints, each as its name and
// its values.
func dumpedLists(text string) (all []string) {
	name, values, open := "", []string(nil), false
	flush := func() {
		if open {
			all = append(all, fmt.Sprint(name, values))
		}
		open, values = false, nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch head, value := listHeadLine.FindStringSubmatch(line), listValue.FindStringSubmatch(line); {
		case head != nil:
			flush()
			name, open = head[1], true
		case value != nil && open:
			values = append(values, value[1])
		case strings.HasPrefix(line, "(") || strings.HasPrefix(line, "---"):
			flush()
		}
	}
	flush()
	return all
}

// TestLiveDiskFull has a spool on a file system of 700 kB.
func TestLiveDiskFull(t *testing.T) {
	lab.NeedRoot(t)
	_, cfg := newPeer(t, false)
	if err := os.Mkdir(cfg.Spool.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", cfg.Spool.Dir, "tmpfs", 0, "size=700k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(cfg.Spool.Dir, syscall.MNT_DETACH) })
	f := feed(t, cfg)
	f.give(sample.TCP4(60_000))
	f.checkFull(60_000)
}
