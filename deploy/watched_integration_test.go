//go:build integration

package deploy

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// pace is how long a minute of the alert rules lasts in TestWatched, and for how
// long the meter is watched before anything goes wrong. METER_WATCH=2m makes the
// whole of it two minutes and more.
func pace(t *testing.T) (minute, watch time.Duration) {
	t.Helper()
	said := os.Getenv("METER_WATCH")
	if said == "" {
		return 500 * time.Millisecond, 6 * time.Second
	}
	watch, err := time.ParseDuration(said)
	if err != nil {
		t.Fatalf("METER_WATCH: %v", err)
	}
	return time.Second, watch
}

// watched is a meter that reads an interface on which traffic runs, feeds
// collectors, and is watched by a Prometheus.
type watched struct {
	t         *testing.T
	root      root
	config    string
	collector []string // its command
	meter     *lab.Process
	traffic   *lab.Process
	page      string // where it serves its own
	*server
}

// tap is the interface that is metered, far the one at the other end of the
// wire.
const tap, far = "tap0", "far0"

func newWatched(t *testing.T, r root, minute time.Duration) *watched {
	t.Helper()
	lab.Veth(t, tap, far)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0") // somebody who listens
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	listen, tcp := lab.Local(lab.FreePort(t, "tcp")), lab.Local(lab.FreePort(t, "tcp"))
	w := &watched{t: t, root: r, collector: []string{r.path("/usr/bin/meter"), "collect", "tcp://" + tcp}}
	w.config = configure(t, "watched.yaml", map[string]string{
		"INTERFACE": tap, "TCP": tcp, "UDP": udp.LocalAddr().String(), "STATE": open(t), "LISTEN": listen})
	w.meter = lab.Start(t, execStart(t, r, w.config)...)
	w.server = startPrometheus(t, listen, hurried(text(t, "deploy/prometheus/alerts.yaml"), minute), minute)
	w.page = "http://" + listen
	return w
}

// send starts traffic: a trace again and again, each time with other addresses.
func (w *watched) send() {
	w.traffic = lab.Start(w.t, "tcpreplay", "-q", "-i", far, "--loop=0", "--unique-ip", "--pps=6000", "../testdata/http-tls.pcap")
}

// collect starts the collector over TCP.
func (w *watched) collect() *lab.Process { return lab.Start(w.t, w.collector...) }

// reload writes the configuration with something appended, and has it read.
func (w *watched) reload(config, appended string) {
	w.t.Helper()
	if err := os.WriteFile(w.config, []byte(config+appended), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.meter.Signal(syscall.SIGHUP)
}

// burst has the wire carry more than the ring holds while the meter gets no
// processor.
func (w *watched) burst() {
	w.t.Helper()
	w.meter.Signal(syscall.SIGSTOP)
	defer w.meter.Signal(syscall.SIGCONT)
	lab.Said(w.t, "tcpreplay", "-q", "-i", far, "--topspeed", "--loop=30", "../testdata/http-tls.pcap")
}

// TestWatched has Prometheus scrape a running meter, runs all queries of all
// dashboards, and has alerts fire and clear: a collector that goes away, a
// configuration with a mistake, a burst, a dead wire, a dead meter.
func TestWatched(t *testing.T) {
	lab.NeedRoot(t) // for a namespace, and to read an interface
	r := unpacked(t)
	if !lab.Isolated(t) {
		return
	}
	begin := time.Now()
	minute, watch := pace(t)
	w := newWatched(t, r, minute)
	collector := w.collect()
	w.send()
	time.Sleep(watch)
	w.evaluates(t)
	w.lints()
	w.showDashboards(t, "default")
	fires(t, w.server, nil)

	collector.Kill()
	fires(t, w.server, []string{"MeterExporterDown"})
	fires(t, w.server, []string{"MeterExporterDown", "MeterSpoolFilling"})
	good := read(t, w.config)
	w.reload(good, "mistake: 1\n")
	fires(t, w.server, []string{"MeterExporterDown", "MeterReloadFailed", "MeterSpoolFilling"})
	w.reload(good, "")
	fires(t, w.server, []string{"MeterExporterDown", "MeterSpoolFilling"})
	w.collect()
	fires(t, w.server, nil)

	w.burst()
	fires(t, w.server, []string{"MeterCaptureDrops"})
	fires(t, w.server, nil)

	w.traffic.Kill()
	fires(t, w.server, []string{"MeterNoTraffic"})
	w.send()
	fires(t, w.server, nil)

	w.meter.Kill()
	fires(t, w.server, []string{"MeterDown"})
	w.meter = lab.Start(t, w.meter.Cmd.Args...)
	fires(t, w.server, nil)
	t.Logf("watched for %v, a minute of the rules being %v", time.Since(begin).Round(time.Second), minute)
}

func read(t *testing.T, path string) string {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// lints has promtool look at the page of metrics.
func (w *watched) lints() {
	w.t.Helper()
	metrics, err := lab.Get(w.page + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	lab.Promtool(w.t, metrics)
	w.t.Logf("promtool check metrics: clean, %d families", strings.Count(metrics, "# TYPE "))
}
