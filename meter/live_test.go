package meter

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// testRing gives one worker's share of batches that were captured before.
type testRing struct {
	batches []*capture.Batch
	ifaces  []capture.Interface
	hold    <-chan struct{} // the ring ends when this is closed; nil: after the last batch
}

func (r *testRing) Interfaces() []capture.Interface { return r.ifaces }

func (r *testRing) Next(wait time.Duration) (*capture.Batch, error) {
	if len(r.batches) > 0 {
		b := r.batches[0]
		r.batches = r.batches[1:]
		return b, nil
	}
	if r.hold == nil {
		return nil, io.EOF
	}
	select {
	case <-r.hold:
		return nil, io.EOF
	case <-time.After(wait):
		return nil, nil
	}
}

// rings divides a trace among the rings of workers, as the kernel does.
func (t *trace) rings(tb testing.TB, workers int) []Ring {
	tb.Helper()
	src, err := t.open(50)()
	if err != nil {
		tb.Fatal(err)
	}
	rings := make([]*testRing, workers)
	for i := range rings {
		rings[i] = &testRing{ifaces: []capture.Interface{{Name: "eth7", Index: 7}}}
	}
	for {
		b, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			tb.Fatal(err)
		}
		divide(rings, b)
		b.Release()
	}
	all := make([]Ring, workers)
	for i, r := range rings {
		all[i] = r
	}
	return all
}

func divide(rings []*testRing, b *capture.Batch) {
	shares := make([]*capture.Batch, len(rings))
	for i := range b.Frames {
		f := b.Frames[i]
		worker := uint64(packet.Shard(packet.LinkType(f.Link), b.Data(&f))) * uint64(len(rings)) >> 32
		if shares[worker] == nil {
			shares[worker] = capture.NewBatch(func(*capture.Batch) {})
			shares[worker].Retain(1)
			shares[worker].Buf = slices.Clone(b.Buf)
		}
		shares[worker].Frames = append(shares[worker].Frames, f)
	}
	for i, s := range shares {
		if s != nil {
			rings[i].batches = append(rings[i].batches, s)
		}
	}
}

// steadyTrace makes packets in the order of their times, on a link that is
// never quiet for long.
func steadyTrace(seed uint64, packets int, start time.Time, gap time.Duration) *trace {
	rnd := rand.New(rand.NewPCG(seed, 4))
	t := newTrace()
	now := start.UnixNano()
	for range packets {
		now += 1 + rnd.Int64N(int64(gap))
		t.add(now, randomFrame(rnd), 1<<16)
	}
	return t
}

// meterLive runs a Meter over rings.
func meterLive(t *testing.T, cfg Config, rings []Ring, meanwhile func(*Meter)) *outcome {
	t.Helper()
	c := newCollector()
	cfg.Workers = len(rings)
	m := New(cfg, []Exporter{c})
	o := &outcome{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if meanwhile != nil {
			meanwhile(m)
		}
	}()
	if err := m.RunLive(rings, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	<-done
	Finish([]Exporter{c}, AccountOf([]*Meter{m}))
	close(c.batches)
	<-c.done
	o.totals = m.Totals()
	o.records, o.sizes, o.clocks, o.stats = c.records, c.sizes, c.clocks, *c.stats
	checkBalance(t, o, m.Names())
	return o
}

// sorted returns records in the order of their release, without what differs
// between a live interface and a trace.
func sorted(records []flow.Record) []string {
	all := make([]string, len(records))
	for i := range records {
		r := records[i]
		name := r.RuleSet.Name
		r.RuleSet, r.First.Iface, r.Has = nil, 0, r.Has&^flow.HasIface
		all[i] = fmt.Sprintf("%s %+v", name, r)
	}
	slices.Sort(all)
	return all
}

// TestLiveIsAsRead: rings give the records that a trace gives, with any number
// of workers, of conversational and aggregating rule sets.
func TestLiveIsAsRead(t *testing.T) {
	tr := steadyTrace(1, 8000, time.Unix(1_700_000_000, 0), 40*time.Millisecond)
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, sideBySide)
	c := newCollector()
	if err := run(New(cfg, []Exporter{c}), c, func(err error) { t.Error(err) }, tr.open(50)); err != nil {
		t.Fatal(err)
	}
	want := sorted(c.records)
	for _, workers := range []int{1, 2, 3} {
		o := meterLive(t, cfg, tr.rings(t, workers), nil)
		got := sorted(o.records)
		if o.totals.Read != 8000 || len(got) != len(want) {
			t.Errorf("%d workers: %d packets read, %d records; want %d", workers, o.totals.Read, len(got), len(want))
		}
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%d workers, record %d:\n%s\nnot\n%s", workers, i, got[i], want[i])
			}
		}
		if s := o.stats.Interfaces; len(s) != 1 || s[0] != (flow.Interface{Index: 7, Name: "eth7"}) {
			t.Errorf("interfaces %v", s)
		}
		for i := range o.records {
			if r := &o.records[i]; r.Has&flow.HasIface != 0 && r.First.Iface != 7 {
				t.Fatalf("a record of interface %d", r.First.Iface)
			}
		}
	}
}

// TestQuietLink: flows end by the wall clock where no packet comes, and their
// records are sent without waiting for others.
func TestQuietLink(t *testing.T) {
	for _, workers := range []int{1, 2} {
		tr := steadyTrace(2, 200, time.Now(), time.Millisecond)
		cfg := DefaultConfig()
		cfg.RuleSets = ruleSets(t, `rulesets: [{name: a, timeouts: {idle: 300ms}}, {name: b, timeouts: {idle: 300ms}, rules: [{save: [dst.port], do: count}]}]`)
		rings, hold := tr.rings(t, workers), make(chan struct{})
		for _, r := range rings {
			r.(*testRing).hold = hold
		}
		o := meterLive(t, cfg, rings, func(m *Meter) {
			defer m.Stop()
			for until := time.Now().Add(20 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
				total := m.Totals()
				if total.Read == 200 && total.RuleSets[0].Live+total.RuleSets[1].Live == 0 {
					time.Sleep(flushEvery + 3*beat)
					return
				}
			}
			t.Error("flows do not end")
		})
		if n := len(o.sizes); n < 2 || o.sizes[n-1] != 0 {
			t.Errorf("batches of %v records: some waited for the end", o.sizes)
		}
		for i := range o.records {
			if r := &o.records[i]; r.EndReason != flow.EndIdle && r.EndReason != flow.EndDetected {
				t.Errorf("a record that ended by %v", r.EndReason)
			}
		}
		close(hold)
	}
}

// TestProgress has two workers on a quiet link, and then holds one of them up:
// only that one is behind.
func TestProgress(t *testing.T) {
	rings, hold := steadyTrace(2, 20, time.Now(), time.Millisecond).rings(t, 2), make(chan struct{})
	for _, r := range rings {
		r.(*testRing).hold = hold
	}
	cfg := DefaultConfig()
	cfg.Input = "eth0"
	meterLive(t, cfg, rings, func(m *Meter) {
		defer close(hold)
		defer m.Stop()
		time.Sleep(5 * beat)
		for i, at := range m.Progress() {
			if d := time.Since(at); d > 20*beat {
				t.Errorf("worker %d is behind by %v", i, d)
			}
		}
		stuck, goOn := make(chan struct{}), make(chan struct{})
		m.live[1].requests <- func(*liveWorker) { close(stuck); <-goOn }
		<-stuck
		time.Sleep(10 * beat)
		if p := m.Progress(); len(p) != 2 || p[0].Sub(p[1]) < 5*beat {
			t.Errorf("one worker stands still: %v", p)
		}
		seen := map[string]uint64{}
		progress(AccountOf([]*Meter{m}), func(v uint64, labels ...string) { seen[labels[0]+" "+labels[1]] = v })
		if now := uint64(time.Now().Unix()); len(seen) != 2 || seen["eth0 0"] < now-2 || seen["eth0 1"] == 0 {
			t.Errorf("at %d: %v", now, seen)
		}
		close(goOn)
	})
}

// TestWallClockSetBack: a clock that is set back while the link is quiet ends
// the flows of before.
func TestWallClockSetBack(t *testing.T) {
	tr := steadyTrace(3, 100, time.Now().Add(time.Hour), time.Millisecond)
	rings := tr.rings(t, 1)
	hold := make(chan struct{})
	rings[0].(*testRing).hold = hold
	o := meterLive(t, DefaultConfig(), rings, func(m *Meter) {
		for until := time.Now().Add(20 * time.Second); m.Totals().ClockSteps == 0 && time.Now().Before(until); {
			time.Sleep(10 * time.Millisecond)
		}
		m.Stop()
	})
	close(hold)
	if o.totals.ClockSteps != 1 || len(o.records) == 0 || o.records[0].EndReason != flow.EndForced && o.records[0].EndReason != flow.EndDetected {
		t.Errorf("%d steps, %d records", o.totals.ClockSteps, len(o.records))
	}
}

// TestStoppedReadsTheRing: what came in before the stop is metered.
func TestStoppedReadsTheRing(t *testing.T) {
	tr := steadyTrace(4, 5000, time.Now(), time.Microsecond)
	rings, hold := tr.rings(t, 2), make(chan struct{})
	for _, r := range rings {
		r.(*testRing).hold = hold
	}
	o := meterLive(t, DefaultConfig(), rings, (*Meter).Stop)
	close(hold)
	if o.totals.Read != 5000 {
		t.Errorf("%d of 5000 packets", o.totals.Read)
	}
}

// TestOffloadedFrames: a frame that stands for several packets counts as these.
func TestOffloadedFrames(t *testing.T) {
	whole, small := newTrace(), newTrace()
	at := time.Now().UnixNano()
	for i := range 20 {
		for _, size := range []int{5000, 1000, 1000, 1000, 1000, 1000} {
			f := frame{src: 1, dst: byte(2 + i%5), proto: packet.ProtoTCP, sport: 1000, dport: 80, flags: 0x10, ttl: 64, payload: size}
			to := small
			if size == 5000 {
				to = whole
			}
			to.add(at+int64(i), f.bytes(), 1<<16)
		}
	}
	rings := whole.rings(t, 1)
	for _, b := range rings[0].(*testRing).batches {
		for i := range b.Frames {
			b.Frames[i].Segment, b.Frames[i].Flags = 1000, capture.Offloaded
		}
	}
	o := meterLive(t, DefaultConfig(), rings, nil)
	p := meterLive(t, DefaultConfig(), small.rings(t, 1), nil)
	if o.totals.Read != 100 || o.totals.OffloadFrames != 20 || o.totals.OffloadPackets != 100 {
		t.Errorf("%+v", o.totals)
	}
	got, want := sorted(o.records), sorted(p.records)
	if !slices.Equal(got, want) {
		t.Errorf("offloaded:\n%v\nas packets:\n%v", got, want)
	}
}

// TestSampling: what is not chosen is on a line of its own, and the balance
// closes.
func TestSampling(t *testing.T) {
	tr := steadyTrace(5, 20000, time.Unix(1_700_000_000, 0), time.Millisecond)
	cfg := DefaultConfig()
	cfg.Sample = 10
	cfg.RuleSets = ruleSets(t, sideBySide)
	for _, workers := range []int{1, 2} {
		o := meterLive(t, cfg, tr.rings(t, workers), nil)
		if chosen := o.totals.Read - o.totals.Unsampled; o.totals.Read != 20000 || chosen < 1600 || chosen > 2400 {
			t.Errorf("%d of %d packets chosen", chosen, o.totals.Read)
		}
	}
}

// TestOwnTrafficIsLeftOut, and counted.
func TestOwnTrafficIsLeftOut(t *testing.T) {
	tr := newTrace()
	for i := range 100 {
		f := frame{src: 1, dst: 9, proto: packet.ProtoUDP, sport: 40000, dport: 4739, ttl: 64}
		if i%2 == 0 {
			f.sport++
		}
		tr.add(time.Now().UnixNano()+int64(i), f.bytes(), 1<<16)
	}
	sockets := []flow.Socket{{Proto: packet.ProtoUDP, Local: netip.MustParseAddrPort("10.0.0.1:40000"), Remote: netip.MustParseAddrPort("192.0.2.9:4739")}}
	cfg := DefaultConfig()
	cfg.Own = func() []flow.Socket { return sockets }
	o := meterLive(t, cfg, tr.rings(t, 1), nil)
	if o.totals.Own != 50 || len(o.records) != 1 || o.totals.RuleSets[0].Verdicts[rules.Counted] != 50 {
		t.Errorf("%d packets of our own, %d records", o.totals.Own, len(o.records))
	}
}
