package meter

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// narrow are rule sets that have little room: conversational ones and
// aggregating ones, with standbys of both kinds and without.
const narrow = `
rulesets:
- {name: default, max_flows: 40, timeouts: {idle: 5s}, overload: {high_water: 50%, standby: hosts, flood: 75%}}
- {name: hosts, runs: standby, max_flows: 12, timeouts: {active: 10s}, rules: [{save: [src.addr, dst.addr], do: count}]}
- name: ports
  max_flows: 4
  overload: {standby: udp, high_water: 80%, flood: 80%}
  rules: [{if: 'dst.port < 1024', save: [dst.port, dst.addr, proto], do: count}]
- {name: udp, runs: standby, max_flows: 3, rules: [{if: udp, do: count}, {if: 'ttl > 62', do: ignore}]}
- {name: alone, max_flows: 30, overload: {flood: 50%}, rules: [{if: ip, do: count}, {save: [src.mac, dst.mac], do: count}]}
- {name: everything, rules: [{save: [], do: count}]}
`

// books returns the accounts of an outcome by the names of the rule sets.
func books(m *Meter, t *Totals) map[string]Book {
	all := map[string]Book{}
	for _, b := range t.Books(m.Names()) {
		all[b.Name] = b
	}
	return all
}

// metered is what a run under overload gave.
type metered struct {
	*Meter
	totals  Totals
	records []flow.Record
}

// meterNarrow runs a Meter and compares the account of each rule set and reserve
// with what its records say.
func meterNarrow(t *testing.T, cfg Config, open Open) *metered {
	t.Helper()
	c := newCollector()
	r := &metered{Meter: New(cfg, []Exporter{c})}
	if err := run(r.Meter, c, func(err error) { t.Error(err) }, open); err != nil {
		t.Error(err)
	}
	r.totals, r.records = r.Totals(), c.records
	r.check(t)
	return r
}

func (r *metered) check(t *testing.T) {
	t.Helper()
	if err := r.totals.CheckEnd(r.Names()); err != nil {
		t.Error(err)
	}
	counts := map[string]*flow.Counts{}
	for i := range r.records {
		rec := &r.records[i]
		c := counts[rec.RuleSet.Name]
		if c == nil {
			c = &flow.Counts{}
			counts[rec.RuleSet.Name] = c
		}
		c.Ended[rec.EndReason]++
		for _, n := range rec.Count {
			c.Released += n.Packets
			c.ReleasedOctets += n.Octets
		}
	}
	var all uint64
	for _, b := range r.totals.Books(r.Names()) {
		c := counts[b.Name]
		if c == nil {
			c = &flow.Counts{}
		}
		if b.Counts.Live != 0 || c.Ended != b.Counts.Ended || c.Released != b.Counts.Verdicts[rules.Counted] || c.ReleasedOctets != b.Counts.VerdictOctets[rules.Counted] {
			t.Errorf("%s: records say %+v\nthe account %+v", b.Name, *c, *b.Counts)
		}
		all += b.Counts.Ended[flow.EndIdle] + b.Counts.Ended[flow.EndActive] + b.Counts.Ended[flow.EndDetected] + b.Counts.Ended[flow.EndForced]
	}
	if all != uint64(len(r.records)) {
		t.Errorf("%d records, %d in the account", len(r.records), all)
	}
}

// TestOverloadBalance: whatever the number of workers and the size of the cache,
// nothing is evicted and every packet is counted somewhere, once.
func TestOverloadBalance(t *testing.T) {
	for seed := range uint64(2) {
		tr := randomTrace(seed, 4000)
		var first map[string]uint64 // packets that the rules of each rule set count
		for i, workers := range []int{1, 2, 4} {
			for j, size := range []int{0, 1, 1 << 17} {
				if testing.Short() && i != j {
					continue
				}
				cfg := DefaultConfig()
				cfg.RuleSets, cfg.Workers, cfg.CacheSize = ruleSets(t, narrow), workers, size
				r := meterNarrow(t, cfg, tr.open(50+100*j))
				got := map[string]uint64{}
				for _, b := range r.totals.Books(r.Names()) {
					v := &b.Counts.Verdicts
					got[b.Name] = v[rules.Counted] + v[rules.Standby] + v[rules.Overflow]
					if b.Counts.Ended[flow.EndResources] != 0 || v[rules.NoRoom] != 0 {
						t.Errorf("%s, %d workers: evicted, or no room: %+v", b.Name, workers, *b.Counts)
					}
					if b.Reserves != nil && (b.Reserves.Step != flow.Normal || b.Reserves.Steps[flow.Flooded] == 0) {
						t.Errorf("%s, %d workers: %+v", b.Name, workers, *b.Reserves)
					}
				}
				for _, reserve := range []string{"hosts", "udp", "default overflow", "ports overflow", "alone overflow"} {
					if got[reserve] == 0 {
						t.Errorf("%d workers: %s had nothing to do", workers, reserve)
					}
					delete(got, reserve)
				}
				if first == nil {
					first = got
				}
				if fmt.Sprint(got) != fmt.Sprint(first) {
					t.Errorf("%d workers, cache %d: %v, not %v", workers, size, got, first)
				}
			}
		}
	}
}

// TestOverloadLive is the same of live interfaces, whose workers go each at its
// own pace.
func TestOverloadLive(t *testing.T) {
	tr := steadyTrace(5, 4000, time.Now().Add(-time.Minute), 10*time.Millisecond)
	for _, workers := range []int{1, 2, 4} {
		cfg := DefaultConfig()
		cfg.RuleSets, cfg.Workers = ruleSets(t, narrow), workers
		c := newCollector()
		r := &metered{Meter: New(cfg, []Exporter{c})}
		if err := r.RunLive(tr.rings(t, workers), func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
		close(c.batches)
		<-c.done
		r.totals, r.records = r.Totals(), c.records
		r.check(t)
		for name, b := range books(r.Meter, &r.totals) {
			if b.Counts.Ended[flow.EndResources] != 0 || b.Reserves != nil && b.Reserves.Steps[flow.Flooded] == 0 {
				t.Errorf("%d workers: %s: %+v, %+v", workers, name, *b.Counts, b.Reserves)
			}
		}
		if a := AccountOf([]*Meter{r.Meter}); len(a.Overloads()) != 3 || a.MaxFlows["hosts"] != 12 || a.MaxFlows["default"] != 40 {
			t.Errorf("%+v, room %v", a.Overloads(), a.MaxFlows)
		}
	}
}

// TestCheckReserves: a packet more or less anywhere leaves the balance open.
func TestCheckReserves(t *testing.T) {
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, narrow)
	r := meterNarrow(t, cfg, randomTrace(3, 2000).open(100))
	reserves := &r.totals.Reserves[0]
	main, standby, overflow := &r.totals.RuleSets[0], &reserves.Tables[0].Counts, &reserves.Tables[1].Counts
	for _, c := range []struct {
		n    *uint64
		says string
	}{
		{&main.Verdicts[rules.Standby], "default: gave the standby"},
		{&standby.VerdictOctets[rules.Counted], "default: gave the standby"},
		{&standby.Verdicts[rules.Overflow], "default: gave the overflow"},
		{&overflow.Verdicts[rules.Ignored], "default: gave the overflow"},
		{&standby.Released, "rule set hosts: counted"},
		{&overflow.ReleasedOctets, "rule set default overflow: counted"},
	} {
		*c.n++
		if err := r.totals.CheckEnd(r.Names()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, not: %s", err, c.says)
		}
		*c.n--
	}
	if err := r.totals.CheckEnd(r.Names()); err != nil {
		t.Error(err)
	}
}

// TestOverloadReload: a rule set with reserves goes on untouched if none of them
// changes; else it ends with them, and metrics go on where they were.
func TestOverloadReload(t *testing.T) {
	tr := steadyTrace(6, 3000, time.Now(), 4*time.Millisecond) // ahead of the clock, so that no flow ends by it
	changed := strings.Replace(narrow, "max_flows: 12", "max_flows: 13", 1)
	for _, workers := range []int{1, 2} {
		cfg := DefaultConfig()
		cfg.RuleSets, cfg.Workers = ruleSets(t, narrow), workers
		c := newCollector()
		m := New(cfg, []Exporter{c})
		all := tr.rings(t, workers)
		hold := make(chan struct{})
		for _, ring := range all {
			ring.(*testRing).hold = hold
		}
		ended := make(chan error, 1)
		go func() { ended <- m.RunLive(all, func(err error) { t.Error(err) }) }()
		for read := m.Totals().Read; read < 3000; read = m.Totals().Read {
			time.Sleep(10 * time.Millisecond)
		}
		before := AccountOf([]*Meter{m})
		if err := m.Reload(Change{RuleSets: ruleSets(t, narrow)}); err != nil {
			t.Error(err)
		}
		same := AccountOf([]*Meter{m})
		if err := m.Reload(Change{RuleSets: ruleSets(t, changed)}); err != nil {
			t.Error(err)
		}
		after := AccountOf([]*Meter{m})
		for i, b := range before.Books {
			same, after := same.Books[i], after.Books[i]
			ends := b.Name == "default" || b.Name == "hosts" || b.Name == "default overflow"
			if same.Name != b.Name || same.Counts.Ended[flow.EndForced] != 0 || same.Counts.Live == 0 {
				t.Errorf("%d workers: %s was touched: %+v, before %+v", workers, b.Name, *same.Counts, *b.Counts)
			}
			if after.Name != b.Name || ends != (after.Counts.Ended[flow.EndForced] > 0) || ends != (after.Counts.Live == 0) || ends && after.Counts.Verdicts != b.Counts.Verdicts {
				t.Errorf("%d workers: %s: %+v, before %+v", workers, b.Name, *after.Counts, *b.Counts)
			}
			if r := after.Reserves; ends && r != nil && (r.Steps[flow.OnStandby] != b.Reserves.Steps[flow.OnStandby] || r.Steps[flow.Flooded] == 0) {
				t.Errorf("%d workers: %s: steps %v, before %v", workers, b.Name, r.Steps, b.Reserves.Steps)
			}
		}
		if after.MaxFlows["hosts"] != 13 || before.MaxFlows["hosts"] != 12 {
			t.Errorf("room %v, before %v", after.MaxFlows, before.MaxFlows)
		}
		close(hold)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		close(c.batches)
		<-c.done
	}
}

// TestWithoutOverloadNothingChanges: marks that are never reached leave the
// records as they are, whatever the number of workers.
func TestWithoutOverloadNothingChanges(t *testing.T) {
	tr := randomTrace(1, 3000)
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, "rulesets: [{name: a}, {name: b, rules: [{save: [dst.addr], do: count}]}]")
	plain := meterAll(t, cfg, tr.open(100))
	cfg.RuleSets = ruleSets(t, "rulesets: [{name: a, overload: {standby: c}}, {name: b, overload: {}, rules: [{save: [dst.addr], do: count}]}, {name: c, runs: standby}]")
	for _, cfg.Workers = range []int{1, 2, 4} {
		o := meterAll(t, cfg, tr.open(100))
		o.totals.Reserves = plain.totals.Reserves
		plain.same(t, o, fmt.Sprint("with marks, workers ", cfg.Workers))
	}
}

// TestFlood has a flood of SYNs, each of its own conversation, with one
// established connection between them.
func TestFlood(t *testing.T) {
	floods := 1_000_000
	if testing.Short() {
		floods = 100_000
	}
	const most, standbyMost = 5000, 500
	for _, workers := range []int{1, 2} {
		cfg := DefaultConfig()
		cfg.Workers = workers
		cfg.RuleSets = ruleSets(t, fmt.Sprintf(`
rulesets:
- {name: all, max_flows: %d, timeouts: {active: 1h, idle: 15s}, overload: {standby: nets}}
- {name: nets, runs: standby, max_flows: %d, rules: [{save: [src.addr/24], do: count}]}`, most, standbyMost))
		c := newCollector()
		r := &metered{Meter: New(cfg, []Exporter{c})}
		f := newFlood(t, floods, map[string]uint64{"all": most * 9 / 10, "nets": standbyMost * 98 / 100, "all overflow": 5 * uint64(workers)})
		f.meter = r.Meter
		if err := run(r.Meter, c, func(err error) { t.Error(err) }, func() (Source, error) { return f, nil }); err != nil {
			t.Error(err)
		}
		r.totals, r.records = r.Totals(), c.records
		r.check(t)
		for i := range r.records[1:] {
			if a, b := &r.records[i], &r.records[i+1]; a.End > b.End {
				t.Fatalf("%d workers: record %d of %s ended at %d, after the next, of %s at %d", workers, i, a.RuleSet.Name, a.End, b.RuleSet.Name, b.End)
			}
		}
		all := books(r.Meter, &r.totals)
		var established []flow.Record
		for _, rec := range r.records {
			if rec.Key.Src.Port == 4321 || rec.Key.Dst.Port == 4321 {
				established = append(established, rec)
			}
		}
		want := uint64(floods / floodEvery)
		if len(established) != 1 || established[0].Count[0].Packets+established[0].Count[1].Packets != want || established[0].RuleSet.Name != "all" {
			t.Errorf("%d workers: the connection has %d records, the first %+v; want %d packets", workers, len(established), established[:min(1, len(established))], want)
		}
		sum := all["all"].Counts.Verdicts[rules.Counted] + all["nets"].Counts.Verdicts[rules.Counted] + all["all overflow"].Counts.Verdicts[rules.Counted]
		if sum != uint64(floods)+want || r.totals.Read != sum {
			t.Errorf("%d workers: read %d, counted %d of %d", workers, r.totals.Read, sum, uint64(floods)+want)
		}
		if all["all overflow"].Counts.Created == 0 || all["all overflow"].Counts.Live != 0 {
			t.Errorf("overflow: %+v", *all["all overflow"].Counts)
		}
	}
}

// flood is a Source of SYNs from addresses all over, 20 to the millisecond, with
// a packet of one connection before every floodEvery of them. Before each batch
// it looks at the tables.
type flood struct {
	t          *testing.T
	meter      *Meter
	most       map[string]uint64 // flows
	n, left    int
	syn, known []byte
}

const floodEvery = 1000

func newFlood(t *testing.T, floods int, most map[string]uint64) *flood {
	syn := frame{proto: packet.ProtoTCP, src: 9, dst: 7, sport: 1024, dport: 80, flags: byte(packet.SYN), ttl: 64}
	ack := frame{proto: packet.ProtoTCP, src: 8, dst: 7, sport: 4321, dport: 80, flags: byte(packet.ACK), ttl: 64, payload: 100}
	return &flood{t: t, left: floods, syn: syn.bytes(), known: ack.bytes(), most: most}
}

func (f *flood) Name() string                    { return "flood" }
func (f *flood) Interfaces() []capture.Interface { return nil }
func (f *flood) Close() error                    { return nil }

func (f *flood) Next() (*capture.Batch, error) {
	if f.left == 0 {
		return nil, io.EOF
	}
	t := f.meter.Totals()
	for _, b := range t.Books(f.meter.Names()) {
		if b.Counts.Live > f.most[b.Name] {
			f.t.Errorf("%s has %d flows", b.Name, b.Counts.Live)
		}
	}
	b := capture.NewBatch(func(*capture.Batch) {})
	b.Retain(1)
	f.add(b, f.known)
	for range min(f.left, floodEvery) {
		f.left--
		f.n++
		const source = ethernetHeader + 12
		binary.BigEndian.PutUint32(f.syn[source:], uint32(f.n)*0x9e3779b1) // odd: no two alike
		f.add(b, f.syn)
	}
	return b, nil
}

func (f *flood) add(b *capture.Batch, octets []byte) {
	n := uint32(len(octets))
	at := int64(1_700_000_000)*int64(time.Second) + int64(f.n)*int64(time.Millisecond)/20
	b.Frames = append(b.Frames, capture.Frame{Time: at, Off: uint32(len(b.Buf)), CapLen: n, WireLen: n, Link: uint16(packet.LinkEthernet)})
	b.Buf = append(b.Buf, octets...)
}
