//go:build integration

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"flowmeter/meter/lab"
)

// halfTrace is the beginning of a trace, cut in the middle of a packet.
func halfTrace(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(testdata + "http-tls.pcap")
	if err != nil {
		t.Fatal(err)
	}
	return data[:len(data)/2]
}

// TestSignalWhileReading ends the program in the middle of a trace that does
// not go on: what was metered is exported and accounted for.
func TestSignalWhileReading(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			path, end := fifo(t)
			lines := filepath.Join(t.TempDir(), "flows.jsonl")
			p := lab.Start(t, meter, "read", "-o", lines, path)
			feed(t, end, halfTrace(t))
			p.Signal(sig)
			if status := p.Wait(); status != 128+int(sig) {
				t.Errorf("exit status %d, want %d\n%s", status, 128+int(sig), p.Log.String())
			}
			records := readRecords(t, lines)
			forced := 0
			for _, r := range records {
				if r.number("flowEndReason") == 4 {
					forced++
				}
			}
			total, counted := accountOf(records).total(), balanceRow(t, p.Out.String(), "counted")
			t.Logf("%v: %d records, %d forced out, %d packets; the balance has %d", sig, len(records), forced, total.packets+total.reversePackets, counted)
			if forced == 0 || counted == 0 || total.packets+total.reversePackets != counted {
				t.Errorf("%d records, %d forced out, packets %+v, balance:\n%s", len(records), forced, total, p.Out.String())
			}
		})
	}
}

// TestSignalWhileRunning ends the service: that is no failure.
func TestSignalWhileRunning(t *testing.T) {
	path, end := fifo(t)
	dir := t.TempDir()
	conf, lines := filepath.Join(dir, "meter.yaml"), filepath.Join(dir, "flows.jsonl")
	text := fmt.Sprintf("meter: {inputs: [{traces: [%s]}]}\nexporters: [{jsonl: {path: %s}}]\n", path, lines)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := lab.Start(t, meter, "run", "-c", conf)
	feed(t, end, halfTrace(t))
	p.Signal(syscall.SIGTERM)
	if status := p.Wait(); status != 0 {
		t.Errorf("exit status %d\n%s", status, p.Log.String())
	}
	total, counted := accountOf(readRecords(t, lines)).total(), balanceRow(t, p.Out.String(), "counted")
	if counted == 0 || total.packets+total.reversePackets != counted {
		t.Errorf("records have %+v, the balance %d packets", total, counted)
	}
}
