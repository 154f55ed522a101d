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

// TestReloads: under load, a hundred reloads change one rule set and one
// exporter. No packet is missing in the account, none in the records of the rule
// set that stays, whose flows go on; what is wrong changes nothing.
func TestReloads(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	dir := t.TempDir()
	config, stays := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "stays.jsonl")
	write := func(i int) {
		text := fmt.Sprintf(reloadConfig, stays, filepath.Join(dir, fmt.Sprintf("comes%d.jsonl", i%2)), 20+i%4)
		if i%10 == 9 {
			text += "mistake: 1\n"
		}
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	m := &live{Process: lab.Start(t, meter, "run", "-c", config), file: stays}
	lab.Eventually(t, "the meter reads b0", func() bool { return strings.Contains(m.Log.String(), "interface is read") })
	replayed := make(chan uint64, 1)
	go func() {
		replayed <- lab.Replay(t, "a0", "--pps=8000 --loop=150", "../../../testdata/http-tls.pcap")
	}()
	for i := 1; i <= 100; i++ {
		write(i)
		if err := m.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		lab.Eventually(t, fmt.Sprintf("reload %d", i), func() bool {
			return strings.Count(m.Log.String(), "the configuration was") == i
		})
	}
	sent := <-replayed
	m.stop()
	if n := strings.Count(m.Log.String(), "was not reloaded"); n != 10 {
		t.Errorf("%d of 10 mistakes were refused", n)
	}
	if m.read() != sent || m.cameIn() != sent || m.drops() != 0 {
		t.Errorf("sent %d, came in %d, read %d, dropped %d", sent, m.cameIn(), m.read(), m.drops())
	}
	var kept uint64
	flows := 0
	for _, r := range m.records() {
		if r["ruleset"] == "stays" {
			kept += r.number("packetDeltaCount") + r.number("reversePacketDeltaCount")
			flows++
		}
	}
	_, want, _ := runMeter(t, "read", "-q", "-r", ruleFile(t, dir), "-o", "-", "../../../testdata/http-tls.pcap")
	if unbroken := strings.Count(want, "\n"); kept != sent || flows != unbroken {
		t.Errorf("%d packets in %d flows of the rule set that stays, want %d in %d", kept, flows, sent, unbroken)
	}
	t.Logf("%d packets, 100 reloads, %d flows unbroken", sent, flows)
}

const keptRules = `{name: stays, timeouts: {active: 1h, idle: 1h, tcp_linger: 1h}, rules: [{save: [src.addr, dst.addr], do: count}]}`

const reloadConfig = `
meter: {workers: 2, inputs: [{interface: b0}]}
exporters:
  - jsonl: {path: %s}
  - jsonl: {path: %s}
rulesets:
  - ` + keptRules + `
  - {name: comes, rules: [{if: ip, save: [src.addr/%d], do: count}]}
`

func ruleFile(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "kept.yaml")
	if err := os.WriteFile(path, []byte("rulesets: ["+keptRules+"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
