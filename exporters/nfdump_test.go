//go:build integration

package exporters_test

import (
	"fmt"
	"strings"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/exporters/ipfix"
	"flowmeter/exporters/netflow5"
	"flowmeter/exporters/netflow9"
	"flowmeter/meter/flow"
	"flowmeter/meter/lab"
)

// startNfcapd starts a collector at a free port of the loopback address.
func startNfcapd(t *testing.T) *lab.Nfcapd {
	t.Helper()
	return lab.StartNfcapd(t, "", lab.Local(lab.FreePort(t, "udp")))
}

// stop ends a collector and returns nfdump's line for each flow.
func stop(n *lab.Nfcapd, format string) (lines []string) {
	n.T.Helper()
	n.Stop()
	n.Check()
	for line := range strings.Lines(n.Flows(format)) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// line is what nfdump should say of a record.
func line(r *flow.Record, both bool) string {
	f, v := &r.Count[flow.Forward], &r.Count[flow.Reverse]
	port := int(r.Key.Dst.Port)
	pkts, octets := v.Packets, v.Octets
	if !both {
		pkts, octets = 0, 0
	}
	return fmt.Sprintf("%s %s %d %d %d %d %d %d %d",
		flow.AddressText(address(r, &r.Key.Src.Addr)), flow.AddressText(address(r, &r.Key.Dst.Addr)),
		r.Key.Src.Port, port, r.Key.Proto, f.Packets, f.Octets, pkts, octets)
}

func address(r *flow.Record, a *[16]byte) []byte {
	if r.Key.Version == 4 {
		return a[12:]
	}
	return a[:]
}

const format = "%sa %da %sp %dp %pr %ipkt %ibyt %opkt %obyt"

// plain are records of TCP and UDP: what nfdump shows of all else differs
// between its formats.
func plain(n int, v4 bool) (out []flow.Record) {
	for _, r := range sample.Records(11, 8*n) {
		ok := r.Has&(flow.HasSrcPort|flow.HasForward) == flow.HasSrcPort|flow.HasForward && (r.Key.Version == 4 || !v4)
		if ok && len(out) < n {
			out = append(out, r)
		}
	}
	return out
}

func TestNfdump(t *testing.T) {
	type sink interface {
		exporters.Sink
		Stats() *exporters.Stats
	}
	ipfixSink := func(biflow exporters.Biflow) func(string) (sink, error) {
		return func(addr string) (sink, error) {
			cfg := ipfix.Default()
			cfg.Address, cfg.Biflow, cfg.Domain = addr, biflow, 1
			return ipfix.New(cfg)
		}
	}
	v9Sink := func(biflow exporters.Biflow) func(string) (sink, error) {
		return func(addr string) (sink, error) {
			cfg := netflow9.Default()
			cfg.Address, cfg.Biflow = addr, biflow
			return netflow9.New(cfg)
		}
	}
	v5Sink := func(addr string) (sink, error) {
		cfg := netflow5.Default()
		cfg.Address = addr
		return netflow5.New(cfg)
	}
	for _, tc := range []struct {
		name string
		v4   bool
		pair bool
		make func(string) (sink, error)
	}{
		{"ipfix pair", false, true, ipfixSink(exporters.Pair)},
		{"ipfix split", false, false, ipfixSink(exporters.Split)},
		{"v9 pair", false, true, v9Sink(exporters.Pair)},
		{"v9 split", false, false, v9Sink(exporters.Split)},
		{"v5", true, false, v5Sink},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := startNfcapd(t)
			e, err := tc.make(lab.Local(n.Port))
			if err != nil {
				t.Fatal(err)
			}
			records := plain(20_000, tc.v4)
			if err := e.Export(&flow.Batch{Records: records}); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			compareLines(t, stop(n, format), records, tc.pair)
		})
	}
}

func compareLines(t *testing.T, got []string, records []flow.Record, pair bool) {
	t.Helper()
	if !pair {
		records = sample.Split(records)
	}
	if len(got) != len(records) {
		t.Fatalf("nfdump has %d flows, want %d", len(got), len(records))
	}
	for i := range records {
		if want := line(&records[i], pair); got[i] != want {
			t.Fatalf("flow %d: nfdump says\n%s, want\n%s", i, got[i], want)
		}
	}
}
