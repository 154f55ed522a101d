//go:build integration

package ipfix

import (
	"strings"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/lab"
)

// TestLiveCutOff has the collector in another network namespace, to which the
// wire is cut: for as long as a connection lasts through, and for longer.
func TestLiveCutOff(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	far := lab.Far(t)
	eachTransport(t, func(t *testing.T, secure bool) {
		t.Run("TCPGoesOn", func(t *testing.T) { cutOff(t, far, secure, 30*time.Second) })
		t.Run("HostSilent", func(t *testing.T) { cutOff(t, far, secure, 2*time.Second) })
	})
}

// cutOff takes the collector's interface down under load. It counts as gone
// after the given time of silence; before that, the connection outlives the
// cut.
func cutOff(t *testing.T, ns string, secure bool, silence time.Duration) {
	p, cfg := newPeer(t, secure)
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
	lab.RunIn(t, ns, "ip link set far down")
	rest = f.steadily(rest, 200, 5*time.Second)
	if silence < 5*time.Second && (f.e.Stats().Up.Load() || f.e.Stats().Breaks.Load() == 0) {
		t.Error("the exporter is said to be up")
	}
	lab.RunIn(t, ns, "ip link set far up")
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
