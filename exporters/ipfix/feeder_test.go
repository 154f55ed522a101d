package ipfix

import (
	"log/slog"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter/flow"
)

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// feeder runs a live exporter behind its queue.
type feeder struct {
	t     testing.TB
	e     *Exporter
	q     *exporters.Queue
	done  chan error
	given []flow.Record
}

func feed(t testing.TB, cfg Config) *feeder {
	t.Helper()
	f := prepare(t, cfg)
	f.start()
	return f
}

func prepare(t testing.TB, cfg Config) *feeder {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	qc := exporters.DefaultQueue()
	qc.Log = quietLog()
	return &feeder{t: t, e: e, q: exporters.NewQueue("live", e, qc), done: make(chan error, 1)}
}

func (f *feeder) start() {
	go func() { f.done <- f.q.Run(f.t.Context()) }()
}

// give offers records; none of this may take long.
func (f *feeder) give(records []flow.Record) {
	f.t.Helper()
	begin := time.Now()
	for i := 0; i < len(records); i += 100 {
		b := batch(records[i:min(i+100, len(records))])
		b.Retain(1)
		f.q.Offer(b)
	}
	if d := time.Since(begin); d > time.Second {
		f.t.Errorf("the meter was held up for %v", d)
	}
	f.given = append(f.given, records...)
}

// steadily gives n records a second until something ends.
func (f *feeder) steadily(source []flow.Record, perTick int, d time.Duration) (rest []flow.Record) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		if len(source) < perTick {
			f.t.Fatal("not enough records for this test")
		}
		f.give(source[:perTick])
		source = source[perTick:]
	}
	return source
}

// untilSpooled gives n records at a time until some go to disk: sockets may take
// megabytes before.
func (f *feeder) untilSpooled(source []flow.Record, perTick int) (rest []flow.Record) {
	f.t.Helper()
	for f.e.Stats().SpoolRecords.Load() == 0 {
		source = f.steadily(source, perTick, 100*time.Millisecond)
	}
	return source
}

// end offers the final batch and waits for the exporter's end.
func (f *feeder) end() {
	f.t.Helper()
	b := &flow.Batch{Final: true}
	b.Retain(1)
	f.q.Offer(b)
	if err := <-f.done; err != nil {
		f.t.Error(err)
	}
}

// sent waits until everything given was sent.
func (f *feeder) sent(patience time.Duration) {
	f.t.Helper()
	until(f.t, "all was sent", patience, func() bool { return f.e.Stats().Records.Load() == uint64(len(f.given)) })
}

// check compares what arrived with what was given: nothing is missing, and
// what came twice was counted.
func (f *feeder) check(p *peer) {
	f.t.Helper()
	times, _ := p.flows()
	missing, twice := 0, 0
	for i := range f.given {
		r := &f.given[i]
		n := times[flowPiece{r.FlowID, uint64(r.Piece)}]
		if n == 0 {
			missing++
		}
		twice += max(0, n-1)
	}
	s := f.e.Stats()
	f.t.Logf("%d records given, %d sessions, %d arrived twice, %d counted as sent again, %d breaks",
		len(f.given), len(p.sessions()), twice, s.Resent.Load(), s.Breaks.Load())
	if missing > 0 {
		f.t.Errorf("%d of %d records never arrived", missing, len(f.given))
	}
	if uint64(twice) > s.Resent.Load() {
		f.t.Errorf("%d arrived again, but %d were counted", twice, s.Resent.Load())
	}
	if len(times) > len(f.given) {
		f.t.Errorf("%d records arrived that nobody sent", len(times)-len(f.given))
	}
	if lost := s.Lost(); lost.Records != 0 {
		f.t.Errorf("counted as lost: %+v", lost)
	}
}
