//go:build integration && linux

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestOffload sends data with iperf3 between two namespaces, with segmentation
// and reassembly left to the devices and without: the meter counts the segments
// that the kernels say they sent, and the data that iperf3 says arrived, though
// it sees frames of up to 64 KiB.
func TestOffload(t *testing.T) {
	tool(t, "iperf3")
	tool(t, "ethtool")
	if !isolated(t) {
		return
	}
	far := farEnd(t)
	within := "ip netns exec " + far + " "
	for _, mode := range []string{"on", "off"} {
		for _, where := range []string{"ethtool -K near", within + "ethtool -K far"} {
			run(t, "%s tso %s gso %s gro %s", where, mode, mode, mode)
		}
		t.Run("offload="+mode, func(t *testing.T) { iperf(t, far, mode) })
	}
}

// farEnd makes another namespace, 192.0.2.2, and an interface that leads there.
func farEnd(t *testing.T) (far string) {
	t.Helper()
	far = fmt.Sprintf("interop-%d", os.Getpid())
	run(t, "ip netns add %s", far)
	t.Cleanup(func() { run(t, "ip netns del %s", far) })
	run(t, "ip link add near type veth peer name far")
	run(t, "ip link set far netns %s", far)
	run(t, "ip addr add 192.0.2.1/24 dev near")
	run(t, "ip link set near up")
	run(t, "%s", "ip netns exec "+far+" ip addr add 192.0.2.2/24 dev far")
	run(t, "%s", "ip netns exec "+far+" ip link set far up")
	return far
}

func iperf(t *testing.T, far, mode string) {
	const data = 30 << 20
	server := start(t, tool(t, "ip"), "netns", "exec", far, "iperf3", "-s", "-1")
	eventually(t, "iperf3 listens", func() bool { return strings.Contains(server.out.String(), "listening") || listensTCP(far) })
	m := startLive(t, "near", "--idle", "1h", "--workers", "2", "--filter", "tcp")
	near0, far0, again0 := segments(t, ""), segments(t, far), again(t)
	var said struct {
		End struct {
			Sent     struct{ Bytes uint64 } `json:"sum_sent"`
			Received struct{ Bytes uint64 } `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(run(t, "iperf3 -J -c 192.0.2.2 -n %d", data)), &said); err != nil {
		t.Fatal(err)
	}
	server.wait()
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
	large := strings.Contains(m.out.String(), "frames joined or cut by the network card")
	if large != (mode == "on") {
		t.Errorf("offload %s, and the meter says\n%s", mode, m.out.String())
	}
	t.Logf("%d packets there, %d back, %d octets of data", sent, back, octets)
}

func listensTCP(netns string) bool {
	out, _ := exec.Command("ip", "netns", "exec", netns, "cat", "/proc/net/tcp6").Output()
	return strings.Contains(string(out), ":1451 ") // 5201
}

// segments returns how many TCP segments a namespace has sent, those sent again
// included.
func segments(t *testing.T, netns string) uint64 {
	return tcpCounts(t, netns, "OutSegs") + tcpCounts(t, netns, "RetransSegs")
}

// again returns how many segments were sent again here.
func again(t *testing.T) uint64 { return tcpCounts(t, "", "RetransSegs") }

// tcpCounts returns one of the kernel's counts of TCP (RFC 4022).
func tcpCounts(t *testing.T, netns, name string) uint64 {
	t.Helper()
	text := ""
	if netns == "" {
		raw, err := os.ReadFile("/proc/self/net/snmp")
		if err != nil {
			t.Fatal(err)
		}
		text = string(raw)
	} else {
		text = run(t, "ip netns exec %s cat /proc/net/snmp", netns)
	}
	var names, values []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "Tcp:") {
			names, values = values, strings.Fields(line)
		}
	}
	n, _ := strconv.ParseUint(values[slices.Index(names, name)], 10, 64)
	return n
}
