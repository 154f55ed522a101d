package text

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmeter/meter/flow"
)

func csvLines(t testing.TB, p flow.Precision, fields []string, recs ...flow.Record) string {
	t.Helper()
	var out bytes.Buffer
	c, err := NewCSV(&out, p, fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Export(batch(recs...)), c.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCSVDefault(t *testing.T) {
	got := csvLines(t, flow.ToMicros, nil,
		conversation("10.1.2.3:40000", "192.0.2.80:443"), conversation("[2001:db8::1]:40000", "[2001:db8::2]:443"))
	want := "ruleset,flowId,pieceNumber,flowStartMicroseconds,flowEndMicroseconds,protocolIdentifier," +
		"sourceIPv4Address,destinationIPv4Address,sourceIPv6Address,destinationIPv6Address," +
		"sourceIPv4Prefix,destinationIPv4Prefix,sourceIPv6Prefix,destinationIPv6Prefix," +
		"sourceTransportPort,destinationTransportPort,octetDeltaCount,reverseOctetDeltaCount,packetDeltaCount,reversePacketDeltaCount," +
		"tcpControlBits,reverseTcpControlBits,flowEndReason,biflowDirection,flowClass,flowKindName\n" +
		"default,feedfacecafe0001,0,2026-03-01T10:20:30.123456Z,2026-03-01T10:20:31.623456Z,6," +
		"10.1.2.3,192.0.2.80,,,,,,,40000,443,5400,98304,12,80,27,27,3,1,out,\n" +
		"default,feedfacecafe0001,0,2026-03-01T10:20:30.123456Z,2026-03-01T10:20:31.623456Z,6," +
		",,2001:db8::1,2001:db8::2,,,,,40000,443,5400,98304,12,80,27,27,3,1,out,\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestCSVSaysWhatJSONSays reads random records with encoding/csv and compares
// every cell with the JSON line of the same record.
func TestCSVSaysWhatJSONSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	fields := names(columns(flow.ToNanos))
	for range 500 {
		r := random(rng)
		rows, err := csv.NewReader(strings.NewReader(csvLines(t, flow.ToNanos, fields, r))).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		if !slices.Equal(rows[0], fields) {
			t.Fatalf("header %v", rows[0])
		}
		want, _ := parse(t, jsonLines(t, flow.ToNanos, nil, r))
		for i, name := range fields {
			if got := rows[1][i]; got != cellOf(want[name]) {
				t.Errorf("%s is %q, in JSON %v", name, got, want[name])
			}
		}
	}
}

func cellOf(v any) string {
	switch v := v.(type) {
	case json.Number:
		return string(v)
	case string:
		return v
	case []any:
		return strings.ReplaceAll(fmt.Sprint(v), " ", ",")
	}
	return ""
}

// TestCSVOfOneColumn: an empty line would be no record.
func TestCSVOfOneColumn(t *testing.T) {
	got := csvLines(t, flow.ToMillis, []string{"flowKindName"}, conversation("10.0.0.1:1", "10.0.0.2:2"))
	rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][0] != "" {
		t.Errorf("%q reads as %v, %v", got, rows, err)
	}
}

func TestCSVAllocatesNothing(t *testing.T) {
	c, err := NewCSV(io.Discard, flow.ToMillis, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := batch(conversation("10.1.2.3:40000", "192.0.2.80:443"))
	if allocs := testing.AllocsPerRun(1000, func() { _ = c.Export(b) }); allocs != 0 {
		t.Errorf("%v allocations for a record", allocs)
	}
}

func BenchmarkCSV(b *testing.B) {
	c, err := NewCSV(io.Discard, flow.ToMillis, nil)
	if err != nil {
		b.Fatal(err)
	}
	r := conversation("10.1.2.3:40000", "192.0.2.80:443")
	in := batch(slices.Repeat([]flow.Record{r}, 64)...)
	b.SetBytes(int64(len(c.append(nil, &r))))
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(in.Records) {
		if err := c.Export(in); err != nil {
			b.Fatal(err)
		}
	}
}
