//go:build integration && linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// outageVariable lengthens the outages of TestOutage, as 1m.
const outageVariable = "METER_OUTAGE"

const outageConfig = `
meter: {inputs: [{interface: b0}]}
rulesets: [{name: conversations, timeouts: {idle: 1s}, rules: [{do: count}]}]
exporters:
  - jsonl: {path: %s}
  - ipfix: {address: "collector.test:4739"}
web: {listen: %q}
`

// where the collector is at first, and where it moves to.
const atFirst, atLast = "192.0.2.2", "192.0.2.3"

// outage is a meter under a steady load, each packet a flow of its own, that
// sends its records to a collector in another namespace; dumpcap sees them pass.
type outage struct {
	*live
	t        *testing.T
	far, web string
	hosts    string // the file that tells the meter where the collector is
	load     *lab.Process
	dump     *lab.Process
	trace    string // what dumpcap writes
}

// newOutage starts the meter; the collector is not there yet.
func newOutage(t *testing.T) *outage {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	o := &outage{t: t, live: &live{file: in("flows.jsonl")}, far: lab.Far(t), web: lab.Local(lab.FreePort(t, "tcp")), hosts: in("hosts"), trace: in("export.pcap")}
	lab.RunIn(t, o.far, "ip addr add %s/24 dev far", atLast)
	lab.Veth(t, "a0", "b0")
	o.dump = lab.Start(t, "dumpcap", "-i", "near", "-q", "-P", "-B", "64", "-f", "udp dst port 4739", "-w", o.trace)
	lab.Eventually(t, "dumpcap captures", func() bool { return strings.Contains(o.dump.Log.String(), "File:") })
	config := writeFile(t, "c.yaml", fmt.Sprintf(outageConfig, o.file, o.web))
	o.move(atFirst)
	o.Process = lab.Start(t, "unshare", "--mount", "sh", "-c", `mount --bind "$0" /etc/hosts && exec "$@"`, o.hosts, meter, "run", "-c", config)
	lab.Eventually(t, "the meter reads b0", func() bool { return strings.Contains(o.Log.String(), "interface is read") })
	return o
}

// begin starts the load, for at most so long.
func (o *outage) begin(most time.Duration) {
	o.t.Helper()
	const rate = 2000
	trace := filepath.Join(o.t.TempDir(), "load.pcap")
	writeFlood(o.t, trace, rate*int(most.Seconds()))
	o.load = lab.Start(o.t, "tcpreplay", "-q", "-i", "a0", fmt.Sprintf("--pps=%d", rate), trace)
}

// move tells the meter where the collector is.
func (o *outage) move(to string) {
	o.t.Helper()
	if err := os.WriteFile(o.hosts, []byte(to+" collector.test\n"), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

// collect starts nfcapd with a buffer that an outage fills.
func (o *outage) collect(at string) *lab.Nfcapd {
	o.t.Helper()
	return lab.StartNfcapd(o.t, o.far, at+":4739", "-B", "400000")
}

// sent is how many records the meter counts as sent to the collector.
func (o *outage) sent() uint64 {
	o.t.Helper()
	page, err := lab.Get("http://" + o.web + "/metrics")
	if err != nil {
		o.t.Fatal(err)
	}
	return sum(series(o.t, page), `^meter_export_records_total.*exporter="ipfix`)
}

// flows waits until a collector has taken the records of a second or two.
func (o *outage) flows() {
	o.t.Helper()
	taken := func() uint64 { return lab.Counter(o.t, o.far, "Udp", "InDatagrams") }
	before := taken()
	lab.Eventually(o.t, "the collector takes records", func() bool { return taken() >= before+200 })
}

// finish ends the load, the meter and, when it has seen all that came to the
// collectors' host, dumpcap.
func (o *outage) finish() {
	o.t.Helper()
	o.load.Kill()
	o.stop()
	lab.Eventually(o.t, "all datagrams are seen", func() bool {
		return packetsIn(o.t, o.trace) == lab.Counter(o.t, o.far, "Ip", "InReceives")
	})
	o.dump.Signal(syscall.SIGINT)
	o.dump.Wait()
}

// settled is how many records had been sent at a time after which the collector
// has read all of them.
func (o *outage) settled(n *lab.Nfcapd) uint64 {
	o.t.Helper()
	sent := o.sent()
	lab.Eventually(o.t, "nfcapd reads", func() bool {
		s, _ := lab.UDPSocket(o.t, n.Cmd.Process.Pid, n.Port)
		return s.Waiting == 0
	})
	return sent
}

// window tells when an outage was, in records sent by the meter's count: it
// began between two readings, and it ended between two.
type window struct{ begin, end [2]uint64 }

// pause stops a collector for a while. Its buffer takes some records, and until
// the collector has read all of it, it may be full.
func (o *outage) pause(n *lab.Nfcapd, span time.Duration) window {
	o.t.Helper()
	before := o.settled(n)
	n.Signal(syscall.SIGSTOP)
	time.Sleep(span)
	n.Signal(syscall.SIGCONT)
	o.settled(n)
	within := [2]uint64{before, o.sent()}
	return window{within, within}
}

// end ends a collector, and returns between which readings.
func (o *outage) end(n *lab.Nfcapd) [2]uint64 {
	o.t.Helper()
	before := o.settled(n)
	n.Signal(syscall.SIGTERM)
	n.Wait()
	return [2]uint64{before, o.sent()}
}

// TestOutage has nfcapd stopped for a while under load, then ended and started
// again, then ended and started at another address, to which its name then leads.
// What it lacks is what the meter counts as sent meanwhile; of what was sent to
// the stopped one, what its buffer had no room for by the kernel's count and its
// own. Before, between and after, nothing is lost.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tcpreplay", "dumpcap", "nfcapd", "nfdump"} {
		lab.Tool(t, name)
	}
	if !lab.Isolated(t) {
		return
	}
	span := 5 * time.Second
	if d, err := time.ParseDuration(os.Getenv(outageVariable)); err == nil {
		span = d
	}
	o := newOutage(t)
	first := o.collect(atFirst)
	o.begin(time.Minute + 3*span)
	o.flows()
	paused := o.pause(first, span)
	o.flows()
	restarted := window{begin: o.end(first)}
	time.Sleep(span)
	restarted.end[0] = o.sent()
	second := o.collect(atFirst)
	restarted.end[1] = o.sent()
	o.flows()
	moved := window{begin: o.end(second)}
	time.Sleep(span)
	third := o.collect(atLast)
	moved.end[0] = o.sent()
	o.move(atLast)
	o.flows()
	o.finish()
	third.Stop()

	sent := captured(t, o.trace)
	o.checkAll(sent)
	mark(t, sent, first, second, third)
	restarted.end[1] = toldAfter(sent, restarted.end[1])
	moved.end[1] = sentTo(sent, atFirst)
	lost := losses(sent)
	during := func(w window) (l []loss) {
		for len(lost) > 0 && lost[0].from >= w.begin[0] && lost[0].to <= w.end[1] {
			l, lost = append(l, lost[0]), lost[1:]
		}
		return l
	}
	o.checkPaused(paused, during(paused), first)
	checkEnded(t, "restarted", restarted, during(restarted))
	checkEnded(t, "moved", moved, during(moved))
	if len(lost) > 0 {
		t.Errorf("lost at other times: %+v", lost)
	}
}

// checkAll compares what was sent with the records of the same run.
func (o *outage) checkAll(sent []datagram) {
	o.t.Helper()
	var wrote, passed []string
	for _, r := range o.records() {
		wrote = append(wrote, r.address("source").String())
	}
	for _, d := range sent {
		passed = append(passed, d.flows...)
	}
	if !slices.Equal(wrote, passed) || uint64(len(wrote)) != o.read() || o.drops() != 0 {
		o.t.Errorf("%d packets read, %d dropped, %d records, %d sent", o.read(), o.drops(), len(wrote), len(passed))
	}
	o.t.Logf("%d packets, each a flow; all records sent, in %d datagrams", o.read(), len(sent))
}

// checkPaused compares the loss of a collector that did not read with the
// datagrams that the kernel dropped, and with the gaps that it found itself.
func (o *outage) checkPaused(w window, lost []loss, n *lab.Nfcapd) {
	o.t.Helper()
	var records, datagrams uint64
	for _, l := range lost {
		records, datagrams = records+l.to-l.from, datagrams+l.datagrams
	}
	dropped := lab.Counter(o.t, o.far, "Udp", "RcvbufErrors")
	if gaps, bad := n.Errors(); datagrams != dropped || dropped == 0 || gaps != len(lost) || bad != 0 {
		o.t.Errorf("%d datagrams are lost in %d places, the kernel dropped %d, nfcapd found %d gaps and %d bad packets", datagrams, len(lost), dropped, gaps, bad)
	}
	o.t.Logf("paused: %d records sent, %d taken from the buffer, %d lost in %d datagrams; dropped by the kernel: %d",
		w.end[1]-w.begin[0], w.end[1]-w.begin[0]-records, records, datagrams, dropped)
}

// checkEnded compares the loss of a collector that was not there with what the
// meter sent meanwhile.
func checkEnded(t *testing.T, what string, w window, lost []loss) {
	t.Helper()
	if len(lost) != 1 {
		t.Errorf("%s: %d losses in %+v: %+v", what, len(lost), w, lost)
		return
	}
	l := lost[0]
	if l.from > w.begin[1] || l.to < w.end[0] {
		t.Errorf("%s: records %d to %d are lost, the meter sent at least %d to %d meanwhile", what, l.from, l.to, w.begin[1], w.end[0])
	}
	t.Logf("%s: records %d to %d are lost, %d in %d datagrams; sent meanwhile by the meter's count: from %d-%d to %d-%d",
		what, l.from, l.to, l.to-l.from, l.datagrams, w.begin[0], w.begin[1], w.end[0], w.end[1])
}
