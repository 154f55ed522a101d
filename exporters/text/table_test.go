package text

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

var update = flag.Bool("update", false, "write the golden files anew")

func tableText(t testing.TB, cfg TableConfig, recs ...flow.Record) string {
	t.Helper()
	var out bytes.Buffer
	table, err := NewTable(&out, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for len(recs) > 0 { // in batches, as the meter hands them on
		n := min(3, len(recs))
		if err := table.Export(batch(recs[:n]...)); err != nil {
			t.Fatal(err)
		}
		recs = recs[n:]
	}
	if err := errors.Join(table.Tick(time.Time{}), table.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// flows is a small household of records.
func flows() []flow.Record {
	web := conversation("192.168.1.20:51514", "93.184.216.34:443")
	dns := conversation("192.168.1.20:40312", "192.168.1.1:53")
	dns.FlowID, dns.Key.Proto, dns.EndReason, dns.Class = 2, 17, flow.EndIdle, rules.Internal
	dns.Has &^= flow.HasTCP
	dns.Start = start + 7e9
	dns.Count[0] = flow.Counters{TotalOctets: 61, TotalPackets: 1, Packets: 1, First: dns.Start, Last: dns.Start}
	dns.Count[1] = flow.Counters{TotalOctets: 1234, TotalPackets: 1, Packets: 1, First: dns.Start + 2e7, Last: dns.Start + 2e7}
	ping := conversation("192.168.1.20:0", "203.0.113.9:0")
	ping.FlowID, ping.Key.Proto, ping.EndReason = 3, 1, flow.EndForced
	ping.Has &^= flow.HasTCP | flow.HasSrcPort | flow.HasDstPort
	six := conversation("[2001:db8::20]:40000", "[2001:db8:1::80]:443")
	six.FlowID, six.Count[0].TotalOctets, six.Count[0].TotalPackets = 4, 3_456_789_012, 2_500_000
	return []flow.Record{dns, web, six, ping}
}

// widest is the record that needs the most room, on another day than flows.
func widest() flow.Record {
	r := conversation("255.255.255.254:65535", "255.255.255.253:65534")
	r.FlowID, r.Start, r.Class, r.EndReason = 9, start+36*3600e9, rules.Internal, flow.EndForced
	for w := range r.Count {
		c := &r.Count[w]
		c.TCPFlags, c.First, c.Last = 0xff, r.Start, r.Start+5*3600e9+59*60e9
		c.TotalOctets, c.TotalPackets = 999_499_999_999, 999_499_999
	}
	return r
}

func TestTableGolden(t *testing.T) {
	long := slices.DeleteFunc(append(flows(), widest()), func(r flow.Record) bool { return r.Key.Version == 6 })
	prefixes := conversation("10.1.2.0:0", "192.0.2.0:443")
	prefixes.RuleSet, prefixes.Key.Src.AddrLen, prefixes.Key.Dst.AddrLen = &flow.RuleSet{Name: "nets", Index: 1, Named: unnamed}, 24, 28
	prefixes.Has &^= flow.HasSrcPort
	for _, test := range []struct {
		name string
		cfg  TableConfig
		recs []flow.Record
	}{
		{"default", DefaultTable(), flows()},
		{"top2", TableConfig{Top: 2, Sort: "packets"}, flows()},
		{"start", TableConfig{Top: 10, Sort: "start"}, flows()},
		{"duration", TableConfig{Top: 10, Sort: "duration"}, long},
		{"field", TableConfig{Top: 10, Sort: "reverseMaximumTTL"}, flows()},
		{"narrow", TableConfig{Top: 10, Sort: "octets", Width: 80}, long},
		{"rulesets", DefaultTable(), append(flows(), prefixes)},
		{"empty", DefaultTable(), nil},
	} {
		t.Run(test.name, func(t *testing.T) { golden(t, "table_"+test.name, tableText(t, test.cfg, test.recs...)) })
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestTableFits(t *testing.T) {
	for _, width := range []int{0, 120, 80} {
		limit := width
		if width == 0 {
			limit = 120
		}
		out := tableText(t, TableConfig{Top: 3, Sort: "octets", Width: width}, widest(), flows()[0])
		for line := range strings.Lines(out) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > limit {
				t.Errorf("width %d: %d columns: %s", width, n, line)
			}
		}
	}
}

// TestTopAgainstSorting compares the bounded heap with sorting everything, for
// flows of one to four pieces in random order.
func TestTopAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		var recs []flow.Record
		best := map[uint64]uint64{}
		for id := range uint64(1 + rng.IntN(60)) {
			for piece := range uint32(1 + rng.IntN(4)) {
				r := flow.Record{RuleSet: ruleSet, FlowID: id, Piece: piece}
				r.Count[0].TotalOctets = rng.Uint64N(20)
				best[id] = max(best[id], r.Count[0].TotalOctets)
				recs = append(recs, r)
			}
		}
		rng.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
		n := 1 + rng.IntN(20)
		kept := top{n: n, flows: map[flowID]*entry{}}
		for i := range recs {
			kept.add(recs[i].Count[0].TotalOctets, &recs[i])
		}
		checkTop(t, kept.sorted(), best, n)
	}
}

func checkTop(t *testing.T, got []*flow.Record, best map[uint64]uint64, n int) {
	t.Helper()
	var ids []uint64
	for id := range best {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uint64) int {
		if best[a] != best[b] {
			return int(best[b]) - int(best[a])
		}
		return int(a) - int(b)
	})
	ids = ids[:min(n, len(ids))]
	for i, id := range ids {
		if i >= len(got) || got[i].FlowID != id || got[i].Count[0].TotalOctets != best[id] {
			t.Fatalf("row %d of %d is not flow %d with %d", i, len(got), id, best[id])
		}
	}
	if len(got) != len(ids) {
		t.Fatalf("%d rows, want %d", len(got), len(ids))
	}
}

func TestTableMistakes(t *testing.T) {
	for _, test := range []struct {
		cfg  TableConfig
		want string
	}{
		{TableConfig{Top: 5, Sort: "octet"}, `sort: unknown field "octet" (did you mean octets?)`},
		{TableConfig{Top: 5, Sort: "packetDeltacount"}, `sort: unknown field "packetDeltacount" (did you mean packetDeltaCount?)`},
		{TableConfig{Top: 5, Sort: "flowClass"}, `sort: unknown field "flowClass"`},
		{TableConfig{Top: 0, Sort: "octets", Width: -1}, "top: 0 flows; at least 1\nwidth: -1 columns; at least 0, which means no limit"},
	} {
		if _, err := NewTable(nil, test.cfg); err == nil || err.Error() != test.want {
			t.Errorf("%+v: got %v, want %s", test.cfg, err, test.want)
		}
	}
	for _, sort := range SortFields() {
		if _, err := NewTable(nil, TableConfig{Top: 1, Sort: sort}); err != nil {
			t.Errorf("sort by %s: %v", sort, err)
		}
	}
}

func TestTableReportsWriteErrors(t *testing.T) {
	table, err := NewTable(broken{}, DefaultTable())
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Close(); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1.0k", 1234: "1.2k", 9949: "9.9k", 9950: "10k", 99_499: "99k",
		999_499: "999k", 999_500: "1.0M", 999_999: "1.0M", 1_500_000: "1.5M", 1<<64 - 1: "18E"} {
		if got := compact(n); got != want {
			t.Errorf("compact(%d) = %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0", 900: "1us", 1500 * time.Microsecond: "2ms", 1500 * time.Millisecond: "1.50s",
		245 * time.Second: "4m05s", 150 * time.Minute: "2h30m", 244 * time.Hour: "10d4h"} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
	if got := tcpFlags(0x1b); got != "FSPA" {
		t.Errorf("tcpFlags = %s", got)
	}
}

func BenchmarkTable(b *testing.B) {
	table, err := NewTable(nil, DefaultTable())
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	recs := make([]flow.Record, 1000)
	for i := range recs {
		recs[i] = conversation("10.1.2.3:40000", "192.0.2.80:443")
		recs[i].FlowID, recs[i].Count[0].TotalOctets = rng.Uint64(), rng.Uint64N(1e6)
	}
	in := batch(recs...)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(recs) {
		_ = table.Export(in)
	}
}
