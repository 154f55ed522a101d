//go:build integration && linux

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"flowmeter/meter/lab"
)

// liveTraces are those of testdata that an Ethernet interface can send, but for
// short.pcap, of whose frames there is only the beginning.
var liveTraces = []string{
	"dns.pcap", "fragments.pcap", "http-tls.pcap", "iperf3.pcap", "ping-traceroute.pcap", "reset.pcap",
	"sctp.pcap", "sip.pcap", "ssh.pcap", "tunnel.pcap", "vlan.pcap", "office.pcapng",
}

// TestLiveIsRead sends the traces of testdata over a pair of interfaces at
// their own speed: the live records are those of meter read, times aside, and
// no packet is missing.
func TestLiveIsRead(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	if !lab.Isolated(t) {
		return
	}
	for i, trace := range liveTraces {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/workers=%d", trace, workers), func(t *testing.T) {
				t.Parallel()
				compareLive(t, fmt.Sprintf("%d%d", i, workers), "../../../testdata/"+trace, workers)
			})
		}
	}
}

func compareLive(t *testing.T, id, trace string, workers int) {
	lab.Veth(t, "a"+id, "b"+id)
	l := startLive(t, "b"+id, "--workers", strconv.Itoa(workers))
	sent := lab.Replay(t, "a"+id, "--multiplier=1", classic(t, trace))
	l.stop()
	if l.cameIn() != sent || l.drops() != 0 || l.read() != sent {
		t.Errorf("sent %d, came in %d, dropped %d, read %d", sent, l.cameIn(), l.drops(), l.read())
	}
	status, want, log := runMeter(t, "read", "-q", "-o", "-", trace)
	if status != 0 {
		t.Fatalf("status %d: %s", status, log)
	}
	a, b := timeless(parseRecords(t, want)), timeless(l.records())
	t.Logf("%d packets, %d records", sent, len(b))
	if !slices.Equal(a, b) {
		t.Errorf("read:\n%s\nlive:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// classic returns a trace as tcpreplay reads it.
func classic(t *testing.T, trace string) string {
	t.Helper()
	if filepath.Ext(trace) == ".pcap" {
		return trace
	}
	path := filepath.Join(t.TempDir(), "classic.pcap")
	lab.Run(t, "editcap -F pcap %s %s", trace, path)
	return path
}

// live is a running meter on interfaces.
type live struct {
	*lab.Process
	file string
}

// startLive starts a meter and waits until it reads the interface.
func startLive(t *testing.T, iface string, args ...string) *live {
	t.Helper()
	l := &live{file: filepath.Join(t.TempDir(), "live.jsonl")}
	l.Process = lab.Start(t, append([]string{meter, "run", "-i", iface, "-o", l.file}, args...)...)
	lab.Eventually(t, "the meter reads "+iface, func() bool { return strings.Contains(l.Log.String(), "interface is read") })
	return l
}

// stop ends the meter as systemd does.
func (l *live) stop() {
	l.T.Helper()
	l.Signal(syscall.SIGTERM)
	if status := l.Wait(); status != 0 {
		l.T.Errorf("the meter ends with status %d\n%s", status, l.Log.String())
	}
}

func (l *live) records() []record { return readRecords(l.T, l.file) }

var (
	readLine    = regexp.MustCompile(`(?m)^ +read +([\d,]+) `)
	captureLine = regexp.MustCompile(`: ([\d,]+) frames? came in, (\d+) dropped by the kernel`)
)

// account returns a number of what the meter prints at its end.
func (l *live) account(line *regexp.Regexp, group int) (sum uint64) {
	l.T.Helper()
	all := line.FindAllStringSubmatch(l.Out.String(), -1)
	if all == nil {
		l.T.Fatalf("the meter says\n%s", l.Out.String())
	}
	for _, m := range all {
		n, _ := strconv.ParseUint(strings.ReplaceAll(m[group], ",", ""), 10, 64)
		sum += n
	}
	return sum
}

func (l *live) read() uint64   { return l.account(readLine, 1) }
func (l *live) cameIn() uint64 { return l.account(captureLine, 1) }
func (l *live) drops() uint64  { return l.account(captureLine, 2) }

// timeless returns records in one order, without their times and what is made
// of these, and without the interface.
func timeless(records []record) []string {
	all := make([]string, len(records))
	for i, r := range records {
		for key := range r {
			if strings.Contains(strings.ToLower(key), "milliseconds") || key == "flowId" || key == "ingressInterface" {
				delete(r, key)
			}
		}
		text, _ := json.Marshal(r)
		all[i] = string(text)
	}
	slices.Sort(all)
	return all
}

// TestLiveIsCaptured sends all traces of METER_TRACES that Ethernet can carry
// as fast as it goes, to a meter and to dumpcap beside it: both saw the same
// conversations, to the packet and the octet.
func TestLiveIsCaptured(t *testing.T) {
	t.Parallel()
	lab.Tool(t, "tcpreplay")
	lab.Tool(t, "dumpcap")
	traces := os.Getenv("METER_TRACES")
	if traces == "" {
		t.Skip("METER_TRACES names no folder of traces")
	}
	if !lab.Isolated(t) {
		return
	}
	files := ethernetTraces(t, traces)
	lab.Veth(t, "a0", "b0")
	for _, workers := range []string{"2"} {
		captured := filepath.Join(t.TempDir(), "dump.pcap")
		dump := lab.Start(t, "dumpcap", "-i", "b0", "-P", "-s", "0", "-B", "64", "-w", captured)
		lab.Eventually(t, "dumpcap captures", func() bool { return strings.Contains(dump.Log.String(), "File:") })
		l := startLive(t, "b0", "--workers", workers)
		whole := 0
		for _, file := range files { // tcpreplay stops at the first frame that it cannot send
			if exec.Command("tcpreplay", "-q", "-i", "a0", "--topspeed", file).Run() == nil {
				whole++
			}
		}
		if whole < len(files)/2 {
			t.Errorf("only %d of %d traces were sent whole", whole, len(files))
		}
		l.stop()
		var seen uint64
		lab.Eventually(t, "dumpcap has all", func() bool {
			seen = packetsIn(t, captured)
			return seen == l.read()
		})
		dump.Signal(syscall.SIGINT)
		dump.Wait()
		if l.drops() != 0 {
			t.Errorf("%d of %d packets dropped", l.drops(), seen)
		}
		status, want, log := runMeter(t, "read", "-q", "-o", "-", captured)
		if status != 0 {
			t.Fatalf("status %d: %s", status, log)
		}
		a, b := conversations(parseRecords(t, want)), conversations(l.records())
		t.Logf("%d traces, %d packets, %d conversations, %s worker(s)", whole, seen, len(b), workers)
		for key, sums := range a {
			if b[key] != sums {
				t.Errorf("%s: captured %v, live %v", key, sums, b[key])
			}
		}
		if len(a) != len(b) {
			t.Errorf("%d conversations captured, %d live", len(a), len(b))
		}
	}
}

var packetsLine = regexp.MustCompile(`(?m)^Number of packets: +(\d+)`)

// packetsIn returns how many packets a trace holds, which may still grow.
func packetsIn(t *testing.T, trace string) uint64 {
	t.Helper()
	out, _ := exec.Command(lab.Tool(t, "capinfos"), "-M", "-c", trace).CombinedOutput()
	m := packetsLine.FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseUint(string(m[1]), 10, 64)
	return n
}

// conversations sums records up by their two ends, whoever began.
func conversations(records []record) map[string][2]uint64 {
	all := map[string][2]uint64{}
	for _, r := range records {
		end := func(which string) string {
			return fmt.Sprintf("%v|%d", r.address(which), r.number(which+"TransportPort"))
		}
		ends := []string{end("source"), end("destination")}
		slices.Sort(ends)
		key := fmt.Sprintf("%s %s %d", ends[0], ends[1], r.number("protocolIdentifier"))
		sums := all[key]
		sums[0] += r.number("packetDeltaCount") + r.number("reversePacketDeltaCount")
		sums[1] += r.number("octetDeltaCount") + r.number("reverseOctetDeltaCount")
		all[key] = sums
	}
	return all
}

var capinfosLine = regexp.MustCompile(`(?m)^File encapsulation: +ether$`)

// ethernetTraces returns the classic traces of Ethernet below a folder, each
// read whole by capinfos.
func ethernetTraces(t *testing.T, dir string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*", "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		cmd := lab.Start(t, "capinfos", "-M", "-E", "-c", file)
		if cmd.Wait() == 0 && capinfosLine.MatchString(cmd.Out.String()) && !strings.Contains(cmd.Log.String(), "cut short") {
			files = append(files, file)
		}
	}
	if len(files) < 100 {
		t.Fatalf("only %d traces of Ethernet in %s", len(files), dir)
	}
	return files
}
