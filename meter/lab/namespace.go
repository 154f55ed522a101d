//go:build integration && linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// insideVariable tells a test that it runs in a network namespace of its own.
const insideVariable = "METER_TEST_INSIDE"

// Isolated runs the test once more in a process with a network namespace of its
// own, which ends with it, and returns false; inside it returns true. There are
// no packets but those of the test.
func Isolated(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		for _, which := range []string{"all", "default"} {
			os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0o644)
		}
		Run(t, "ip link set lo up")
		return true
	}
	NeedRoot(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.parallel=8")
	cmd.Env = append(append(os.Environ(), env...), insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// Veth makes a pair of interfaces that are up.
func Veth(t *testing.T, a, b string) {
	t.Helper()
	Run(t, "ip link add %s type veth peer name %s", a, b)
	for _, name := range []string{a, b} {
		Run(t, "ip link set %s mtu 65535 up", name)
	}
}

// Far makes another namespace and a wire that leads there: from the interface
// near, 192.0.2.1, to the interface far, 192.0.2.2.
func Far(t *testing.T) (netns string) {
	t.Helper()
	netns = fmt.Sprintf("meter-test-%d", os.Getpid())
	Run(t, "ip netns add %s", netns)
	t.Cleanup(func() { Run(t, "ip netns del %s", netns) })
	Run(t, "ip link add near type veth peer name far netns %s", netns)
	Run(t, "ip addr add 192.0.2.1/24 dev near")
	Run(t, "ip link set near up")
	RunIn(t, netns, "ip addr add 192.0.2.2/24 dev far")
	RunIn(t, netns, "ip link set far up")
	Eventually(t, "near has a carrier", func() bool { return strings.Contains(Run(t, "ip link show near"), "LOWER_UP") })
	return netns
}

// Offload has the devices at both ends of the wire join and cut TCP segments, or
// not: on or off.
func Offload(t *testing.T, netns, mode string) {
	t.Helper()
	Run(t, "ethtool -K near tso %s gso %[1]s gro %[1]s", mode)
	RunIn(t, netns, "ethtool -K far tso %s gso %[1]s gro %[1]s", mode)
}

// RunIn is Run in another namespace.
func RunIn(t *testing.T, netns, format string, args ...any) string {
	t.Helper()
	return Run(t, "ip netns exec %s %s", netns, fmt.Sprintf(format, args...))
}

// Counter is a number of /proc/net/snmp (RFC 4022 and others), in another
// namespace where one is named.
func Counter(t *testing.T, netns, protocol, name string) uint64 {
	t.Helper()
	text := ""
	if netns == "" {
		text = Run(t, "cat /proc/self/net/snmp")
	} else {
		text = RunIn(t, netns, "cat /proc/self/net/snmp")
	}
	var names, values []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, protocol+":") {
			names, values = values, strings.Fields(line)
		}
	}
	at := slices.Index(names, name)
	if at < 0 {
		t.Fatalf("no %s of %s", name, protocol)
	}
	n, _ := strconv.ParseUint(values[at], 10, 64)
	return n
}

var sentPackets = regexp.MustCompile(`Successful packets: +(\d+)`)

// Replay sends traces with tcpreplay and returns how many packets were sent.
func Replay(t *testing.T, iface, options string, traces ...string) uint64 {
	t.Helper()
	out := Run(t, "tcpreplay -i %s %s %s", iface, options, strings.Join(traces, " "))
	m := sentPackets.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("tcpreplay says\n%s", out)
	}
	n, _ := strconv.ParseUint(m[1], 10, 64)
	return n
}
