package meter

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter/flow"
)

// slowSink takes its time over a batch, or never gives one back.
type slowSink struct {
	records atomic.Int64
	pause   time.Duration
	hang    chan struct{}
}

func (s *slowSink) Export(b *flow.Batch) error {
	if s.hang != nil {
		<-s.hang
	}
	time.Sleep(s.pause)
	s.records.Add(int64(len(b.Records)))
	return nil
}

func (*slowSink) Tick(time.Time) error { return nil }
func (*slowSink) Close() error         { return nil }

const manyFlows = 20_000

// manyRings give one packet of each of many conversations, and then nothing
// until hold is closed.
func manyRings(t *testing.T, workers int, hold <-chan struct{}) []Ring {
	tr := newTrace()
	now := time.Now().UnixNano()
	for i := range uint32(manyFlows) {
		frame := make([]byte, 60)
		copy(frame[12:], "\x08\x00\x45\x00\x00\x2e\x00\x00\x40\x00\x40\x11\x00\x00")
		binary.BigEndian.PutUint32(frame[26:], 0x0a000000+i)
		binary.BigEndian.PutUint32(frame[30:], 0xc0000201)
		copy(frame[34:], "\x04\x00\x00\x35\x00\x1a\x00\x00")
		now += 1000
		tr.add(now, frame, 60)
	}
	rings := tr.rings(t, workers)
	for _, r := range rings {
		r.(*testRing).hold = hold
	}
	return rings
}

// TestForcedFlowsWaitForRoom: far more flows end at once than the queue holds,
// and none is lost: at the stop, at a reload, and when somebody wants them now.
func TestForcedFlowsWaitForRoom(t *testing.T) {
	for name, meanwhile := range map[string]func(*Meter) error{
		"stop":   func(*Meter) error { return nil },
		"expire": (*Meter).Expire,
		"reload": func(m *Meter) error { return m.Reload(Change{RuleSets: ruleSets(t, "rulesets: ["+hosts+"]")}) },
	} {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(t *testing.T) {
				sink := &slowSink{pause: time.Millisecond}
				q := forceLive(t, workers, sink, meanwhile)
				if got, lost := sink.records.Load(), q.Stats().Lost().Records; got != manyFlows || lost != 0 {
					t.Errorf("%d records of %d flows arrived, %d were dropped", got, manyFlows, lost)
				}
			})
		}
	}
}

// TestForcedFlowsDoNotWaitForTheDead: an exporter that takes nothing holds up
// nobody for more than moments, and what it was to get is counted.
func TestForcedFlowsDoNotWaitForTheDead(t *testing.T) {
	sink := &slowSink{hang: make(chan struct{})}
	time.AfterFunc(4*time.Second, func() { close(sink.hang) })
	start := time.Now()
	q := forceLive(t, 2, sink, (*Meter).Expire)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if got, lost := sink.records.Load(), q.Stats().Lost().Records; lost == 0 || got+int64(lost) != manyFlows {
		t.Errorf("%d records arrived and %d were dropped of %d", got, lost, manyFlows)
	}
}

// forceLive meters many flows into a small queue before sink, does something
// once all are there, and stops.
func forceLive(t *testing.T, workers int, sink exporters.Sink, meanwhile func(*Meter) error) *exporters.Queue {
	q := exporters.NewQueue("test", sink, exporters.QueueConfig{Records: 1000, Drain: 10 * time.Second})
	hold := make(chan struct{})
	cfg := DefaultConfig()
	cfg.RuleSets, cfg.Workers = ruleSets(t, "rulesets: [{name: all}]"), workers
	m := New(cfg, []Exporter{q})
	fed := make(chan error)
	go func() { fed <- q.Run(context.Background()) }()
	go func() {
		defer close(hold)
		for m.Totals().Read < manyFlows {
			time.Sleep(time.Millisecond)
		}
		if err := meanwhile(m); err != nil {
			t.Error(err)
		}
	}()
	if err := m.RunLive(manyRings(t, workers, hold), func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	Finish([]Exporter{q}, AccountOf([]*Meter{m}))
	if err := <-fed; err != nil {
		t.Error(err)
	}
	return q
}
