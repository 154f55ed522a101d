package ipfix

import (
	"syscall"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
)

// balanced checks that each record was exported or dropped, and that some were
// sent that may not have arrived: else it would test nothing.
func balanced(t *testing.T, s *exporters.Stats, given int) {
	t.Helper()
	exported, lost := s.Records.Load(), s.Lost().Records
	t.Logf("%d given, %d exported, %d dropped, %d messages, %d records sent again", given, exported, lost, s.Messages.Load(), s.Resent.Load())
	if exported+lost != uint64(given) || s.Queued.Load() != 0 {
		t.Errorf("%d exported, %d dropped and %d queued are %d, not %d", exported, lost, s.Queued.Load(), exported+lost, given)
	}
	if s.Dropped(exporters.Unreachable) == 0 || s.Messages.Load() == 0 {
		t.Error("nothing was in doubt")
	}
}

// TestLiveEndsInDoubt ends a run without a spool while the collector has stopped
// reading, and when it has just died: what was sent and may not have arrived is
// dropped, and so not exported.
func TestLiveEndsInDoubt(t *testing.T) {
	for name, dies := range map[string]bool{"stops reading": false, "dies": true} {
		t.Run(name, func(t *testing.T) {
			p, cfg := newPeer(t, false)
			cfg.Spool.Dir, cfg.Overlap = "", 50_000
			p.limit = 200_000
			p.run()
			e, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			f := &feeder{t: t, e: e, done: make(chan error, 1)}
			f.q = exporters.NewQueue("live", e, exporters.QueueConfig{Records: 1 << 20, Drain: time.Second, Log: quietLog()})
			f.start()
			f.give(sample.TCP4(50_000))
			until(t, "something was sent", 10*time.Second, func() bool { return e.Stats().Records.Load() > 1000 })
			if dies {
				p.signal(syscall.SIGKILL)
				until(t, "that was noticed", 10*time.Second, func() bool { return e.Stats().Breaks.Load() > 0 })
			}
			f.end()
			balanced(t, e.Stats(), len(f.given))
		})
	}
}

// TestTCPEndsInDoubt has a collector that crashes and does not come back, while
// traces are read.
func TestTCPEndsInDoubt(t *testing.T) {
	s := serve(t, 100_000)
	cfg := tcpConfig(s.l.Addr().String())
	cfg.GiveUp = 200 * time.Millisecond
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	q := exporters.NewQueue("tcp", e, exporters.QueueConfig{Records: 1000, Lossless: true, Log: quietLog()})
	done := make(chan error, 1)
	go func() { done <- q.Run(t.Context()) }()
	records := sample.TCP4(10_000)
	b := batch(records[:500])
	b.Retain(1)
	q.Offer(b)
	until(t, "something was sent", 5*time.Second, func() bool { return e.Stats().Records.Load() > 0 })
	s.l.Close()
	offer(q, records[500:])
	if err := <-done; err != nil {
		t.Error(err)
	}
	balanced(t, e.Stats(), len(records))
}
