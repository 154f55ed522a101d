//go:build integration && linux

package interop

import (
	"context"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// soakVariable lengthens TestSoak, as 15m.
const soakVariable = "METER_SOAK"

// TestSoak meters a steady rate of packets, of flows that come and go, for two
// minutes: memory and goroutines stay, and the balance closes at every look.
func TestSoak(t *testing.T) {
	t.Parallel()
	if !lab.Isolated(t) {
		return
	}
	span := 2 * time.Minute
	if d, err := time.ParseDuration(os.Getenv(soakVariable)); err == nil {
		span = d
	}
	web := lab.Local(lab.FreePort(t, "tcp"))
	m := startLive(t, "lo", "--web.listen-address", web, "--idle", "2s", "--active", "5s", "--workers", "2", "--max-flows", "50000")
	lab.Eventually(t, "the pages are served", func() bool {
		_, err := lab.Get("http://" + web + "/-/healthy")
		return err == nil
	})
	ctx, stop := context.WithCancel(t.Context())
	sent := make(chan int)
	go func() { sent <- chatter(ctx, t) }()
	var looks []map[string]float64
	for begin, tick := time.Now(), time.Tick(time.Second); time.Since(begin) < span; <-tick {
		looks = append(looks, look(t, web))
	}
	stop()
	n := <-sent
	m.stop()
	if m.drops() != 0 || m.read() < uint64(n) {
		t.Errorf("%d sent, %d read, %d dropped", n, m.read(), m.drops())
	}
	checkSoak(t, looks)
	t.Logf("%v: %d datagrams sent; first half and second half: %s", span, n, strings.Join(halves(looks, soaked), "; "))
}

// soaked are what must not grow.
var soaked = []string{"process_resident_memory_bytes", "go_goroutines", "process_open_fds"}

var metricLine = regexp.MustCompile(`(?m)^([a-z_]+)(?:\{[^}]*\})? ([0-9.e+]+)$`)

// look reads the metrics, the largest value of each family.
func look(t *testing.T, web string) map[string]float64 {
	t.Helper()
	page, err := lab.Get("http://" + web + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, line := range metricLine.FindAllStringSubmatch(page, -1) {
		v, _ := strconv.ParseFloat(line[2], 64)
		values[line[1]] = max(values[line[1]], v)
	}
	return values
}

// chatter sends datagrams from a new port each, 500 a second, and returns how
// many.
func chatter(ctx context.Context, t *testing.T) (n int) {
	for tick := time.Tick(2 * time.Millisecond); ctx.Err() == nil; <-tick {
		c, err := net.Dial("udp", "127.0.0.1:9")
		if err != nil {
			t.Error(err)
			return n
		}
		if _, err := c.Write([]byte("chatter")); err == nil {
			n++
		}
		c.Close()
	}
	return n
}

// checkSoak compares the second half of a run with its first.
func checkSoak(t *testing.T, looks []map[string]float64) {
	t.Helper()
	for i, l := range looks {
		if l["meter_balance_open_packets"] != 0 {
			t.Errorf("look %d: the balance is open by %v packets", i, l["meter_balance_open_packets"])
		}
	}
	settled := looks[len(looks)/8:] // tables and buffers have their size by then
	for _, name := range soaked {
		first, second := peak(settled[:len(settled)/2], name), peak(settled[len(settled)/2:], name)
		if first == 0 || second > first*1.05+2 {
			t.Errorf("%s: at most %v in the first half, %v in the second", name, first, second)
		}
	}
	if last := looks[len(looks)-1]; last["meter_flows_live"] < 500 || last["meter_flows_created_total"] < 10_000 {
		t.Errorf("%v flows live, %v created: hardly a load", last["meter_flows_live"], last["meter_flows_created_total"])
	}
}

func peak(looks []map[string]float64, name string) (most float64) {
	for _, l := range looks {
		most = max(most, l[name])
	}
	return most
}

func halves(looks []map[string]float64, names []string) (lines []string) {
	for _, name := range names {
		first, second := peak(looks[:len(looks)/2], name), peak(looks[len(looks)/2:], name)
		lines = append(lines, name+" "+strconv.FormatFloat(first, 'f', 0, 64)+" "+strconv.FormatFloat(second, 'f', 0, 64))
	}
	return lines
}
