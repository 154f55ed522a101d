//go:build integration

package lab

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// FreePort returns a port of the loopback that nothing listens on.
func FreePort(t *testing.T, network string) int {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Local is a port's address on the loopback.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Socket is what the kernel tells of a UDP socket: octets that wait in it, and
// how many datagrams it had no room for.
type Socket struct{ Waiting, Drops uint64 }

// UDPSocket looks for the socket on a port where the process has its network;
// found is false where none is open.
func UDPSocket(t *testing.T, pid, port int) (s Socket, found bool) {
	t.Helper()
	for _, file := range []string{"udp", "udp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 13 || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			_, queue, _ := strings.Cut(f[4], ":")
			s.Waiting, _ = strconv.ParseUint(queue, 16, 64)
			s.Drops, _ = strconv.ParseUint(f[12], 10, 64)
			return s, true
		}
	}
	return s, false
}

// Listens waits until a collector listens.
func (p *Process) Listens(port int) {
	p.T.Helper()
	Eventually(p.T, p.Cmd.Path+" listens", func() bool {
		_, found := UDPSocket(p.T, p.Cmd.Process.Pid, port)
		return found
	})
}

// Drained waits until a collector has taken all datagrams. None may be lost:
// then the comparison would say nothing of the exporter.
func (p *Process) Drained(port int) {
	p.T.Helper()
	Drained(p.T, p.Cmd.Process.Pid, port)
}

// Drained is the same of any process.
func Drained(t *testing.T, pid, port int) {
	t.Helper()
	var s Socket
	Eventually(t, "a collector reads", func() bool {
		s, _ = UDPSocket(t, pid, port)
		return s.Waiting == 0
	})
	if s.Drops > 0 {
		t.Fatalf("a collector's socket dropped %d datagrams", s.Drops)
	}
}
