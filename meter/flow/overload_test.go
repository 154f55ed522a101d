package flow

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// overloadConfig is main with a standby (none if its text is empty) and the
// built-in overflow.
func overloadConfig(t testing.TB, main, standby string, highWater, flood int, timeoutsOf uint8) Config {
	t.Helper()
	config := func(name string, index int, rs *rules.RuleSet, of uint8) Config {
		active, idle, linger := timeouts(of)
		return Config{
			RuleSet: &RuleSet{Name: name, Index: index}, Program: rs.Program, Seed: Seed{1, 2, 3, 4},
			Active: active, Idle: idle, TCPLinger: linger, MaxFlows: max(highWater, flood), CacheSize: 16,
		}
	}
	cfg := config("main", 0, ruleSet(t, main), timeoutsOf)
	overflow := ruleSet(t, "rulesets: [{name: a, overload: {}}]").Overload.Overflow
	cfg.Overload = &Overload{HighWater: highWater, Flood: flood, Overflow: config("overflow", 2, overflow, timeoutsOf)}
	cfg.Overload.Overflow.MaxFlows = overflow.MaxFlows
	if standby != "" {
		c := config("standby", 1, ruleSet(t, standby), timeoutsOf>>2)
		cfg.Overload.Standby = &c
	}
	return cfg
}

// has tells whether a packet that is counted belongs to a flow that is alive.
func (m *model) has(h *packet.Headers, clock int64) bool {
	m.expire(clock)
	var match rules.Match
	m.cfg.Program.Match(h, nil, &match)
	syn := h.Layers&packet.HasTCP != 0 && h.TCPFlags&packet.SYN != 0 && h.TCPFlags&packet.ACK == 0
	for _, k := range []rules.Key{match.Key, match.Key.Swap()} {
		if f := m.flows[k]; f != nil && !(f.over && syn) {
			return true
		}
	}
	return false
}

// relieved runs a Table with reserves beside a model of each of them. The
// Table says which of them has each packet, and is held to it: only what would
// begin a flow may be given on, and the models' records are those of the tables.
type relieved struct {
	*driver
	models [3]*model // main, standby (nil if there is none), overflow
	want   []Record
}

func newRelieved(t testing.TB, cfg Config) *relieved {
	r := &relieved{driver: newDriver(t, cfg)}
	r.models[0] = newModel(r.cfg)
	if cfg.Overload.Standby != nil {
		r.models[1] = newModel(*cfg.Overload.Standby)
	}
	r.models[2] = newModel(cfg.Overload.Overflow)
	for _, m := range r.models {
		if m != nil {
			m.cfg.MaxFlows = 1 << 20
		}
	}
	return r
}

func (r *relieved) run(steps []step) {
	for i := range steps {
		s := &steps[i]
		if s.set || i == 0 {
			r.end(s.h.Time)
		}
		r.clock = max(r.clock, s.h.Time)
		if s.advance || s.release {
			r.release(s.release)
		}
		p := Packet{Headers: s.h, Clock: r.clock, Number: uint64(i + 1)}
		p.Prepare(&r.cfg.Seed)
		r.packet(&p)
	}
	r.end(0)
}

// end ends all flows.
func (r *relieved) end(clock int64) {
	for _, m := range r.models {
		if m != nil {
			r.want = append(r.want, m.flush(r.clock)...)
		}
	}
	r.restart(clock)
}

// packet gives a packet to the Table, sees who had it, and tells the models.
func (r *relieved) packet(p *Packet) {
	before, was := r.Counts, r.Reserves()
	h := p.Headers
	r.Update([]Packet{*p})
	at := 0
	switch now := r.Reserves(); {
	case sumOf(now.Tables[1].Counts) != sumOf(was.Tables[1].Counts):
		at = 2
	case sumOf(now.Tables[0].Counts) != sumOf(was.Tables[0].Counts):
		at = 1
	}
	for i, m := range r.models[:at] {
		if m != nil && m.has(&h, r.clock) {
			r.Fatalf("a packet of a flow of table %d went to %d", i, at)
		}
	}
	if mark := r.relief.mark; at > 0 && 10*r.Counts.Live <= 9*mark || at == 0 && r.Counts.Created > before.Created && r.Counts.Live > mark {
		r.Fatalf("%d flows of at most %d: the packet went to table %d", r.Counts.Live, mark, at)
	}
	r.models[at].packet(&h, r.clock)
}

func sumOf(c Counts) (n uint64) {
	for _, v := range c.Verdicts[:] {
		n += v
	}
	return n
}

// check compares the records and counts of each table with those of its model.
func (r *relieved) check() {
	r.Helper()
	all := r.Reserves().Tables
	counts := [3]Counts{r.Counts, all[0].Counts, all[1].Counts}
	given := [3]uint64{2: counts[0].Verdicts[rules.Overflow] + counts[1].Verdicts[rules.Overflow], 1: counts[0].Verdicts[rules.Standby]}
	for i, m := range r.models {
		if m == nil {
			continue
		}
		if i > 0 && given[i] != sumOf(counts[i]) {
			r.Fatalf("table %d was given %d packets and has verdicts of %d", i, given[i], sumOf(counts[i]))
		}
		for _, v := range []rules.Verdict{rules.Standby, rules.Overflow} {
			counts[i].Verdicts[v], counts[i].VerdictOctets[v] = 0, 0
		}
		if counts[i] != m.sum {
			r.Fatalf("table %d:\nmodel %+v\ntable %+v", i, m.sum, counts[i])
		}
		want, got := of(r.want, m.cfg.RuleSet), of(r.records, m.cfg.RuleSet)
		for j := range max(len(want), len(got)) {
			if j >= len(want) || j >= len(got) {
				r.Fatalf("table %d: %d records, %d in the model", i, len(got), len(want))
			}
			if !sameRecord(&want[j], &got[j]) {
				r.Fatalf("table %d, record %d:\n%s", i, j, difference(&want[j], &got[j]))
			}
		}
	}
}

func of(all []Record, rs *RuleSet) (some []Record) {
	for i := range all {
		if all[i].RuleSet == rs {
			some = append(some, all[i])
		}
	}
	return some
}

func TestReservesAreTheModel(t *testing.T) {
	standbys := map[string]bool{"": true, "default": true, "hosts": true, "ignore ends": true, "ports alone": true, "second pass": true}
	var reached [NumSteps]uint64
	for i, main := range ruleFiles {
		for j, standby := range append(ruleFiles, struct{ name, text string }{}) {
			if !standbys[standby.name] || testing.Short() && (i+j)%3 != 0 {
				continue
			}
			rnd := rand.New(rand.NewPCG(uint64(i), uint64(j)))
			r := newRelieved(t, overloadConfig(t, main.text, standby.text, 1+rnd.IntN(6), 1+rnd.IntN(4), uint8(rnd.Uint32())))
			for range 20 {
				r.run(calm(randomBytes(rnd, stepLen*rnd.IntN(150)), rnd))
			}
			r.check()
			for s, n := range r.Reserves().Steps {
				reached[s] += n
			}
		}
	}
	for s, n := range reached {
		if n == 0 {
			t.Errorf("no step to %v", Step(s))
		}
	}
}

// syn makes a SYN of its own conversation, from the outside to 10.0.0.2, at a
// time in seconds.
func syn(at float64, n int) Packet {
	p := tcp(at, packet.SYN, false)
	p.Src = v4(198, byte(n>>16), byte(n>>8), byte(n))
	return p
}

func (d *driver) give(ps ...Packet) {
	for i := range ps {
		d.clock = max(d.clock, ps[i].Clock)
		ps[i].Prepare(&d.cfg.Seed)
		d.Update(ps[i : i+1])
	}
}

// TestStepsOfOverload goes through all steps, up and down.
func TestStepsOfOverload(t *testing.T) {
	cfg := overloadConfig(t, "rulesets: [{name: a}]", "- {save: [src.addr], do: count}", 20, 10, 0)
	cfg.Active, cfg.Idle = time.Hour, 10*time.Second
	cfg.Overload.Standby.Active, cfg.Overload.Standby.Idle = time.Hour, 10*time.Second
	d := newDriver(t, cfg)
	d.Restart(0)
	expect := func(at string, step Step, since float64, live ...uint64) {
		t.Helper()
		r := d.Reserves()
		got := []uint64{d.Counts.Live, r.Tables[0].Live, r.Tables[1].Live}
		if r.Step != step || r.Since != int64(since*float64(second)) || fmt.Sprint(got) != fmt.Sprint(live) {
			t.Fatalf("%s: step %v since %v, flows %v; not %v since %v, %v", at, r.Step, float64(r.Since)/float64(second), got, step, since, live)
		}
	}
	for n := range 20 {
		d.give(syn(1+float64(n), n)) // idle ones are gone from the 11th second on
	}
	d.Advance(20*second + second/2) // a slot of the wheel late
	expect("room", Normal, 0, 10, 0, 0)
	for n := range 10 {
		d.give(syn(20, 100+n))
	}
	expect("at the mark", Normal, 0, 20, 0, 0)
	d.give(syn(21, 200))
	expect("above it", OnStandby, 21, 20, 1, 0)
	d.give(syn(21, 100), syn(22, 200))
	expect("known flows", OnStandby, 21, 20, 1, 0)
	for n := range 9 {
		d.give(syn(22, 201+n))
	}
	expect("standby at its mark", OnStandby, 21, 20, 10, 0)
	d.give(syn(23, 300), syn(23, 301), syn(23, 205))
	expect("above that", Flooded, 23, 20, 10, 1)
	d.Advance(21*second + second/2) // 19 flows are above nine tenths of 20
	expect("a little less", Flooded, 23, 19, 10, 1)
	d.give(syn(23, 302))
	expect("still", Flooded, 23, 19, 10, 1)
	d.Advance(24*second + second/2) // 18 are not
	d.give(syn(24, 303))
	if r := d.Reserves(); r.Step != Normal || d.Counts.Live > 19 {
		t.Fatalf("step %v with %d flows", r.Step, d.Counts.Live)
	}
	d.Advance(60 * second)
	r := d.Reserves()
	if r.Step != Normal || r.Steps != [NumSteps]uint64{1, 1, 1} || r.Tables[0].Live+r.Tables[1].Live != 0 {
		t.Errorf("in the end: %+v", r)
	}
	if d.Counts.Ended[EndResources] != 0 || d.Counts.Verdicts[rules.Standby] == 0 {
		t.Errorf("%+v", d.Counts)
	}
}

// TestStepBackWithoutPackets: the clock alone ends a flood, also that of the
// standby while the rule set itself is still above its mark.
func TestStepBackWithoutPackets(t *testing.T) {
	cfg := overloadConfig(t, "rulesets: [{name: a}]", "- {save: [src.addr], do: count}", 4, 2, 0)
	cfg.Active, cfg.Idle = time.Hour, 30*time.Second
	cfg.Overload.Standby.Active, cfg.Overload.Standby.Idle = time.Hour, 10*time.Second
	d := newDriver(t, cfg)
	d.Restart(0)
	for n := range 7 {
		d.give(syn(1, n))
	}
	var steps []Step
	for at := int64(1); at < 40; at++ {
		d.Advance(at * second)
		if s := d.Reserves().Step; len(steps) == 0 || s != steps[len(steps)-1] {
			steps = append(steps, s)
		}
	}
	if fmt.Sprint(steps) != "[flood standby normal]" {
		t.Errorf("steps %v", steps)
	}
}

// TestClockStandsStill: connections that end and begin again at one instant
// fill no memory, and all are counted.
func TestClockStandsStill(t *testing.T) {
	cfg := overloadConfig(t, "rulesets: [{name: a}]", "", 10, 10, 0)
	d := newDriver(t, cfg)
	d.Restart(0)
	const rounds = leastWaiting + 5000
	for range rounds {
		d.give(tcp(1, packet.SYN, false), tcp(1, packet.RST, true))
	}
	r := d.Reserves()
	if n := len(d.ended); n > leastWaiting+10 || r.Step != Flooded {
		t.Errorf("%d records wait, step %v", n, r.Step)
	}
	if got := d.Counts.Verdicts[rules.Counted] + r.Tables[1].Verdicts[rules.Counted]; got != 2*rounds {
		t.Errorf("%d packets of %d counted", got, 2*rounds)
	}
	d.restart(0)
	if r := d.Reserves(); r.Step != Normal || len(d.ended) != 0 {
		t.Errorf("afterwards: step %v, %d wait", r.Step, len(d.ended))
	}
}

// TestGivingAwayAllocatesNothing, whoever has the packet in the end.
func TestGivingAwayAllocatesNothing(t *testing.T) {
	cfg := overloadConfig(t, "rulesets: [{name: a}]", "- {save: [src.addr], do: count}", 10, 10, 0)
	d := newDriver(t, cfg)
	d.Restart(0)
	n := 0
	give := func() {
		n++
		p := [1]Packet{syn(1, n)}
		p[0].Prepare(&d.cfg.Seed)
		d.Update(p[:])
	}
	for range 30 {
		give()
	}
	if got := testing.AllocsPerRun(1000, give); got != 0 {
		t.Errorf("%v allocations a packet", got)
	}
	if r := d.Reserves(); r.Step != Flooded || r.Tables[1].Verdicts[rules.Counted] < 1000 {
		t.Errorf("%+v", r)
	}
}

// TestFlushSomeGoesThroughOnce: while a table with reserves is ended bit by bit
// and packets come in, each of its tables is gone through once.
func TestFlushSomeGoesThroughOnce(t *testing.T) {
	cfg := overloadConfig(t, "rulesets: [{name: a}]", "", 10, 10, 0)
	d := newDriver(t, cfg)
	d.Restart(0)
	rounds := 0
	for all := false; !all && rounds < 100; rounds++ {
		for n := range 20 { // ten are the overflow's, in one flow
			d.give(syn(1, n))
		}
		_, all = d.FlushSome(d.clock, EndForced, 1)
		for left := d.Ready(Everything); left > 0; left-- {
			var r Record
			d.Next(&r)
		}
	}
	forced := [2]uint64{d.Counts.Ended[EndForced], d.Reserves().Tables[1].Ended[EndForced]}
	if forced != [2]uint64{10, 1} {
		t.Errorf("%d flows and %d of the overflow were ended in %d rounds", forced[0], forced[1], rounds)
	}
}
