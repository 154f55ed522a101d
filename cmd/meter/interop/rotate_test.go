//go:build integration && linux

package interop

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// rotations is how often TestRotate has the files moved away.
const rotations = 12

// TestRotate: under load, logrotate moves the files of every exporter away and
// sends SIGHUP, also while there is a mistake in the configuration. Records go on
// in new files, and in each kind of file are all packets.
func TestRotate(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	logrotate := lab.Tool(t, "logrotate")
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	dir := t.TempDir()
	config := filepath.Join(dir, "c.yaml")
	write := func(more string) {
		if err := os.WriteFile(config, fmt.Appendf(nil, rotatedConfig, dir, dir, dir, more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	m := &live{Process: lab.Start(t, meter, "run", "-c", config, "-o", filepath.Join(dir, "flag.jsonl"))}
	allThere := func() bool { return there(dir, "flows.jsonl", "flows.csv", "flows.ipfix", "flag.jsonl") }
	lab.Eventually(t, "the meter has its files", allThere)
	rules := filepath.Join(dir, "logrotate.conf")
	if err := os.WriteFile(rules, fmt.Appendf(nil, rotation, dir, dir, dir, m.Cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	replayed := make(chan uint64, 1)
	go func() {
		replayed <- lab.Replay(t, "a0", "--pps=8000 --loop=150", "../../../testdata/http-tls.pcap")
	}()
	for i := 1; i <= rotations; i++ {
		write(map[bool]string{true: "mistake: 1\n"}[i%3 == 0])
		lab.Run(t, "%s -f -s %s %s", logrotate, filepath.Join(dir, "state"), rules)
		lab.Eventually(t, fmt.Sprintf("reload %d", i), func() bool {
			return strings.Count(m.Log.String(), "the configuration was") == i && allThere()
		})
	}
	sent := <-replayed
	m.stop()
	if n := strings.Count(m.Log.String(), "was not reloaded"); n != rotations/3 {
		t.Errorf("%d of %d mistakes were refused", n, rotations/3)
	}
	if m.read() != sent || m.drops() != 0 {
		t.Errorf("sent %d, read %d, dropped %d", sent, m.read(), m.drops())
	}
	for name, packets := range map[string]func(*testing.T, string) uint64{
		"flows.jsonl": jsonPackets, "flag.jsonl": jsonPackets, "flows.csv": csvPackets, "flows.ipfix": ipfixPackets,
	} {
		files, _ := filepath.Glob(filepath.Join(dir, name+"*"))
		var sum uint64
		for _, f := range files {
			sum += packets(t, f)
		}
		if sum != sent || len(files) != rotations+1 {
			t.Errorf("%s: %d packets in %d files, %d were sent", name, sum, len(files), sent)
		}
	}
}

// there tells whether all of some files are.
func there(dir string, names ...string) bool {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

const rotatedConfig = `
meter: {inputs: [{interface: b0}]}
exporters:
  - jsonl: {path: %s/flows.jsonl}
  - csv: {path: %s/flows.csv}
  - ipfix: {file: %s/flows.ipfix}
rulesets:
  - {name: all, timeouts: {active: 1s, idle: 1s}, rules: [{do: count}]}
%s`

const rotation = `
%s/*.jsonl %s/*.csv %s/*.ipfix {
	su root root
	rotate 100
	nocreate
	missingok
	sharedscripts
	postrotate
		kill -HUP %d
	endscript
}
`

func jsonPackets(t *testing.T, file string) (sum uint64) {
	t.Helper()
	return packetsOf(readRecords(t, file))
}

func packetsOf(records []record) (sum uint64) {
	for _, r := range records {
		sum += r.number("packetDeltaCount") + r.number("reversePacketDeltaCount")
	}
	return sum
}

// csvPackets also checks that the file has a header at its beginning and nowhere
// else.
func csvPackets(t *testing.T, file string) (sum uint64) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Errorf("%s: %d rows, %v", file, len(rows), err)
		return 0
	}
	for i, name := range rows[0] {
		if name != "packetDeltaCount" && name != "reversePacketDeltaCount" {
			continue
		}
		for _, row := range rows[1:] {
			if row[i] == "" {
				continue
			}
			n, err := strconv.ParseUint(row[i], 10, 64)
			if err != nil {
				t.Errorf("%s: %v", file, err)
			}
			sum += n
		}
	}
	return sum
}

// ipfixPackets also checks that the file explains itself and is whole.
func ipfixPackets(t *testing.T, file string) uint64 {
	t.Helper()
	status, out, told := runMeter(t, "collect", file)
	if status != 0 || !strings.Contains(told, "0 records lost") {
		t.Errorf("%s: status %d, %s", file, status, told)
	}
	return packetsOf(parseRecords(t, out))
}
