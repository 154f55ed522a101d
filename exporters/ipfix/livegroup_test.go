package ipfix

import (
	"syscall"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// TestLiveFailover kills the first of two collectors and brings it back: the
// records are with one of them, and the spool's come when it is back.
func TestLiveFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	first, cfg := newPeer(t, false)
	second, cfg2 := newPeer(t, false)
	first.run()
	second.run()
	a, b := feed(t, cfg), feed(t, cfg2)
	g := exporters.NewGroup(exporters.Failover, []*exporters.Queue{a.q, b.q}, quietLog())
	records := sample.TCP4(20_000)
	given := 0
	give := func(d time.Duration) {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
			batch := batch(records[given : given+20])
			batch.Retain(1)
			g.Offer(batch)
			given += 20
		}
	}
	give(time.Second)
	first.signal(syscall.SIGKILL)
	give(5 * time.Second)
	moved := a.e.Stats().Rerouted.Load()
	if moved == 0 || b.e.Stats().Records.Load() == 0 {
		t.Errorf("%d records moved, the second sent %d", moved, b.e.Stats().Records.Load())
	}
	first.run()
	until(t, "the first is back", 35*time.Second, a.e.Stats().Up.Load)
	give(time.Second)
	at := b.e.Stats().Records.Load() + uint64(b.q.Stats().Queued.Load())
	give(time.Second)
	if n := b.e.Stats().Records.Load(); n > at+20 {
		t.Errorf("the second still gets records: %d after %d", n, at)
	}
	final := &flow.Batch{Final: true}
	final.Retain(1)
	g.Offer(final)
	<-a.done
	<-b.done
	fromFirst, _ := first.flows()
	fromSecond, _ := second.flows()
	for i := range given {
		f := flowPiece{records[i].FlowID, uint64(records[i].Piece)}
		if fromFirst[f]+fromSecond[f] == 0 {
			t.Fatalf("record %d of %d went to nobody", i, given)
		}
	}
	if uint64(len(fromSecond)) != a.e.Stats().Rerouted.Load() {
		t.Errorf("the second got %d, %d are counted as moved", len(fromSecond), a.e.Stats().Rerouted.Load())
	}
}
