package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckOfSampling: `check` says how each input is sampled, and refuses what
// a format cannot tell collectors.
func TestCheckOfSampling(t *testing.T) {
	config := filepath.Join(t.TempDir(), "c.yaml")
	const inputs = "meter: {inputs: [{interface: eth0, sample: 100}, {interface: eth1}, {name: rare, interface: eth2, sample: 20000}]}\n"
	for _, c := range []struct {
		exporters string
		args      []string
		status    int
		want      []string
	}{
		{"exporters: [{netflow9: {address: 'c:2055'}}]\n", nil, exitOK,
			[]string{"input eth0: interfaces eth0, 1 frame in 100 at random\n", "input eth1: interfaces eth1\n", "1 frame in 20000 at random\n"}},
		{"exporters: [{netflow9: {address: 'c:2055'}}]\n", []string{"--sample", "7"}, exitOK,
			[]string{"1 frame in 100 at random\n", "input eth1: interfaces eth1, 1 frame in 7 at random\n"}},
		{"exporters: [{netflow5: {address: 'c:2055'}}]\n", nil, exitUsage,
			[]string{"input rare: sample: 20000: exporter netflow5 c:2055 cannot tell collectors of sampling rarer than 1 in 16383: sample more, or export IPFIX or NetFlow v9"}},
	} {
		if err := os.WriteFile(config, []byte(inputs+c.exporters), 0o600); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := meterRun(t, append([]string{"check", "-c", config}, c.args...)...)
		if status != c.status {
			t.Errorf("%s: status %d: %s", c.exporters, status, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stdout+stderr, want) {
				t.Errorf("%s: no %q in %s%s", c.exporters, want, stdout, stderr)
			}
		}
	}
	status, _, stderr := meterRun(t, "read", "--sample", "20000", "-o", "netflow5://127.0.0.1:9", traces+"ssh.pcap")
	if status != exitUsage || !strings.Contains(stderr, "rarer than 1 in 16383") {
		t.Errorf("status %d: %s", status, stderr)
	}
}
