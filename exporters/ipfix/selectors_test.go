package ipfix

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// checkSelector compares what goflow2 read of an options record.
func checkSelector(t *testing.T, got decoded, want *flow.Selector) {
	t.Helper()
	p := math.Float64frombits(binary.BigEndian.Uint64(got[element{0, 311}]))
	n := uint64(want.Interval)
	if got.uint(element{0, 302}) != uint64(want.ID) || got.uint(element{0, 304}) != 4 || p != 1/float64(n) ||
		got.uint(element{0, 309}) != 1 || got.uint(element{0, 310}) != n || got.uint(element{0, 34}) != n {
		t.Errorf("selector is %v, want %+v", got, want)
	}
}

// TestSelectorsAreToldFirst: the first record of each selector finds it told,
// over all transports that a message can take.
func TestSelectorsAreToldFirst(t *testing.T) {
	for _, transport := range []Transport{UDP, Writer} {
		server := sample.Listen(t)
		cfg := Default()
		cfg.Transport, cfg.Address, cfg.Live, cfg.Domain, cfg.Rate = transport, server.Address(), transport == UDP, 7, 0
		c := newCollector(t, streamMessage)
		var out writer
		if transport == Writer {
			cfg.Address, cfg.Writer = "", &out
		}
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range sample.Selectors {
			if err := e.Export(batch(sample.Sampled(sample.TCP4(40), s))); err != nil {
				t.Fatal(err)
			}
		}
		e.Close()
		messages := out.messages
		if transport == UDP {
			messages = server.Receive(int(e.Stats().Messages.Load()))
		}
		for _, msg := range messages {
			c.message(msg)
			for _, r := range c.records {
				id := r.uint(element{0, 302})
				if !slices.ContainsFunc(c.options[selectorID], func(o decoded) bool { return o.uint(element{0, 302}) == id }) {
					t.Fatalf("a record of selector %d, which nothing was said of", id)
				}
			}
		}
		if len(c.records) != 120 || len(c.options[selectorID]) != 3 {
			t.Fatalf("%d records, %d selectors", len(c.records), len(c.options[selectorID]))
		}
		for i, o := range c.options[selectorID] {
			checkSelector(t, o, sample.Selectors[i])
		}
	}
}

// writer keeps each Write, which is one or more messages, cut at their lengths.
type writer struct{ messages [][]byte }

func (w *writer) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		n := binary.BigEndian.Uint16(rest[2:])
		w.messages = append(w.messages, slices.Clone(rest[:n]))
		rest = rest[n:]
	}
	return len(b), nil
}

// TestSelectorsAreRepeated: with the templates over UDP, in the domain of the
// flows, the rate of now alone.
func TestSelectorsAreRepeated(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Live, cfg.Domain = server.Address(), true, 7
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sample.Selectors {
		e.Export(batch(sample.Sampled(sample.TCP4(1), s)))
	}
	e.Tick(time.Now())
	before := int(e.Stats().Messages.Load())
	e.Tick(time.Now().Add(601 * time.Second))
	all := server.Receive(int(e.Stats().Messages.Load()))
	e.Close()
	c := newCollector(t, 1400)
	for i, msg := range all {
		if i == before {
			c.options = map[uint16][]decoded{}
		}
		c.message(msg)
		if len(c.options[selectorID]) > 0 && i >= before && binary.BigEndian.Uint32(msg[12:]) != 7 {
			t.Error("selectors came in another domain than the flows")
		}
	}
	if n := len(c.options[selectorID]); n != 2 {
		t.Fatalf("%d selectors were repeated", n)
	}
	checkSelector(t, c.options[selectorID][0], sample.Selectors[2])
	checkSelector(t, c.options[selectorID][1], sample.Selectors[1])
}

// TestSelectorsInEverySession: over TCP, each connection begins with them.
func TestSelectorsInEverySession(t *testing.T) {
	server := serve(t, 20_000)
	cfg := tcpConfig(server.l.Addr().String())
	export(t, cfg, sample.Sampled(sample.TCP4(2000), sample.Selectors[0]))
	c := server.stop(t)
	if n := len(c.options[selectorID]); n < 2 {
		t.Fatalf("told %d times in two sessions", n)
	}
	for _, o := range c.options[selectorID] {
		checkSelector(t, o, sample.Selectors[0])
	}
}

// TestUnsampledSaysNothing: without sampling, no octet is spent on it.
func TestUnsampledSaysNothing(t *testing.T) {
	c, _, _ := told(t, Default(), sample.Records(6, 100))
	if len(c.options[selectorID]) != 0 {
		t.Errorf("%v", c.options[selectorID])
	}
	for _, r := range c.records {
		if _, has := r[element{0, 302}]; has {
			t.Fatal("a record has a selector")
		}
	}
}

func TestTsharkSelectors(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Rate, cfg.Private = server.Address(), 0, false
	e := export(t, cfg, sample.Sampled(sample.TCP4(100), sample.Selectors[0]))
	sample.Dissect(t, server.Receive(int(e.Stats().Messages.Load())))
}
