package ipfix

import (
	"testing"

	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// TestTrimmed: records that do not fit into the messages go without their last
// distributions rather than not at all, and are counted; all else is there.
func TestTrimmed(t *testing.T) {
	records := sample.Measured(5, 100)
	const size = 512
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.MaxMessage, cfg.Fields = server.Address(), size, everything
	e := export(t, cfg, records)
	c := newCollector(t, size)
	for _, msg := range server.Receive(int(e.Stats().Messages.Load())) {
		c.message(msg)
	}
	if len(c.records) != len(records) {
		t.Fatalf("%d records arrived, %d were sent", len(c.records), len(records))
	}
	trimmed, whole := uint64(0), 0
	for i := range records {
		for _, q := range []flow.Has{flow.HasPacketRate, flow.HasBitRate, flow.HasTurnaround, flow.HasInterArrival, flow.HasPacketSize, 0} {
			r := records[i]
			if compare(&cfg, cfg.selected(), &r, c.records[i]) == nil {
				break
			}
			if q == 0 {
				t.Fatalf("record %d has something else than it should: %v", i, c.records[i])
			}
			records[i].Has &^= q
		}
		switch had := sample.Measured(5, 100)[i].Has & flow.HasMeasured; {
		case had != records[i].Has&flow.HasMeasured:
			trimmed++
		case had != 0:
			whole++
		}
	}
	if n := e.Stats().Trimmed.Load(); n != trimmed || trimmed == 0 || whole == 0 {
		t.Errorf("the account says %d records were trimmed; %d were, %d had all their distributions", n, trimmed, whole)
	}
}
