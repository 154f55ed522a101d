package srl

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter"
	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// count is what a flow carried, forward and reverse.
type count struct{ packets, octets [2]uint64 }

// flows are the counts of each flow by its key.
type flows map[rules.Key]count

func (f flows) add(k rules.Key, way int, packets, octets uint64) {
	c := f[k]
	c.packets[way] += packets
	c.octets[way] += octets
	f[k] = c
}

// packetsOf decodes a trace; later fragments have the ports of their first.
func packetsOf(t *testing.T, path string) (list []packet.Headers) {
	t.Helper()
	src, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var fragments flow.Fragments
	for {
		b, err := src.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Frames {
			f := &b.Frames[i]
			p := flow.Packet{Clock: f.Time}
			out := packet.Decode(&p.Headers, packet.LinkType(f.Link), b.Data(f), f.WireLen)
			if out == packet.Malformed || out == packet.Unsupported {
				continue
			}
			if p.Layers&packet.HasFragment != 0 {
				fragments.Resolve(&p)
			}
			list = append(list, p.Headers)
		}
		b.Release()
	}
}

// engineFlows does what RFC 2722 §4.3 says with the packets of a trace.
func engineFlows(p *pair, packets []packet.Headers) flows {
	table := flows{}
	for i := range packets {
		h := &packets[i]
		verdict, key, swapped := p.wanted(h)
		if verdict != rules.Counted {
			continue
		}
		_, current := table[key]
		other := key.Swap()
		_, currentOther := table[other]
		switch {
		case swapped:
			table.add(key, 1, 1, octetsIn(h))
		case current || !currentOther:
			table.add(key, 0, 1, octetsIn(h))
		default:
			table.add(other, 1, 1, octetsIn(h))
		}
	}
	return table
}

func octetsIn(h *packet.Headers) uint64 {
	if h.Layers&packet.HasIP == 0 {
		return uint64(h.WireLen)
	}
	return uint64(h.TotalLen)
}

// adder is an exporter that adds up records.
type adder struct {
	flows
	program *rules.Program
}

// Offer implements meter.Exporter.
func (a *adder) Offer(b *flow.Batch) {
	for i := range b.Records {
		r := &b.Records[i]
		key := plain(r.Key, a.program)
		for way, c := range r.Count {
			a.add(key, way, c.Packets, c.Octets)
		}
	}
	b.Release()
}

// meterFlows meters a trace with the rules.
func meterFlows(t *testing.T, p *pair, path string) flows {
	t.Helper()
	rs := ruleSet(t, p.yaml)
	const forever = 20 * 24 * time.Hour
	rs.Active, rs.Idle = forever, forever
	cfg := meter.DefaultConfig()
	cfg.RuleSets = []*rules.RuleSet{rs}
	a := &adder{flows{}, rs.Program}
	m := meter.New(cfg, []meter.Exporter{a})
	open := func() (meter.Source, error) { return capture.Open(path) }
	if err := m.Run([]meter.Open{open}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	return a.flows
}

// TestFlowsOfTraces: the programs of testdata make the same flows of its traces
// either way: as rules of RFC 2722's engine, and as the meter runs what they
// are translated to.
func TestFlowsOfTraces(t *testing.T) {
	programs, err := filepath.Glob("../../testdata/srl/*.srl")
	if err != nil || len(programs) < 6 {
		t.Fatal(programs, err)
	}
	var traces []string
	for _, pattern := range []string{"*.pcap", "*.pcapng"} {
		found, err := filepath.Glob("../../testdata/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		traces = append(traces, found...)
	}
	if len(traces) < 10 {
		t.Fatal(traces)
	}
	for _, program := range programs {
		src, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		p := newPair(t, string(src))
		packets, reverse := uint64(0), uint64(0)
		for _, trace := range traces {
			want, got := engineFlows(p, packetsOf(t, trace)), meterFlows(t, p, trace)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(count{})); diff != "" {
				t.Errorf("%s over %s: -engine +meter\n%s", program, trace, diff)
			}
			for _, c := range want {
				packets, reverse = packets+c.packets[0]+c.packets[1], reverse+c.packets[1]
			}
		}
		t.Logf("%s: %d packets counted, %d of them in reverse", filepath.Base(program), packets, reverse)
		if packets < 100 || reverse < 10 {
			t.Errorf("%s counts %d packets, %d in reverse: too few to show anything", program, packets, reverse)
		}
	}
}
