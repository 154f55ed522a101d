//go:build integration

package lab

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Nfcapd is nfdump's collector.
type Nfcapd struct {
	*Process
	Port int
	dir  string
}

// StartNfcapd starts a collector at an address, in a namespace where one is
// named, with flags of its own, and waits until it listens.
func StartNfcapd(t *testing.T, netns, address string, flags ...string) *Nfcapd {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n := &Nfcapd{dir: t.TempDir()}
	n.Port, _ = strconv.Atoi(port)
	n.Process = StartIn(t, netns, append([]string{"nfcapd", "-b", host, "-p", port, "-w", n.dir, "-B", "16000000"}, flags...)...)
	n.Listens(n.Port)
	return n
}

// Stop has the collector take what has come, and end.
func (n *Nfcapd) Stop() {
	n.T.Helper()
	n.Drained(n.Port)
	n.Signal(syscall.SIGTERM)
	n.Wait()
}

// Check fails the test where a collector that has ended complains, or missed
// anything.
func (n *Nfcapd) Check() {
	n.T.Helper()
	complaint := regexp.MustCompile(`(?i)unknown|malformed|corrupt|invalid|mismatch|error: |short packet|no template|skip`)
	log := n.Out.String() + n.Log.String()
	for line := range strings.Lines(log) {
		if complaint.MatchString(line) {
			n.T.Errorf("nfcapd says: %s", line)
		}
	}
	if errors, bad := n.Errors(); errors+bad > 0 {
		n.T.Errorf("nfcapd: %d sequence errors, %d bad packets", errors, bad)
	}
}

// Errors is how many gaps a collector that has ended found in the sequence
// numbers, and how many datagrams it could not read.
func (n *Nfcapd) Errors() (gaps, bad int) {
	n.T.Helper()
	all := regexp.MustCompile(`Sequence Errors: (\d+), Bad Packets: (\d+)`).FindAllStringSubmatch(n.Out.String()+n.Log.String(), -1)
	if all == nil {
		n.T.Errorf("nfcapd gives no account")
	}
	for _, a := range all { // one for each exporter and file
		g, _ := strconv.Atoi(a[1])
		b, _ := strconv.Atoi(a[2])
		gaps, bad = gaps+g, bad+b
	}
	return gaps, bad
}

// Flows is nfdump's line for each flow that a collector has written.
func (n *Nfcapd) Flows(format string) string {
	n.T.Helper()
	return Output(n.T, "nfdump", "-R", n.dir, "-q", "-N", "-6", "-o", "fmt:"+format)
}
