package netflow5

import (
	"bytes"
	"testing"

	"github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// TestSampling: every packet's header tells the sampling of all its records,
// and the last packet of one sampling is sent before the first of another.
func TestSampling(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Rate = server.Address(), 0
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	intervals := []uint32{0, 100, 1, LargestSample}
	for i, n := range intervals {
		records := sample.TCP4(20)
		if n > 0 {
			records = sample.Sampled(records, &flow.Selector{ID: uint32(i), Interval: n})
		}
		for j := range records {
			records[j].Key.Src.Port = uint16(i)
			records[j].Key.Dst.Port = uint16(i)
		}
		if err := e.Export(&flow.Batch{Records: records}); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	seen := map[uint16]int{}
	for _, msg := range server.Receive(int(e.Stats().Messages.Load())) {
		var p netflowlegacy.PacketNetFlowV5
		if err := netflowlegacy.DecodeMessageVersion(bytes.NewBuffer(msg), &p); err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Records {
			want := uint16(0)
			if n := intervals[r.SrcPort]; n > 1 {
				want = 2<<14 | uint16(n)
			}
			if p.SamplingInterval != want {
				t.Fatalf("a record sampled 1 in %d under a header that says %#x", intervals[r.SrcPort], p.SamplingInterval)
			}
			seen[r.SrcPort]++
		}
	}
	for i := range intervals {
		if seen[uint16(i)] != 40 {
			t.Errorf("%d records of interval %d", seen[uint16(i)], intervals[i])
		}
	}
	if e.LargestSample() != 16383 {
		t.Errorf("largest is %d", e.LargestSample())
	}
}
