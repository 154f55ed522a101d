//go:build integration && linux

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// TestReplacedInputs: under load, reloads replace one input and take another away
// and back. No counter ever falls, and in the end they are what the accounts of
// all inputs that there were say.
func TestReplacedInputs(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	config, port := filepath.Join(t.TempDir(), "c.yaml"), lab.FreePort(t, "tcp")
	write := func(i int) {
		also := ""
		if i%3 == 0 {
			also = ", {name: also, interface: a0}"
		}
		text := fmt.Sprintf(replacedConfig, 200+i, also, lab.Local(port))
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	m := &live{Process: lab.Start(t, meter, "run", "-c", config)}
	lab.Eventually(t, "the meter serves its pages", func() bool { return strings.Contains(m.Log.String(), "serving metrics") })
	w := &counterWatch{t: t, port: port, last: map[string]float64{}}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
				w.look()
			}
		}
	}()
	replayed := make(chan uint64, 1)
	go func() {
		replayed <- lab.Replay(t, "a0", "--pps=8000 --loop=150", "../../../testdata/http-tls.pcap")
	}()
	const reloads = 15
	for i := 1; i <= reloads; i++ {
		time.Sleep(200 * time.Millisecond)
		write(i)
		if err := m.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		lab.Eventually(t, fmt.Sprintf("reload %d", i), func() bool {
			return strings.Count(m.Log.String(), "the configuration was reloaded") == i
		})
	}
	sent := <-replayed
	time.Sleep(time.Second) // for what is still in the rings
	close(end)
	<-ended
	w.look()
	read, verdicts := sum(w.last, "^meter_packets_read_total{"), sum(w.last, "^meter_verdict_packets_total{")
	m.stop()
	if read != m.read() || verdicts != read || m.read() < sent {
		t.Errorf("/metrics has %d packets and %d verdicts, the accounts %d; %d were sent", read, verdicts, m.read(), sent)
	}
	if n := strings.Count(m.Out.String(), ", until the reload of "); n != reloads+reloads/3 {
		t.Errorf("%d inputs ended, want %d\n%s", n, reloads+reloads/3, m.Out.String())
	}
	t.Logf("%d sent, %d read, looked %d times, saw %d inputs drain", sent, m.read(), w.looks, w.draining)
}

const replacedConfig = `
meter: {inputs: [{name: a, interface: b0, snaplen: %d}%s]}
web: {listen: '%s'}
`

// counterWatch looks whether counters fall.
type counterWatch struct {
	t        *testing.T
	port     int
	last     map[string]float64
	looks    int
	draining int // inputs, summed over all looks
}

func (w *counterWatch) look() {
	page, err := lab.Get("http://" + lab.Local(w.port) + "/metrics")
	if err != nil {
		w.t.Error(err)
		return
	}
	w.looks++
	for name, v := range series(w.t, page) {
		if !strings.HasPrefix(name, "meter_") || !strings.Contains(name, "_total") {
			continue
		}
		if v < w.last[name] {
			w.t.Errorf("%s falls from %v to %v", name, w.last[name], v)
		}
		w.last[name] = v
	}
	page, err = lab.Get("http://" + lab.Local(w.port) + "/status")
	var s struct{ Inputs []struct{ State string } }
	if err == nil {
		err = json.Unmarshal([]byte(page), &s)
	}
	if err != nil {
		w.t.Error(err)
	}
	for _, in := range s.Inputs {
		if in.State == "draining" {
			w.draining++
		}
	}
}
