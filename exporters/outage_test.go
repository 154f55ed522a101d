//go:build integration

package exporters_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/ipfix"
	"flowmeter/exporters/netflow5"
	"flowmeter/exporters/netflow9"
	"flowmeter/meter/flow"
	"flowmeter/meter/lab"
)

// moving is a resolver that finds the collector where the test has put it.
type moving struct{ addr atomic.Pointer[netip.Addr] }

func (m *moving) put(addr string) {
	a := netip.MustParseAddr(addr)
	m.addr.Store(&a)
}

func (m *moving) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{*m.addr.Load()}, nil
}

// load offers records at a steady rate to a live exporter.
type load struct {
	t       *testing.T
	q       *exporters.Queue
	records []flow.Record
	given   int
}

func (l *load) give(d time.Duration) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		b := &flow.Batch{Records: l.records[l.given : l.given+20]}
		b.Retain(1)
		l.q.Offer(b)
		l.given += 20
	}
}

// settle waits until all that was given has left, and tells how many records
// that is by the account.
func (l *load) settle() uint64 {
	l.t.Helper()
	before := uint64(0)
	for range 10 {
		time.Sleep(1100 * time.Millisecond) // a tick
		if n := l.q.Stats().Records.Load(); n == before {
			return n
		} else {
			before = n
		}
	}
	l.t.Fatal("the exporter does not come to rest")
	return 0
}

// TestUDPOutage kills nfcapd and restarts it, at its own and at another
// address. What it lacks is what the account says was sent meanwhile; before
// and after, it has everything.
func TestUDPOutage(t *testing.T) {
	type sink interface {
		exporters.Sink
		Stats() *exporters.Stats
	}
	makers := map[string]func(exporters.Common) (sink, error){
		"ipfix": func(c exporters.Common) (sink, error) {
			cfg := ipfix.Default()
			c.MaxMessage = cfg.MaxMessage
			cfg.Common = c
			return ipfix.New(cfg)
		},
		"netflow9": func(c exporters.Common) (sink, error) {
			cfg := netflow9.Default()
			c.MaxMessage = cfg.MaxMessage
			cfg.Common = c
			return netflow9.New(cfg)
		},
		"netflow5": func(c exporters.Common) (sink, error) {
			cfg := netflow5.Default()
			c.MaxMessage = cfg.MaxMessage
			cfg.Common = c
			return netflow5.New(cfg)
		},
	}
	for name, make := range makers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := startNfcapd(t)
			where := &moving{}
			where.put("127.0.0.1")
			c := exporters.DefaultCommon()
			c.Address, c.Live, c.Domain, c.Resolver, c.Sockets = fmt.Sprintf("collector.example:%d", first.Port), true, 1, where, &exporters.Sockets{}
			e, err := make(c)
			if err != nil {
				t.Fatal(err)
			}
			qc := exporters.DefaultQueue()
			qc.Log = slog.New(slog.DiscardHandler)
			l := &load{t: t, q: exporters.NewQueue(name, e, qc), records: plain(40_000, name == "netflow5")}
			go l.q.Run(t.Context())

			l.give(2 * time.Second)
			sent1 := l.settle()
			got1 := uint64(len(stop(first, format)))
			l.give(2 * time.Second) // nobody listens
			sent2 := l.settle()
			second := lab.StartNfcapd(t, "", lab.Local(first.Port))
			l.give(2 * time.Second)
			sent3 := l.settle()
			got3 := uint64(len(stop(second, format)))
			where.put("127.0.0.2")
			l.give(4 * time.Second) // the name is looked up, but nobody listens there either
			for end := time.Now().Add(20 * time.Second); remote(c.Sockets) != "127.0.0.2"; l.give(time.Second) {
				if time.Now().After(end) {
					t.Fatalf("still at %s", remote(c.Sockets))
				}
			}
			sent4 := l.settle()
			third := lab.StartNfcapd(t, "", fmt.Sprintf("127.0.0.2:%d", first.Port))
			l.give(2 * time.Second)
			sent5 := l.settle()
			got5 := uint64(len(stop(third, format)))

			t.Logf("sent and arrived: %d %d; none there: %d; restarted: %d %d; none there: %d; moved: %d %d",
				sent1, got1, sent2-sent1, sent3-sent2, got3, sent4-sent3, sent5-sent4, got5)
			for i, pair := range [][2]uint64{{sent1, got1}, {sent3 - sent2, got3}, {sent5 - sent4, got5}} {
				if pair[0] != pair[1] || pair[0] == 0 {
					t.Errorf("collector %d got %d records of %d", i+1, pair[1], pair[0])
				}
			}
			if sent2 == sent1 || sent4 == sent3 {
				t.Error("nothing was sent while nobody listened: the test tests nothing")
			}
			if n := e.Stats().Lost().Records; n != 0 {
				t.Errorf("%d records counted as not sent", n)
			}
		})
	}
}

// remote is where the newest socket goes to.
func remote(s *exporters.Sockets) string {
	all := s.Load()
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].Remote.Addr().String()
}

// TestUDPRestartUnderLoad restarts nfcapd while records are sent: what it lacks
// is no more than what was sent from before its end until it listened again.
func TestUDPRestartUnderLoad(t *testing.T) {
	first := startNfcapd(t)
	cfg := ipfix.Default()
	cfg.Address, cfg.Live, cfg.Domain = lab.Local(first.Port), true, 1
	e, err := ipfix.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	qc := exporters.DefaultQueue()
	qc.Log = slog.New(slog.DiscardHandler)
	l := &load{t: t, q: exporters.NewQueue("ipfix", e, qc), records: plain(40_000, false)}
	go l.q.Run(t.Context())
	l.give(2 * time.Second)
	down := l.settle()
	got := uint64(len(stop(first, format)))
	going := make(chan struct{})
	go func() { l.give(5 * time.Second); close(going) }()
	time.Sleep(1500 * time.Millisecond)
	second := lab.StartNfcapd(t, "", lab.Local(first.Port)) // returns once it listens
	up := e.Stats().Records.Load()
	<-going
	all := l.settle()
	got += uint64(len(stop(second, format)))
	missing := all - got
	t.Logf("%d sent, %d arrived, %d missing; %d were sent while it was down and being started", all, got, missing, up-down)
	if missing == 0 || missing > up-down {
		t.Error("more is missing than was sent while nobody listened")
	}
}
