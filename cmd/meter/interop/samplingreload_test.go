//go:build integration && linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"flowmeter/meter/lab"
)

// TestSamplingReload: a reload changes the rate of an input. The exporters, which
// stay, tell the new one before the first record of it, and no record is of both.
func TestSamplingReload(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	config, file := filepath.Join(t.TempDir(), "c.yaml"), filepath.Join(t.TempDir(), "flows.jsonl")
	r := &recorder{}
	port := r.open(t, "udp")
	write := func(sample int) {
		text := fmt.Sprintf("meter: {inputs: [{name: a, interface: b0, sample: %d, own_traffic: meter}]}\nexporters:\n  - jsonl: {path: %s}\n  - netflow9: {address: '%s'}\n", sample, file, lab.Local(port))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(4)
	m := &live{Process: lab.Start(t, meter, "run", "-c", config), file: file}
	lab.Eventually(t, "the meter reads b0", func() bool { return strings.Contains(m.Log.String(), "interface is read") })
	lab.Replay(t, "a0", "--pps=20000 --loop=20", "../../../testdata/http-tls.pcap")
	write(1)
	if err := m.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "the reload", func() bool { return strings.Contains(m.Log.String(), "the configuration was") })
	lab.Replay(t, "a0", "--pps=20000 --loop=1", "../../../testdata/http-tls.pcap")
	m.stop()
	flows := map[uint64]int{}
	for _, rec := range m.records() {
		flows[rec.number("samplingInterval")]++
	}
	if flows[4] == 0 || flows[1] == 0 || len(flows) != 2 {
		t.Errorf("flows by samplingInterval: %v\n%s", flows, m.Log.String())
	}
	told(t, "netflow9", r.all(t, "udp", port))
	t.Logf("flows by samplingInterval: %v", flows)
}
