package netflow9

import (
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// TestTshark lets Wireshark's dissector read packets and compares octets.
func TestTshark(t *testing.T) {
	records := sample.Records(9, 400)
	var octets uint64
	for i := range records {
		octets += records[i].Count[0].Octets + records[i].Count[1].Octets
	}
	for _, biflow := range []exporters.Biflow{exporters.Pair, exporters.Split} {
		server := sample.Listen(t)
		cfg := Default()
		cfg.Address, cfg.Biflow, cfg.Rate = server.Address(), biflow, 0
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		e.Export(&flow.Batch{Records: records, Stats: &flow.Statistics{Interfaces: []flow.Interface{{Index: 1, Name: "eth0"}}}})
		e.Close()
		text := sample.Dissect(t, server.Receive(int(e.Stats().Messages.Load())))
		_, in := sample.Sum(text, "Octets")
		_, out := sample.Sum(text, "Post Octets")
		if in+out != octets {
			t.Errorf("octets by tshark %d and %d, want %d together", in, out, octets)
		}
	}
}
