package ipfix

import (
	"path/filepath"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// TestTshark lets Wireshark's dissector read datagrams of all precisions and
// both forms of biflow, and compares sums.
func TestTshark(t *testing.T) {
	records := sample.Records(9, 400)
	var octets uint64
	for i := range records {
		octets += records[i].Count[0].Octets + records[i].Count[1].Octets
	}
	for _, precision := range []flow.Precision{flow.ToMillis, flow.ToSeconds, flow.ToMicros, flow.ToNanos} {
		for _, biflow := range []exporters.Biflow{exporters.Pair, exporters.Split} {
			server := sample.Listen(t)
			cfg := Default()
			cfg.Address, cfg.Precision, cfg.Biflow, cfg.Domain = server.Address(), precision, biflow, 1
			cfg.Fields = namesAt(precision)
			e := export(t, cfg, records)
			text := sample.Dissect(t, server.Receive(int(e.Stats().Messages.Load())))
			_, forward := sample.Sum(text, "Octets")
			_, back := sample.Sum(text, "Octets [Reverse]")
			if forward+back != octets {
				t.Errorf("octets by tshark %d and %d, want %d together", forward, back, octets)
			}
		}
	}
}

// TestTsharkFile lets Wireshark open an IPFIX file.
func TestTsharkFile(t *testing.T) {
	cfg := Default()
	cfg.Transport, cfg.Path, cfg.Checksum = File, filepath.Join(t.TempDir(), "flows.ipfix"), true
	e := export(t, cfg, sample.Records(9, 1000))
	sample.DissectFile(t, cfg.Path, int(e.Stats().Messages.Load()))
}

// namesAt are all fields that IPFIX has, with times of a precision.
func namesAt(p flow.Precision) (names []string) {
	for _, f := range flow.Model(p) {
		if f.ID != 0 {
			names = append(names, f.Name)
		}
	}
	return names
}
