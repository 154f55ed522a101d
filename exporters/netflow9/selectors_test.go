package netflow9

import (
	"bytes"
	"testing"
	"time"

	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
)

// options decodes packets with goflow2 and returns the records of the two
// templates of sampling, in their order.
func options(t *testing.T, messages [][]byte) (all []map[uint16]uint64) {
	t.Helper()
	templates := netflow.CreateTemplateSystem()
	for _, msg := range messages {
		var p netflow.NFv9Packet
		if err := netflow.DecodeMessageVersion(bytes.NewBuffer(msg), templates, &p, nil); err != nil {
			t.Fatal(err)
		}
		for _, set := range p.FlowSets {
			o, isOptions := set.(netflow.OptionsDataFlowSet)
			if !isOptions || o.Id != selectorID && o.Id != samplerID {
				continue
			}
			for _, r := range o.Records {
				values := map[uint16]uint64{}
				for _, f := range r.OptionsValues {
					for _, b := range f.Value.([]byte) {
						values[f.Type] = values[f.Type]<<8 | uint64(b)
					}
				}
				all = append(all, values)
			}
		}
	}
	return all
}

// TestSelectors: both records tell number, mode and interval of each; with the
// next templates, those of now.
func TestSelectors(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Live, cfg.Domain = server.Address(), true, 5
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, 1400)
	for i := range sample.Selectors {
		exportOne(t, e, sample.Sampled(sample.TCP4(1), sample.Selectors[i]))
	}
	e.Tick(time.Now())
	before := int(e.Stats().Messages.Load())
	e.Tick(time.Now().Add(601 * time.Second))
	all := server.Receive(int(e.Stats().Messages.Load()))
	e.Close()
	for _, msg := range all {
		c.message(msg)
	}
	for i, s := range sample.Selectors {
		if got := c.records[i].uint(48); got != uint64(s.ID) {
			t.Errorf("record %d has selector %d", i, got)
		}
	}
	checkSelectors(t, options(t, all[:before]), 0, 1, 2)
	checkSelectors(t, options(t, all[before:]), 2, 1)
}

func exportOne(t *testing.T, e *Exporter, records []flow.Record) {
	t.Helper()
	if err := e.Export(&flow.Batch{Records: records}); err != nil {
		t.Fatal(err)
	}
}

func checkSelectors(t *testing.T, got []map[uint16]uint64, want ...int) {
	t.Helper()
	if len(got) != 2*len(want) {
		t.Fatalf("%d records, want two for each of %v: %v", len(got), want, got)
	}
	for i, at := range want {
		s := sample.Selectors[at]
		for _, r := range got[2*i : 2*i+2] {
			_, full := r[35]
			if r[48] != uint64(s.ID) || r[49] != 2 || r[34] != uint64(s.Interval) || full && (r[35] != 2 || r[50] != uint64(s.Interval)) {
				t.Errorf("%v, want %+v", r, s)
			}
		}
	}
}

func TestTsharkSelectors(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Rate = server.Address(), 0
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	exportOne(t, e, sample.Sampled(sample.TCP4(100), sample.Selectors[0]))
	e.Close()
	sample.Dissect(t, server.Receive(int(e.Stats().Messages.Load())))
}
