package flow

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// setup is the part of a comparison that its first bytes choose.
type setup struct {
	rules, timeouts, cap uint8
}

const setupLen = 3

// caps are largest numbers of flows. Where the cap can be reached, TCP flows
// linger as long as they idle: else a Table may find no room where the model,
// which looks at every flow all the time, has just made some.
var caps = []int{1 << 20, 1 << 20, 1, 3}

func (s setup) config(t testing.TB) Config {
	file := ruleFiles[int(s.rules)%len(ruleFiles)]
	rs := ruleSet(t, file.text)
	active, idle, linger := timeouts(s.timeouts)
	most := caps[s.cap&3]
	if most < 1<<20 {
		linger = max(linger, idle)
	}
	return Config{
		RuleSet: &RuleSet{Name: file.name, Index: 3}, Program: rs.Program,
		Active: active, Idle: idle, TCPLinger: linger, MaxFlows: most,
	}
}

// newDrivers makes Tables with decision caches of several sizes.
func newDrivers(t testing.TB, cfg Config) (ds []*driver) {
	for _, cfg.CacheSize = range []int{0, 1, 1 << 10} {
		ds = append(ds, newDriver(t, cfg))
	}
	return ds
}

// compareWithModel runs a sequence through the model and the Tables, which may
// have seen other sequences before.
func compareWithModel(ds []*driver, steps []step) {
	m := newModel(ds[0].cfg)
	want := m.runAll(steps)
	for _, d := range ds {
		d.Helper()
		d.runAll(steps)
		d.finish(want, &m.sum)
		d.finishHits(m.hits)
	}
}

func (m *model) runAll(steps []step) (all []Record) {
	clock := int64(0)
	for i := range steps {
		s := &steps[i]
		if s.set {
			all = append(all, m.flush(clock)...)
			clock = s.h.Time
		}
		clock = max(clock, s.h.Time)
		m.packet(&s.h, clock)
	}
	return append(all, m.flush(clock)...)
}

// driver runs a Table as a worker does.
type driver struct {
	testing.TB
	*Table
	run     []Packet
	clock   int64
	records []Record
	horizon int64 // nothing that ended before may still come
}

// collide is a seed under which five-tuples whose lower address is 10.0.0.1
// share one hash, so that nothing but the whole key tells their flows apart.
var collide = Seed{v4Mapped | 10<<24 | 1, 1, 0, 3}

func newDriver(t testing.TB, cfg Config) *driver {
	cfg.Seed = Seed{1, 2, 3, 4}
	if cfg.CacheSize == 1 {
		cfg.Seed = collide
	}
	return &driver{TB: t, Table: NewTable(cfg)}
}

func (d *driver) runAll(steps []step) {
	for i := range steps {
		s := &steps[i]
		if s.set || i == 0 {
			d.restart(s.h.Time)
		}
		if s.cut || s.advance || s.release || len(d.run) == MaxRun {
			d.update()
		}
		d.clock = max(d.clock, s.h.Time)
		if s.advance || s.release {
			d.release(s.release)
		}
		p := Packet{Headers: s.h, Clock: d.clock, Number: uint64(i + 1)}
		p.Prepare(&d.cfg.Seed)
		d.run = append(d.run, p)
	}
	d.restart(0)
}

func (d *driver) update() {
	d.Update(d.run)
	for i := range d.run {
		d.run[i] = Packet{}
	}
	d.run = d.run[:0]
}

func (d *driver) release(take bool) {
	watermark := d.Advance(d.clock)
	if take {
		d.take(watermark)
		d.horizon = watermark
	}
}

func (d *driver) take(watermark int64) {
	last := d.horizon
	for range d.Ready(watermark) {
		var r Record
		d.Next(&r)
		if r.End < last {
			d.Fatalf("a record that ended at %d was released after one that ended at %d, or the watermark %d", r.End, last, d.horizon)
		}
		last = r.End
		d.records = append(d.records, r)
	}
}

func (d *driver) restart(clock int64) {
	d.update()
	d.Flush(d.clock, EndForced)
	d.take(Everything)
	d.Restart(clock)
	d.clock, d.horizon = clock, 0
}

// finish compares records and counts.
func (d *driver) finish(want []Record, counts *Counts) {
	d.Helper()
	for i := range max(len(want), len(d.records)) {
		var w, g Record
		if i < len(want) {
			w = want[i]
		}
		if i < len(d.records) {
			g = d.records[i]
		}
		if !sameRecord(&w, &g) {
			d.Fatalf("rule set %q, cache %d, record %d of %d (%d in the model):\n%s", d.cfg.RuleSet.Name,
				d.cfg.CacheSize, i, len(d.records), len(want), difference(&w, &g))
		}
	}
	if d.Counts != *counts {
		d.Fatalf("rule set %q, cache %d: counts\nmodel %+v\ntable %+v", d.cfg.RuleSet.Name, d.cfg.CacheSize, *counts, d.Counts)
	}
	d.Counts, d.records = Counts{}, d.records[:0]
}

// finishHits compares what each pair of rules counted, once all records are out.
func (d *driver) finishHits(want map[[2]uint16]Hit) {
	d.Helper()
	var got []Hit
	d.Hits(func(_ *RuleSet, hits []Hit) { got = hits })
	for _, h := range got {
		if want[[2]uint16{h.Turned, h.Rule}] != h {
			d.Fatalf("rule set %q, cache %d: hits\nmodel %v\ntable %v", d.cfg.RuleSet.Name, d.cfg.CacheSize, want, got)
		}
	}
	if len(got) != len(want) {
		d.Fatalf("rule set %q, cache %d: hits of %d pairs, not %d", d.cfg.RuleSet.Name, d.cfg.CacheSize, len(got), len(want))
	}
	for i := range d.hits.all {
		if d.hits.owed[i] != (Hit{}) {
			d.Fatalf("rule set %q: owed %+v", d.cfg.RuleSet.Name, d.hits.owed[i])
		}
		d.hits.all[i].Packets, d.hits.all[i].Octets = 0, 0
	}
}

// difference names the fields in which two records differ.
func difference(want, got *Record) (text string) {
	w, g := reflect.ValueOf(*want), reflect.ValueOf(*got)
	for i := range w.NumField() {
		if a, b := w.Field(i).Interface(), g.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			text += fmt.Sprintf("%s:\n  model %+v\n  table %+v\n", w.Type().Field(i).Name, a, b)
		}
	}
	return text
}

func TestTableIsTheModel(t *testing.T) {
	setups, sequences := 5, 50 // for each rule set
	if testing.Short() {
		setups = 1
	}
	for i, file := range ruleFiles {
		t.Run(file.name, func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(uint64(i), 5))
			for range setups {
				s := setup{uint8(i), uint8(rnd.Uint32()), uint8(rnd.Uint32())}
				ds := newDrivers(t, s.config(t))
				for range sequences {
					compareWithModel(ds, calm(randomBytes(rnd, stepLen*rnd.IntN(120)), rnd))
				}
			}
		})
	}
}

func randomBytes(rnd *rand.Rand, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	return data
}

// calm makes some sequences of one conversation and without steps of the
// clock, so that flows live long enough for something to happen to them.
func calm(data []byte, rnd *rand.Rand) []step {
	narrow, quick := rnd.IntN(2) == 0, rnd.IntN(2) == 0
	for i := 0; i+stepLen <= len(data); i += stepLen {
		if narrow {
			data[i+2] &= 0o11
			data[i+3] &= 0b0101
			data[i+1] = data[i+1]&0x7f | 2
		}
		if quick {
			data[i] &= 0xf7
			data[i+6] &= 0x7f
		}
	}
	return sequence(data)
}

func FuzzTable(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range ruleFiles {
		f.Add(append([]byte{byte(i), byte(i * 7), byte(i)}, randomBytes(rnd, 20*stepLen)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < setupLen || len(data) > 1<<12 {
			return
		}
		s := setup{data[0], data[1], data[2]}
		compareWithModel(newDrivers(t, s.config(t)), sequence(data[setupLen:]))
	})
}
