//go:build integration

package ipfix

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
)

// ip runs the command ip.
func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestLiveCutOff runs TestInNamespace in a network namespace that is connected
// to another one, with the collector, by a pair of interfaces.
func TestLiveCutOff(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("network namespaces need root")
		}
		t.Skip("network namespaces need root")
	}
	meter, collector := fmt.Sprintf("spool-%d-m", os.Getpid()), fmt.Sprintf("spool-%d-c", os.Getpid())
	for _, ns := range []string{meter, collector} {
		ip(t, "netns", "add", ns)
		t.Cleanup(func() { exec.Command("ip", "netns", "delete", ns).Run() })
		ip(t, "-n", ns, "link", "set", "lo", "up")
	}
	ip(t, "-n", meter, "link", "add", "meter0", "type", "veth", "peer", "name", "coll0", "netns", collector)
	ip(t, "-n", meter, "address", "add", "192.0.2.1/24", "dev", "meter0")
	ip(t, "-n", collector, "address", "add", "192.0.2.2/24", "dev", "coll0")
	ip(t, "-n", meter, "link", "set", "meter0", "up")
	ip(t, "-n", collector, "link", "set", "coll0", "up")
	for _, name := range []string{"TCPGoesOn", "HostSilent"} {
		for _, secure := range []string{"", "tls"} {
			t.Run(name+secure, func(t *testing.T) {
				cmd := exec.Command("ip", "netns", "exec", meter, os.Args[0], "-test.run=^TestInNamespace$/^"+name+"$", "-test.v")
				cmd.Env = append(os.Environ(), "METER_TEST_NETNS="+collector, "METER_TEST_SECURE="+secure)
				out, err := cmd.CombinedOutput()
				t.Logf("%s", out)
				if err != nil || !strings.Contains(string(out), "--- PASS: TestInNamespace/"+name) {
					t.Error(err)
				}
			})
		}
	}
}

// TestInNamespace is run by TestLiveCutOff.
func TestInNamespace(t *testing.T) {
	ns := os.Getenv("METER_TEST_NETNS")
	if ns == "" {
		t.Skip("run by TestLiveCutOff")
	}
	t.Run("TCPGoesOn", func(t *testing.T) { cutOff(t, ns, 30*time.Second) })
	t.Run("HostSilent", func(t *testing.T) { cutOff(t, ns, 2*time.Second) })
}

// cutOff takes the collector's interface down under load. It counts as gone
// after the given time of silence; before that, the connection outlives the
// cut.
func cutOff(t *testing.T, ns string, silence time.Duration) {
	p, cfg := newPeer(t, os.Getenv("METER_TEST_SECURE") != "")
	_, port, _ := strings.Cut(p.address, ":")
	p.address = "192.0.2.2:" + port
	p.wrap = []string{"ip", "netns", "exec", ns}
	cfg.Address, cfg.TLS.ServerName = p.address, "127.0.0.1"
	if cfg.Transport != TLS {
		cfg.TLS = exporters.TLS{}
	}
	p.run()
	f := feedWith(t, cfg, silence)
	rest := f.steadily(sample.TCP4(60_000), 50, time.Second)
	ip(t, "-n", ns, "link", "set", "coll0", "down")
	rest = f.steadily(rest, 200, 5*time.Second)
	if silence < 5*time.Second && (f.e.Stats().Up.Load() || f.e.Stats().Breaks.Load() == 0) {
		t.Error("the exporter is said to be up")
	}
	ip(t, "-n", ns, "link", "set", "coll0", "up")
	f.steadily(rest, 50, time.Second)
	f.sent(40 * time.Second)
	f.end()
	f.check(p)
	if s := f.e.Stats(); silence > 5*time.Second && (s.Breaks.Load() != 0 || s.Resent.Load() != 0) {
		t.Errorf("%d breaks, %d sent again", s.Breaks.Load(), s.Resent.Load())
	}
}

// feedWith is feed with another patience for a silent host.
func feedWith(t *testing.T, cfg Config, silence time.Duration) *feeder {
	t.Helper()
	f := prepare(t, cfg)
	o := f.e.out.(*liveOut)
	line := cfg.Line(0)
	line.Silence, line.Failed, line.MaxWait = silence, o.away, 2*time.Second
	if cfg.Transport == TLS {
		line.TLS = &cfg.TLS
	}
	o.tcp = exporters.NewTCP(line)
	f.start()
	return f
}
