package meter

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// busyRing never runs out of offloaded frames, each of 45 packets.
type busyRing struct {
	stop *atomic.Bool
	id   byte
}

func (r *busyRing) Interfaces() []capture.Interface {
	return []capture.Interface{{Name: "eth7", Index: 7}}
}

func (r *busyRing) Next(time.Duration) (*capture.Batch, error) {
	if r.stop.Load() {
		return nil, io.EOF
	}
	const packets = 45
	f := frame{proto: packet.ProtoTCP, src: r.id, dst: r.id, sport: 1000, dport: 80, flags: 0x10, ttl: 64}
	b := capture.NewBatch(func(*capture.Batch) {})
	b.Retain(1)
	b.Buf = f.bytes()
	binary.BigEndian.PutUint16(b.Buf[ethernetHeader+2:], 40+packets*1448&0xffff)
	now := time.Now().UnixNano()
	for range 1024 {
		b.Frames = append(b.Frames, capture.Frame{Time: now, CapLen: uint32(len(b.Buf)), WireLen: uint32(len(b.Buf)) + packets*1448,
			Link: uint16(packet.LinkEthernet), Segment: 1448, Flags: capture.Offloaded})
	}
	return b, nil
}

// TestReloadUnderLoad changes an aggregating rule set while more workers than
// there are processors send its owner more than it can take: whoever waits for
// it still does what the reload asks.
func TestReloadUnderLoad(t *testing.T) {
	const workers = 8
	sets := func(i int) []*rules.RuleSet {
		return ruleSets(t, fmt.Sprintf(`rulesets: [{name: a, rules: [{if: 'ip.src == 192.168.0.%d', do: ignore}, {save: [dst.port], do: count}]}]`, i))
	}
	cfg := DefaultConfig()
	cfg.RuleSets, cfg.Workers = sets(0), workers
	m := New(cfg, nil)
	var stop atomic.Bool
	var rings []Ring
	for i := range workers {
		rings = append(rings, &busyRing{&stop, byte(i)})
	}
	ended := make(chan error, 1)
	go func() { ended <- m.RunLive(rings, func(err error) { t.Error(err) }) }()
	<-m.Begun()
	reloads := 8
	if testing.Short() {
		reloads = 2
	}
	time.Sleep(300 * time.Millisecond)
	for i := 1; i <= reloads; i++ {
		done := make(chan error, 1)
		go func() { done <- m.Reload(Change{RuleSets: sets(i)}) }()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(60 * time.Second):
			t.Fatalf("reload %d does not return", i)
		}
	}
	stop.Store(true)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestEndWithinReload: rings end between the two halves of a reload. What the
// rule set that ends has counted is in records all the same, and workers that
// wait for the reload do not seem to hang.
func TestEndWithinReload(t *testing.T) {
	tr := steadyTrace(12, 4000, time.Now(), time.Microsecond)
	rings, hold := tr.rings(t, 2), make(chan struct{})
	for _, r := range rings {
		r.(*testRing).hold = hold
	}
	cfg := DefaultConfig()
	cfg.RuleSets, cfg.Workers = ruleSets(t, "rulesets: ["+kept+","+hosts+"]"), 2
	c := newCollector()
	m := New(cfg, []Exporter{c})
	go func() {
		for m.Totals().Read < 4000 {
			time.Sleep(time.Millisecond)
		}
		m.reloading.Lock()
		defer m.reloading.Unlock()
		r := m.newReload(Change{RuleSets: ruleSets(t, "rulesets: ["+hosts+"]")})
		m.ask(r.swap)
		close(hold)
		time.Sleep(400 * time.Millisecond) // the workers would end now
		for i, at := range m.Progress() {
			if time.Since(at) > 200*time.Millisecond {
				t.Errorf("worker %d has not shown itself since %v", i, at)
			}
		}
		m.ask(r.force)
		m.askForce()
		m.ask(r.settle)
		m.cfg.RuleSets, m.names = r.RuleSets, []string{"hosts"}
		if err := r.gone.CheckEnd(r.goneNames); err != nil || r.gone.RuleSets[0].Released == 0 {
			t.Errorf("%v, %d packets in records", err, r.gone.RuleSets[0].Released)
		}
	}()
	if err := m.RunLive(rings, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
	Finish([]Exporter{c}, AccountOf([]*Meter{m}))
	close(c.batches)
	<-c.done
	sum := map[string]uint64{}
	for i := range c.records {
		sum[c.records[i].RuleSet.Name] += c.records[i].Count[0].Packets + c.records[i].Count[1].Packets
	}
	if sum["kept"] == 0 || sum["kept"] != sum["hosts"] {
		t.Errorf("packets in records: %v", sum)
	}
	if err := m.Reload(Change{RuleSets: cfg.RuleSets}); err != errEnded {
		t.Errorf("a reload of what has ended: %v", err)
	}
}

// TestNamesAreShared: meters of one run number a rule set alike, whenever each
// came to know it.
func TestNamesAreShared(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Names = &NameTable{}
	cfg.RuleSets = ruleSets(t, "rulesets: ["+kept+"]")
	New(cfg, nil)
	cfg.RuleSets = ruleSets(t, "rulesets: ["+hosts+","+kept+"]")
	m := New(cfg, nil)
	var got []int
	for i := range m.workers[0].lanes {
		got = append(got, m.cfg.Names.number(m.names[i]))
	}
	if got[0] != 1 || got[1] != 0 {
		t.Errorf("numbered %v", got)
	}
}
