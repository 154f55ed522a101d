package exporters

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowmeter/meter/flow"
)

// memberSink keeps the ids of the flows that it gets.
type memberSink struct {
	mu    sync.Mutex
	stats Stats
	ids   []uint64
	other int // batches that told something beside records
	gate  chan struct{}
}

func (s *memberSink) Stats() *Stats { return &s.stats }

func (s *memberSink) Export(b *flow.Batch) error {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b.Records {
		s.ids = append(s.ids, b.Records[i].FlowID)
	}
	if b.Stats != nil {
		s.other++
	}
	s.stats.Records.Add(uint64(len(b.Records)))
	return nil
}

func (s *memberSink) Tick(time.Time) error { return nil }
func (s *memberSink) Close() error         { return nil }

func (s *memberSink) got() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

// groupOf returns a running group of n members that are all up.
func groupOf(t *testing.T, mode Mode, n int) (*Group, []*memberSink, func()) {
	var sinks []*memberSink
	var queues []*Queue
	var waits []func() error
	for i := range n {
		s := &memberSink{}
		s.stats.Up.Store(true)
		q := NewQueue(fmt.Sprintf("ipfix collector%d:4739", i), s, QueueConfig{Records: 1 << 20, Log: quiet()})
		sinks, queues = append(sinks, s), append(queues, q)
		waits = append(waits, start(q, t.Context()))
	}
	g := NewGroup(mode, queues, quiet())
	return g, sinks, func() {
		for _, w := range waits {
			w()
		}
	}
}

// flows returns a batch of n records with random flow ids.
func flows(n int, rng *rand.Rand) *flow.Batch {
	b := batchOf(n, false)
	for i := range b.Records {
		b.Records[i].FlowID = rng.Uint64()
	}
	return b
}

func finish(g *Group, wait func()) {
	b := batchOf(0, true)
	b.Stats = &flow.Statistics{}
	g.Offer(b)
	wait()
}

// TestGroupBalance: all pieces of a flow go to one member, and shares are
// fair.
func TestGroupBalance(t *testing.T) {
	g, sinks, wait := groupOf(t, Balance, 3)
	rng := rand.New(rand.NewPCG(2, 2))
	var all []uint64
	for range 100 {
		b := flows(100, rng)
		for i := range b.Records {
			all = append(all, b.Records[i].FlowID)
		}
		for range 2 { // two pieces
			b.Retain(1)
			g.Offer(b)
		}
	}
	finish(g, wait)
	who := map[uint64]int{}
	for i, s := range sinks {
		if n := len(s.got()); n < 6000 || n > 7400 {
			t.Errorf("member %d got %d of 20000", i, n)
		}
		if s.other != 1 {
			t.Errorf("member %d got %d statistics", i, s.other)
		}
		for _, id := range s.got() {
			if was, known := who[id]; known && was != i {
				t.Fatalf("flow %x went to %d and %d", id, was, i)
			}
			who[id] = i
		}
	}
	if len(who) != len(all) {
		t.Errorf("%d flows arrived of %d", len(who), len(all))
	}
}

// TestGroupBalanceWithoutOne: only the flows of the one that is away move, and
// they are counted.
func TestGroupBalanceWithoutOne(t *testing.T) {
	g, sinks, wait := groupOf(t, Balance, 3)
	b := flows(3000, rand.New(rand.NewPCG(3, 3)))
	b.Retain(2)
	g.Offer(b)
	until(t, func() bool { return len(sinks[0].got())+len(sinks[1].got())+len(sinks[2].got()) == 3000 })
	before := [][]uint64{sinks[0].got(), sinks[1].got(), sinks[2].got()}
	sinks[1].stats.Up.Store(false)
	g.members[1].alive = time.Now().Add(-patience - time.Second)
	g.Offer(b)
	sinks[1].stats.Up.Store(true)
	g.Offer(b)
	finish(g, wait)
	if moved := sinks[1].stats.Rerouted.Load(); moved != uint64(len(before[1])) || moved == 0 {
		t.Errorf("%d counted as moved, %d were its own", moved, len(before[1]))
	}
	if n := len(sinks[1].got()); n != 2*len(before[1]) {
		t.Errorf("the one that was away got %d, want %d twice", n, len(before[1]))
	}
	for _, i := range []int{0, 2} {
		got := sinks[i].got()[len(before[i]):]
		for _, id := range before[i] {
			if !slices.Contains(got, id) {
				t.Fatalf("flow %x left member %d, which was there", id, i)
			}
		}
	}
	if total := len(sinks[0].got()) + len(sinks[1].got()) + len(sinks[2].got()); total != 9000 {
		t.Errorf("%d records in all", total)
	}
}

func until(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come about")
		}
	}
}

// TestGroupFailover goes to the second when the first is away, and back.
func TestGroupFailover(t *testing.T) {
	g, sinks, wait := groupOf(t, Failover, 2)
	rng := rand.New(rand.NewPCG(4, 4))
	offer := func(n int) {
		g.Offer(flows(n, rng))
	}
	offer(10)
	sinks[0].stats.Up.Store(false)
	offer(20) // not away for long enough: it waits there
	g.members[0].alive = time.Now().Add(-patience - time.Second)
	offer(300)
	sinks[1].stats.Up.Store(false)
	g.members[1].alive = time.Now().Add(-patience - time.Second)
	offer(5000) // nobody is there: it waits with the first
	sinks[0].stats.Up.Store(true)
	sinks[1].stats.Up.Store(true)
	offer(70000)
	finish(g, wait)
	if a, b := len(sinks[0].got()), len(sinks[1].got()); a != 10+20+5000+70000 || b != 300 {
		t.Errorf("first got %d, second %d", a, b)
	}
	if n := sinks[0].stats.Rerouted.Load(); n != 300 {
		t.Errorf("%d counted as taken by another", n)
	}
}

// TestGroupWaitsForNobody has a member that takes nothing. The other one gets
// its share all the same, and the batches are given back.
func TestGroupWaitsForNobody(t *testing.T) {
	slow := &memberSink{gate: make(chan struct{})}
	slow.stats.Up.Store(true)
	fast := &memberSink{}
	fast.stats.Up.Store(true)
	queues := []*Queue{NewQueue("slow", slow, QueueConfig{Records: 100, Log: quiet()}), NewQueue("fast", fast, QueueConfig{Records: 1 << 20, Log: quiet()})}
	waitSlow, waitFast := start(queues[0], t.Context()), start(queues[1], t.Context())
	g := NewGroup(Balance, queues, quiet())
	rng := rand.New(rand.NewPCG(5, 5))
	shares := map[string]int{}
	var released atomic.Int32
	begin := time.Now()
	for range 100 {
		b := flows(50, rng)
		for i := range b.Records {
			shares[g.best(b.Records[i].FlowID, true).Name()]++
		}
		b.Recycle = func(*flow.Batch) { released.Add(1) }
		g.Offer(b)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("offering took %v", d)
	}
	if n := released.Load(); n != 100 {
		t.Errorf("%d of 100 batches were given back", n)
	}
	g.Offer(batchOf(0, true))
	waitFast()
	close(slow.gate)
	waitSlow()
	if n := len(fast.got()); n != shares["fast"] || n < 1000 {
		t.Errorf("the other one got %d, its share is %d of 5000", n, shares["fast"])
	}
	if n := len(slow.got()) + int(slow.stats.Dropped(QueueFull)); n != shares["slow"] || slow.stats.Dropped(QueueFull) == 0 {
		t.Errorf("the slow one accounts for %d, %d of them dropped; its share is %d of 5000", n, slow.stats.Dropped(QueueFull), shares["slow"])
	}
}
