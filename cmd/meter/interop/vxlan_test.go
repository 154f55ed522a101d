//go:build integration && linux

package interop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"flowmeter/meter/lab"
)

// withinVXLAN counts what a VXLAN carries, by conversation and as a whole.
const withinVXLAN = `
rulesets:
  - name: conversations
    decapsulate: innermost
    timeouts: {idle: 1h, active: 1h}
    rules: [{if: 'vxlan.vni == 77 && ip', do: count}]
  - name: frames
    decapsulate: innermost
    timeouts: {idle: 1h, active: 1h}
    rules: [{if: vxlan.vni == 77, save: [], do: count}]
`

// TestVXLAN sends data over the kernel's VXLAN, whose source port is another for
// each of its conversations and ways: the meter, with two workers, finds the
// conversations, and counts as many frames as the VXLAN device says it sent and
// got.
func TestVXLAN(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Tool(t, "iperf3")
	far := lab.Far(t)
	lab.Offload(t, far, "off")
	file := filepath.Join(t.TempDir(), "within.yaml")
	if err := os.WriteFile(file, []byte(withinVXLAN), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startLive(t, "near", "--rules", file, "--workers", "2")
	for _, end := range []struct{ ip, addr, other string }{
		{"ip", "10.77.0.1", "192.0.2.2"}, {"ip -n " + far, "10.77.0.2", "192.0.2.1"},
	} {
		lab.Run(t, "%s link add vx type vxlan id 77 remote %s dstport 4789", end.ip, end.other)
		lab.Run(t, "%s addr add %s/24 dev vx", end.ip, end.addr)
		lab.Run(t, "%s link set vx gso_max_segs 1 up", end.ip)
	}
	lab.Run(t, "ping -q -c 5 -i 0.1 10.77.0.2")
	server := iperfServer(t, far)
	lab.Output(t, "iperf3", "-J", "-c", "10.77.0.2", "-n", "1000000")
	server.Wait()
	lab.Run(t, "ip link set vx down")
	want := deviceFrames(t, "vx")
	m.stop()
	if m.drops() != 0 {
		t.Fatalf("%d frames dropped", m.drops())
	}
	var pings, connections, frames uint64
	for _, r := range m.records() {
		switch there, back := r.number("packetDeltaCount"), r.number("reversePacketDeltaCount"); {
		case r["ruleset"] == "frames":
			frames += there + back
		case r.number("protocolIdentifier") == 1:
			pings++
			if there != 5 || back != 5 || r["sourceIPv4Address"] != "10.77.0.1" {
				t.Errorf("%d pings, %d answers, from %v", there, back, r["sourceIPv4Address"])
			}
		case r.number("protocolIdentifier") == 6:
			connections++
			if r.number("destinationTransportPort") != 5201 || back == 0 || r.number("flowEndReason") != 3 {
				t.Errorf("a connection %v", r)
			}
		}
	}
	if pings != 1 || connections != 2 || frames != want {
		t.Errorf("%d flows of ICMP, %d of TCP, %d frames; want 1, 2 and %d", pings, connections, frames, want)
	}
	t.Logf("%d frames in the VXLAN", frames)
}

// deviceFrames returns how many frames a device says it sent and got.
func deviceFrames(t *testing.T, name string) uint64 {
	t.Helper()
	var links []struct {
		Stats struct{ Rx, Tx struct{ Packets uint64 } } `json:"stats64"`
	}
	if err := json.Unmarshal([]byte(lab.Run(t, "ip -s -j link show dev %s", name)), &links); err != nil || len(links) != 1 {
		t.Fatalf("%v, %d links", err, len(links))
	}
	return links[0].Stats.Rx.Packets + links[0].Stats.Tx.Packets
}
