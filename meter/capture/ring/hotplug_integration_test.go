//go:build integration && linux

package ring

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/lab"
)

// journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), what)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// up waits until an interface is read, or no longer is.
func (k *taker) up(name string, want bool) {
	k.t.Helper()
	lab.Eventually(k.t, name, func() bool {
		for _, s := range k.in.Stats() {
			if s.Name == name {
				return s.Up == want
			}
		}
		return !want
	})
}

// TestHotPlug takes interfaces away and brings them back, with one and two
// workers: a pattern picks them up, an interface that comes back has its
// number again, nothing that was sent is missing from the accounts, and each
// event is logged once.
func TestHotPlug(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	n := len(sent(t, testdata("http-tls.pcap")))
	for workers := 1; workers <= 2; workers++ {
		lab.Veth(t, "a0", "b0")
		var j journal
		cfg := Default()
		cfg.Interfaces, cfg.Workers, cfg.Log = []string{"b?", "c*"}, workers, j.logger()
		k := take(t, cfg)
		lab.Replay(t, "a0", "--topspeed", testdata("http-tls.pcap"))
		lab.Veth(t, "a1", "b1")
		k.up("b1", true)
		lab.Replay(t, "a1", "--topspeed", testdata("http-tls.pcap"))
		lab.Run(t, "ip link del a0")
		k.up("b0", false)
		lab.Veth(t, "a0", "b0")
		k.up("b0", true)
		lab.Replay(t, "a0", "--topspeed", testdata("http-tls.pcap"))
		lab.Run(t, "ip link set b1 down")
		k.up("b1", false)
		lab.Run(t, "ip link set b1 up")
		k.up("b1", true)
		lab.Eventually(t, "b1 has a carrier", func() bool { return strings.Contains(lab.Run(t, "ip link show a1"), "LOWER_UP") })
		lab.Replay(t, "a1", "--topspeed", testdata("http-tls.pcap"))
		lab.Run(t, "ip link set b1 down")
		lab.Run(t, "ip link set b1 name c1")
		lab.Run(t, "ip link set c1 up")
		k.up("c1", true)
		lab.Replay(t, "a1", "--topspeed", testdata("http-tls.pcap"))
		got, stats := k.close()
		lab.Run(t, "ip link del a0")
		lab.Run(t, "ip link del a1")

		counts := map[string]int{}
		for _, frames := range got {
			for _, f := range frames {
				counts[f.name]++
			}
		}
		for i, name := range []string{"b0", "b1", "c1"} {
			want := []int{2 * n, 2 * n, n}[i]
			if counts[name] != want || stats[i].Name != name || int(stats[i].Packets) != want || stats[i].Drops != 0 {
				t.Errorf("%d workers: %d frames of %s came out, %d were sent: %+v", workers, counts[name], name, want, stats[i])
			}
		}
		if all := k.in.Ring(0).Interfaces(); len(all) != 3 || all[0].Name != "b0" || all[0].Index == 0 {
			t.Errorf("interfaces: %+v", all)
		}
		for what, want := range map[string]int{
			`"interface is read" interface=b0`: 2, `"interface is read" interface=b1`: 1, "interface is gone": 1,
			"has another name now": 1, `"interface is down" interface=b1`: 2, "is up again": 1, "level=ERROR": 0,
		} {
			if j.count(what) != want {
				t.Errorf("%d times, not %d: %s\n%s", j.count(what), want, what, j.text.String())
			}
		}
	}
}

// TestDownAtFirst names an interface that is down: it is read once it is up.
func TestDownAtFirst(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	lab.Run(t, "ip link set b0 down")
	var j journal
	cfg := Default()
	cfg.Interfaces, cfg.Workers, cfg.Log = []string{"b0"}, 2, j.logger()
	k := take(t, cfg)
	if s := k.in.Stats(); len(s) != 1 || s[0].Up {
		t.Errorf("%+v", s)
	}
	lab.Run(t, "ip link set b0 up")
	k.up("b0", true)
	lab.Replay(t, "a0", "--topspeed", testdata("http-tls.pcap"))
	got, _ := k.close()
	if n := len(sent(t, testdata("http-tls.pcap"))); len(got[0])+len(got[1]) != n || j.count("it is read once it is up") != 1 {
		t.Errorf("%d and %d frames of %d\n%s", len(got[0]), len(got[1]), n, j.text.String())
	}
}

// TestNoSuchInterface: the error names it, and those that there are.
func TestNoSuchInterface(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	cfg := Default()
	cfg.Interfaces = []string{"eth7"}
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Run(context.Background()); err != errNotOpen {
		t.Error(err)
	}
	if err := in.Open(); err == nil || err.Error() != "interface eth7: there is none of this name (there are lo)" {
		t.Error(err)
	}
	if err := in.Open(); err == nil {
		t.Error("it is closed")
	}
}

// TestAny reads all interfaces through one socket: each frame has its own
// interface, tags are in place, and what goes over the loopback is there once.
func TestAny(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	for workers := 1; workers <= 2; workers++ {
		cfg := Default()
		cfg.Interfaces, cfg.Workers = []string{"any"}, workers
		k := take(t, cfg)
		lab.Replay(t, "a0", "--topspeed", testdata("vlan.pcap"))
		lab.Veth(t, "a1", "b1")
		lab.Replay(t, "a1", "--topspeed", testdata("http-tls.pcap"))
		const datagrams = 6
		loop(t, datagrams)
		got, stats := k.close()
		lab.Run(t, "ip link del a1")

		byName := map[string][]taken{}
		for _, frames := range got {
			for _, f := range frames {
				byName[f.name] = append(byName[f.name], f)
			}
		}
		vlan, web := sent(t, testdata("vlan.pcap")), sent(t, testdata("http-tls.pcap"))
		if workers == 1 {
			equalNamed(t, byName["b0"], vlan, 0)
			equalNamed(t, byName["a0"], vlan, capture.Outgoing)
			equalNamed(t, byName["a1"], web, capture.Outgoing)
			equalNamed(t, byName["b1"], web, 0)
		}
		if len(byName["lo"]) != datagrams {
			t.Errorf("%d frames of %d datagrams", len(byName["lo"]), datagrams)
		}
		sum := 0
		for _, frames := range got {
			sum += len(frames)
		}
		if want := 2*len(vlan) + 2*len(web) + datagrams; int(stats[0].Packets) != want || sum != want || stats[0].Name != "any" {
			t.Errorf("%d frames were sent, %d came out: %+v", want, sum, stats)
		}
	}
}

// equalNamed compares what one interface saw with what was sent.
func equalNamed(t *testing.T, got []taken, want []string, flags capture.Flags) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d frames, not %d", len(got), len(want))
		return
	}
	for i, f := range got {
		if !strings.HasPrefix(want[i], f.data) || int(f.WireLen) != len(want[i]) || f.Flags != flags {
			t.Errorf("frame %d of %s is % x of flags %b, not % x", i+1, f.name, f.data, f.Flags, want[i])
			return
		}
	}
}

// loop sends datagrams over the loopback, to somebody who takes them.
func loop(t *testing.T, n int) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range n {
		if _, err := c.WriteTo([]byte("datagram"), c.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoopback reads lo alone: each packet is there once, coming in.
func TestLoopback(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	for workers := 1; workers <= 2; workers++ {
		cfg := Default()
		cfg.Interfaces, cfg.Workers = []string{"lo"}, workers
		k := take(t, cfg)
		loop(t, 10)
		got, stats := k.close()
		if n := len(got[0]) + len(got[workers-1])*(workers-1); n != 10 || stats[0].Packets != 10 {
			t.Errorf("%d frames of 10 datagrams: %+v", n, stats)
		}
		for _, f := range append(got[0], got[workers-1]...) {
			if f.Flags&capture.Outgoing != 0 {
				t.Errorf("%+v", f)
			}
		}
	}
}

// TestNewsAreSwift waits for no poll: an interface that is made is read
// within a moment.
func TestNewsAreSwift(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	cfg := Default()
	cfg.Interfaces = []string{"b*"}
	k := take(t, cfg)
	start := time.Now()
	lab.Veth(t, "a0", "b0")
	k.up("b0", true)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("after %v", d)
	}
	k.close()
}

// TestMissedNews is what happens when the kernel had more news than the
// socket holds: the list of interfaces tells what has become of them.
func TestMissedNews(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	lab.Veth(t, "a1", "b1")
	cfg := Default()
	cfg.Interfaces = []string{"b*"}
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Open(); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	old := in.Stats()[1].Index
	for range 2 {
		lab.Run(t, "ip link del a0")
		lab.Run(t, "ip link del a1")
		lab.Veth(t, "a1", "b1")
		if err := in.compare(); err != nil {
			t.Fatal(err)
		}
		if s := in.Stats(); s[0].Up || !s[1].Up || s[1].Index == old || len(s) != 2 {
			t.Errorf("%+v", s)
		}
		lab.Veth(t, "a0", "b0")
		if err := in.compare(); err != nil {
			t.Fatal(err)
		}
		if s := in.Stats(); !s[0].Up || !s[1].Up {
			t.Errorf("%+v", s)
		}
	}
}

// TestPromiscuous switches the interface, with as many sockets as there are
// workers, and back.
func TestPromiscuous(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	for _, on := range []bool{true, false} {
		cfg := Default()
		cfg.Interfaces, cfg.Promiscuous, cfg.Workers = []string{"b0"}, on, 2
		k := take(t, cfg)
		if got := !strings.Contains(lab.Run(t, "ip -d link show b0"), "promiscuity 0"); got != on {
			t.Errorf("promiscuous %v, not %v", got, on)
		}
		k.close()
		if !strings.Contains(lab.Run(t, "ip -d link show b0"), "promiscuity 0") {
			t.Error("it stays promiscuous")
		}
	}
}
