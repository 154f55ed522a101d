//go:build integration && linux

package interop

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// TestOffload sends data with iperf3 between two namespaces, with segmentation
// and reassembly left to the devices and without: the meter counts the segments
// that the kernels say they sent, and the data that iperf3 says arrived, though
// it sees frames of up to 64 KiB.
func TestOffload(t *testing.T) {
	lab.Tool(t, "iperf3")
	lab.Tool(t, "ethtool")
	if !lab.Isolated(t) {
		return
	}
	far := lab.Far(t)
	for _, mode := range []string{"on", "off"} {
		lab.Offload(t, far, mode)
		t.Run("offload="+mode, func(t *testing.T) { iperf(t, far, mode) })
	}
}

func iperf(t *testing.T, far, mode string) {
	const data = 30 << 20
	server := iperfServer(t, far)
	m := startLive(t, "near", "--idle", "1h", "--workers", "2", "--filter", "tcp")
	near0, far0, again0 := segments(t, ""), segments(t, far), again(t)
	var said struct {
		End struct {
			Sent     struct{ Bytes uint64 } `json:"sum_sent"`
			Received struct{ Bytes uint64 } `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(lab.Output(t, "iperf3", "-J", "-c", "192.0.2.2", "-n", strconv.Itoa(data))), &said); err != nil {
		t.Fatal(err)
	}
	server.Wait()
	near1, far1 := segments(t, ""), segments(t, far)
	m.stop()
	if m.drops() != 0 {
		t.Fatalf("%d frames dropped", m.drops())
	}
	var sent, back, octets uint64
	for _, r := range m.records() {
		sent += r.number("packetDeltaCount")
		back += r.number("reversePacketDeltaCount")
		octets = max(octets, r.number("octetDeltaCount")-52*r.number("packetDeltaCount")) // headers of 20 and 32 octets
	}
	if sent != near1-near0 || back != far1-far0 {
		t.Errorf("%d packets there and %d back, the kernels say %d and %d", sent, back, near1-near0, far1-far0)
	}
	const cookie = 37 // before the data; a SYN has 8 octets of options more than other packets
	if octets < said.End.Received.Bytes || octets > said.End.Sent.Bytes+cookie+8+1448*(again(t)-again0) {
		t.Errorf("%d octets of data, %d were sent and %d arrived", octets, said.End.Sent.Bytes, said.End.Received.Bytes)
	}
	large := strings.Contains(m.Out.String(), "frames joined or cut by the network card")
	if large != (mode == "on") {
		t.Errorf("offload %s, and the meter says\n%s", mode, m.Out.String())
	}
	t.Logf("%d packets there, %d back, %d octets of data", sent, back, octets)
}

// iperfServer starts a server for one client.
func iperfServer(t *testing.T, netns string) *lab.Process {
	t.Helper()
	server := lab.StartIn(t, netns, "iperf3", "-s", "-1")
	const port = ":1451 " // 5201
	lab.Eventually(t, "iperf3 listens", func() bool { return strings.Contains(lab.RunIn(t, netns, "cat /proc/net/tcp6"), port) })
	return server
}

// segments returns how many TCP segments a namespace has sent, those sent again
// included.
func segments(t *testing.T, netns string) uint64 {
	return lab.Counter(t, netns, "Tcp", "OutSegs") + lab.Counter(t, netns, "Tcp", "RetransSegs")
}

// again returns how many segments were sent again here.
func again(t *testing.T) uint64 { return lab.Counter(t, "", "Tcp", "RetransSegs") }
