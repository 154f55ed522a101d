package meter

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// sideBySide are conversational and aggregating rule sets.
const sideBySide = `
rulesets:
- {name: default, timeouts: {active: 10s, idle: 5s}}
- name: keyed
  orient: perimeter
  rules:
  - {if: 'udp.srcport == 53', do: nomatch}
  - {if: 'udp.dstport == 53', save: [src.addr, dst.addr, dst.port, proto], set: {kind: names}, do: count}
  - {if: 'tcp.dstport == 443', do: ignore}
  - {if: 'ttl > 61', do: count}
- name: networks
  rules: [{if: 'ip or ipv6', save: [dst.addr/24], do: count}]
- name: ports
  timeouts: {idle: 1s}
  rules: [{if: 'dst.port < 1024', save: [dst.port], do: count}]
- name: everything
  timeouts: {active: 1s}
  rules: [{save: [], do: count}]
- name: hosts
  rules: [{save: [src.addr, dst.addr], do: count}]
- name: measured
  timeouts: {active: 3s}
  rules:
  - {if: 'udp or ttl > 61', measure: [packet_size, bit_rate: {window: 700ms}]}
  - {if: 'tcp', measure: [inter_arrival, turnaround, packet_rate: {linear: 0..20, buckets: 6}]}
  - {do: count}
- name: measured networks
  rules: [{if: 'ip or ipv6', save: [dst.addr/24], measure: [packet_size, inter_arrival], do: count}]
- name: link
  rules: [{save: [src.mac, dst.mac, ethertype], do: count}]
`

// outcome is all that comes out of a run.
type outcome struct {
	records  []flow.Record
	rulesets []string // names, by record
	sizes    []int
	clocks   []int64
	stats    flow.Statistics
	totals   Totals
	failures []string
}

// meterAll runs a Meter over sources and checks what holds for every run.
func meterAll(t *testing.T, cfg Config, open ...Open) *outcome {
	t.Helper()
	c := newCollector()
	m := New(cfg, []Exporter{c})
	o := &outcome{}
	if err := run(m, c, func(err error) { o.failures = append(o.failures, err.Error()) }, open...); err != nil {
		t.Error(err)
	}
	o.totals = m.Totals()
	o.records, o.sizes, o.clocks, o.stats = c.records, c.sizes, c.clocks, *c.stats
	checkBalance(t, o, m.Names())
	for i := range o.totals.RuleSets { // how much went from worker to worker depends on their number
		c := &o.totals.RuleSets[i]
		c.Sighted, c.Applied = 0, 0
	}
	for i := range o.records {
		o.rulesets = append(o.rulesets, o.records[i].RuleSet.Name)
		o.records[i].RuleSet = nil // equal from run to run but for its address
	}
	return o
}

// checkBalance compares the totals with what the records say.
func checkBalance(t *testing.T, o *outcome, names []string) {
	t.Helper()
	if err := o.totals.CheckEnd(names); err != nil {
		t.Error(err)
	}
	sums := make([]flow.Counts, len(names))
	for i := range o.records {
		r := &o.records[i]
		s := &sums[r.RuleSet.Index]
		s.Ended[r.EndReason]++
		for _, n := range r.Count {
			s.Verdicts[rules.Counted] += n.Packets
			s.VerdictOctets[rules.Counted] += n.Octets
		}
		if r.FlowEnd() < r.FlowStart() || r.End < r.FlowEnd() {
			t.Errorf("a piece from %d to %d that ended at %d", r.FlowStart(), r.FlowEnd(), r.End)
		}
	}
	var decoded uint64
	for _, n := range o.totals.Outcomes {
		decoded += n
	}
	if decoded+o.totals.Filtered+o.totals.Own+o.totals.Unsampled != o.totals.Read || o.stats.Packets != o.totals.Read || o.stats.Octets != o.totals.Octets {
		t.Errorf("read %d, decoded %d, filtered %d, statistics %+v", o.totals.Read, decoded, o.totals.Filtered, o.stats)
	}
	for i := range sums {
		s, c := &sums[i], &o.totals.RuleSets[i]
		if c.Live != 0 || s.Ended != c.Ended || s.Verdicts[rules.Counted] != c.Verdicts[rules.Counted] ||
			s.VerdictOctets[rules.Counted] != c.VerdictOctets[rules.Counted] {
			t.Errorf("rule set %s: records say %+v\ntotals say %+v", names[i], *s, *c)
		}
		var traffic uint64
		for _, n := range c.Traffic {
			traffic += n
		}
		if traffic != c.Verdicts[rules.Counted] {
			t.Errorf("rule set %s: %d packets by traffic, %d counted", names[i], traffic, c.Verdicts[rules.Counted])
		}
	}
}

// same compares two runs, batches and statistics included.
func (o *outcome) same(t *testing.T, p *outcome, what string) {
	t.Helper()
	for i := range max(len(o.records), len(p.records)) {
		if i >= len(o.records) || i >= len(p.records) {
			t.Errorf("%s: %d records, not %d", what, len(p.records), len(o.records))
			return
		}
		if !reflect.DeepEqual(o.records[i], p.records[i]) || o.rulesets[i] != p.rulesets[i] {
			t.Errorf("%s: record %d of %d:\n%s %+v\nnot\n%s %+v", what, i, len(p.records),
				p.rulesets[i], p.records[i], o.rulesets[i], o.records[i])
			return
		}
	}
	if !reflect.DeepEqual(o, p) {
		t.Errorf("%s: batches or totals:\n%+v\n%+v\n%v %v\nnot\n%+v\n%+v\n%v %v", what,
			p.totals, p.stats, p.sizes, p.failures, o.totals, o.stats, o.sizes, o.failures)
	}
}

// everyWay runs a meter with every number of workers and size of the cache (in
// short mode with each of them once) and expects the same of all.
func everyWay(t *testing.T, cfg Config, open ...Open) *outcome {
	t.Helper()
	var first *outcome
	for i, workers := range []int{1, 2, 4} {
		for j, size := range []int{0, 1, 1 << 10} {
			if testing.Short() && i != j {
				continue
			}
			cfg.Workers, cfg.CacheSize = workers, size
			o := meterAll(t, cfg, open...)
			if first == nil {
				first = o
				continue
			}
			first.same(t, o, fmt.Sprintf("%d workers, cache %d", cfg.Workers, cfg.CacheSize))
		}
	}
	return first
}

func TestResultDoesNotDependOnWorkersOrCache(t *testing.T) {
	for seed := range uint64(2) {
		tr := randomTrace(seed, 6000)
		cfg := DefaultConfig()
		cfg.RuleSets = ruleSets(t, sideBySide)
		o := everyWay(t, cfg, tr.open(1000))
		if o.totals.ClockSteps == 0 || o.totals.FragmentsFilled == 0 || o.totals.FragmentsOrphans == 0 ||
			o.totals.ShortTransport == 0 || o.totals.Outcomes[packet.Malformed] == 0 || o.totals.Outcomes[packet.Truncated] == 0 {
			t.Errorf("the trace lacks something: %+v", o.totals)
		}
		for _, frames := range []int{1, 7, 64, 65} { // nor on the size of batches
			cfg.Workers = 1 + frames%2
			o.same(t, meterAll(t, cfg, tr.open(frames)), fmt.Sprintf("batches of %d frames", frames))
		}
	}
}

func TestOrderOfRecords(t *testing.T) {
	cfg := DefaultConfig()
	cfg.RuleSets, cfg.Workers = ruleSets(t, sideBySide), 2
	tr := newTrace() // no steps of the clock
	for i := range 3000 {
		f := frame{proto: 17, src: byte(i), dst: byte(i * 7), sport: uint16(i % 10), dport: 53, ttl: 64}
		tr.add(int64(i)*int64(10*time.Millisecond), f.bytes(), 1<<16)
	}
	c := newCollector()
	m := New(cfg, []Exporter{c})
	if err := run(m, c, func(err error) { t.Error(err) }, tr.open(100)); err != nil {
		t.Error(err)
	}
	for i := range c.records[1:] {
		if a, b := &c.records[i], &c.records[i+1]; flow.CompareRecords(a, b) >= 0 {
			t.Fatalf("record %d, %s ended at %d, comes before %s ended at %d", i, a.RuleSet.Name, a.End, b.RuleSet.Name, b.End)
		}
	}
	for i, n := range c.sizes[:len(c.sizes)-2] { // but the last with records, and the final one
		if n != batchRecords {
			t.Errorf("batch %d of %d has %d records", i, len(c.sizes), n)
		}
	}
}

// TestClockSteps: a packet more than 60 s behind the clock sets it, and flows
// of before end.
func TestClockSteps(t *testing.T) {
	tr := newTrace()
	f := frame{proto: 17, src: 1, dst: 2, sport: 1, dport: 2, ttl: 64}
	for _, at := range []int64{1000, 1010, 950, 1009, 949, 950, 800} { // 950 is late by just 60 s; 949 is a step
		tr.add(at*int64(time.Second), f.bytes(), 1<<16)
	}
	o := everyWay(t, DefaultConfig(), tr.open(100))
	var got []string
	for _, r := range o.records {
		got = append(got, fmt.Sprint(r.End/1e9, " ", r.EndReason, " ", r.Count[0].Packets))
	}
	if got, want := strings.Join(got, ", "), "1010 forced 4, 950 forced 2, 800 forced 1"; got != want || o.totals.ClockSteps != 2 {
		t.Errorf("got %s and %d steps, want %s", got, o.totals.ClockSteps, want)
	}
}

func TestLimits(t *testing.T) {
	tr := newTrace()
	f := frame{proto: 17, src: 1, dst: 2, ttl: 64}
	for i := range 1000 {
		f.src = byte(i)
		tr.add(int64(i)*int64(time.Second)/10, f.bytes(), 1<<16)
	}
	for _, c := range []struct {
		limits Limits
		read   uint64
	}{
		{Limits{}, 3000},
		{Limits{Count: 1}, 1},
		{Limits{Count: 100}, 100},
		{Limits{Count: 1001}, 1001}, // of the second source
		{Limits{Count: 5000}, 3000},
		{Limits{Duration: int64(time.Second)}, 10},
		{Limits{Duration: int64(time.Second), Count: 5}, 5},
		{Limits{Duration: 1}, 1},
	} {
		cfg := DefaultConfig()
		cfg.Limits = c.limits
		open := tr.open(100)
		if o := everyWay(t, cfg, open, open, open); o.totals.Read != c.read {
			t.Errorf("%+v: %d packets read, not %d", c.limits, o.totals.Read, c.read)
		}
	}
}

func TestFilter(t *testing.T) {
	cfg := DefaultConfig()
	var err error
	if cfg.Filter, err = rules.ParseFilter("--filter", "udp", rules.DefaultNetworks(), nil); err != nil {
		t.Fatal(err)
	}
	cfg.RuleSets = ruleSets(t, sideBySide)
	o := everyWay(t, cfg, randomTrace(9, 1000).open(100))
	if o.totals.Filtered == 0 || o.totals.Filtered+o.totals.Outcomes[packet.Malformed]+o.totals.RuleSets[4].Verdicts[rules.Counted] != o.totals.Read {
		t.Errorf("%+v", o.totals)
	}
	for _, r := range o.records {
		if r.Has&flow.HasProto != 0 && r.Key.Proto != packet.ProtoUDP {
			t.Fatalf("a flow of protocol %d", r.Key.Proto)
		}
	}
}

// failing is a source that breaks after some batches.
type failing struct {
	Source
	left int
	err  error
}

func (s *failing) Next() (*capture.Batch, error) {
	if s.left--; s.left < 0 {
		return nil, s.err
	}
	return s.Source.Next()
}

func TestSourcesThatFail(t *testing.T) {
	tr := randomTrace(4, 500)
	whole := tr.open(100)
	broken := func() (Source, error) {
		src, err := tr.open(100)()
		return &failing{src, 2, errors.New("the disk is gone")}, err
	}
	missing := func() (Source, error) { return nil, errors.New("no such trace") }
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, sideBySide)
	o := everyWay(t, cfg, broken, missing, whole)
	if got, want := strings.Join(o.failures, ", "), "the disk is gone, no such trace"; got != want {
		t.Errorf("reported %q, not %q", got, want)
	}
	if o.totals.Read <= 500 || o.totals.Read >= 1000 || len(o.records) == 0 {
		t.Errorf("%d packets were read, %d records made", o.totals.Read, len(o.records))
	}
}

// TestTimesOfIgnoredPackets are those of the earliest and the latest.
func TestTimesOfIgnoredPackets(t *testing.T) {
	arp := append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6}, make([]byte, 46)...)
	tr := newTrace()
	for i, at := range []int64{1000, 990, 1020, 1010} {
		arp[6] = byte(2 + 4*i) // another worker's
		tr.add(at*int64(time.Second), arp, 1<<16)
	}
	o := everyWay(t, DefaultConfig(), tr.open(100))
	if s := o.stats; s.IgnoredPackets != 4 || s.FirstIgnored != 990e9 || s.LastIgnored != 1020e9 {
		t.Errorf("%+v", s)
	}
}

func TestNoSources(t *testing.T) {
	if o := everyWay(t, DefaultConfig()); len(o.records) != 0 || o.totals.Read != 0 {
		t.Errorf("%+v", o)
	}
	if o := everyWay(t, DefaultConfig(), newTrace().open(1)); len(o.records) != 0 || len(o.failures) != 0 {
		t.Errorf("%+v", o)
	}
}

// endless gives one trace over and over.
type endless struct {
	Source
	again Open
}

func (s *endless) Next() (*capture.Batch, error) {
	b, err := s.Source.Next()
	if err == io.EOF {
		s.Source, _ = s.again()
		return s.Source.Next()
	}
	return b, err
}

// TestStop stops an endless run from other goroutines, while another looks at
// the totals.
func TestStop(t *testing.T) {
	tr := randomTrace(5, 500)
	for _, workers := range []int{1, 2, 4} {
		cfg := DefaultConfig()
		cfg.Workers, cfg.RuleSets = workers, ruleSets(t, sideBySide)
		c := newCollector()
		m := New(cfg, []Exporter{c})
		batches := 0
		c.onBatch = func() { // in the collector's goroutine
			if batches++; batches == 10 {
				m.Stop()
				m.Stop()
			}
			if totals := m.Totals(); totals.Read > 0 && len(totals.RuleSets) != len(cfg.RuleSets) {
				t.Errorf("totals of %d rule sets", len(totals.RuleSets))
			}
		}
		if err := run(m, c, func(err error) { t.Error(err) }, func() (Source, error) {
			src, err := tr.open(100)()
			return &endless{src, tr.open(100)}, err
		}); err != nil {
			t.Error(err)
		}
		if totals := m.Totals(); totals.Read < 500 || totals.RuleSets[0].Live != 0 {
			t.Errorf("%d workers: %+v", workers, totals)
		}
	}
}
