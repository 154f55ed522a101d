package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/flow"
)

func jsonLines(t testing.TB, p flow.Precision, fields []string, recs ...flow.Record) string {
	t.Helper()
	var out bytes.Buffer
	j, err := NewJSON(&out, p, fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Export(batch(recs...)), j.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestJSONLine(t *testing.T) {
	got := jsonLines(t, flow.ToMillis, nil, conversation("10.1.2.3:40000", "192.0.2.80:443"))
	want := `{"ruleset":"default","flowId":"feedfacecafe0001","pieceNumber":0,` +
		`"flowStartMilliseconds":"2026-03-01T10:20:30.123Z","reverseFlowStartMilliseconds":"2026-03-01T10:20:30.143Z",` +
		`"flowEndMilliseconds":"2026-03-01T10:20:31.623Z","reverseFlowEndMilliseconds":"2026-03-01T10:20:31.643Z",` +
		`"ipVersion":4,"protocolIdentifier":6,"sourceIPv4Address":"10.1.2.3","destinationIPv4Address":"192.0.2.80",` +
		`"sourceTransportPort":40000,"destinationTransportPort":443,` +
		`"octetDeltaCount":5400,"reverseOctetDeltaCount":98304,"packetDeltaCount":12,"reversePacketDeltaCount":80,` +
		`"octetTotalCount":5400,"reverseOctetTotalCount":98304,"packetTotalCount":12,"reversePacketTotalCount":80,` +
		`"layer2OctetDeltaCount":5568,"reverseLayer2OctetDeltaCount":99424,"tcpControlBits":27,"reverseTcpControlBits":27,` +
		`"ipClassOfService":0,"reverseIpClassOfService":0,"minimumIpTotalLength":40,"reverseMinimumIpTotalLength":40,` +
		`"maximumIpTotalLength":1500,"reverseMaximumIpTotalLength":1500,"minimumTTL":64,"reverseMinimumTTL":57,` +
		`"maximumTTL":64,"reverseMaximumTTL":58,"sourceMacAddress":"00:00:00:00:00:00","destinationMacAddress":"00:00:00:00:00:00",` +
		`"ethernetType":0,"flowEndReason":3,"biflowDirection":1,"directionEvidence":"syn","flowClass":"out"}` + "\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// TestJSONParsesBack reads random records back with encoding/json and compares
// each value with the record's.
func TestJSONParsesBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for p := flow.ToMillis; p <= flow.ToNanos; p++ {
		for range 300 {
			r := random(rng)
			line := jsonLines(t, p, nil, r)
			got, keys := parse(t, line)
			wantKeys := checkValues(t, p, &r, got)
			if !slices.Equal(keys, wantKeys) {
				t.Fatalf("keys %v\nwant %v", keys, wantKeys)
			}
		}
	}
}

// parse returns a line's values and its keys in their order.
func parse(t *testing.T, line string) (map[string]any, []string) {
	t.Helper()
	if strings.Count(line, "\n") != 1 {
		t.Fatalf("not one line: %q", line)
	}
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	values, keys := map[string]any{}, []string(nil)
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		t.Fatalf("%v %v in %s", tok, err, line)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		keys = append(keys, key.(string))
		values[key.(string)] = v
	}
	return values, keys
}

// checkValues compares got with r by the information model and returns the
// keys that the line must have.
func checkValues(t *testing.T, p flow.Precision, r *flow.Record, got map[string]any) (keys []string) {
	t.Helper()
	for _, f := range flow.Model(p) {
		for w := flow.Forward; w <= flow.Reverse; w++ {
			if f.Wire || !f.In(r, w) || w == flow.Reverse && !f.TwoWay || f.Text != nil && f.Text(r, w) == "" {
				continue
			}
			name := f.Name
			if w == flow.Reverse {
				name = f.ReverseName()
			}
			keys = append(keys, name)
			if !sameValue(t, &f, r, w, p, got[name]) {
				t.Errorf("%s is %v", name, got[name])
			}
		}
	}
	return keys
}

var units = map[flow.Precision]int64{flow.ToSeconds: 1e9, flow.ToMillis: 1e6, flow.ToMicros: 1e3, flow.ToNanos: 1}

func sameValue(t *testing.T, f *flow.Field, r *flow.Record, w flow.Way, p flow.Precision, got any) bool {
	if f.List != nil {
		list, isList := got.([]any)
		return isList && fmt.Sprint(list) == fmt.Sprint(f.List(r, w)) && len(list) > 2
	}
	number, isNumber := got.(json.Number)
	text, _ := got.(string)
	_, isTime := flow.PrecisionOf(f.Type)
	switch {
	case f.Show != nil:
		return text == string(f.Show(nil, r, w))
	case f.Text != nil:
		return text == f.Text(r, w)
	case f.Type == flow.MAC:
		mac, err := net.ParseMAC(text)
		return err == nil && bytes.Equal(mac, f.Bytes(r, w))
	case f.Bytes != nil:
		a, err := netip.ParseAddr(text)
		return err == nil && bytes.Equal(a.AsSlice(), f.Bytes(r, w))
	case isTime:
		at, err := time.Parse(time.RFC3339Nano, text)
		ns := int64(f.Uint(r, w))
		return err == nil && at.UnixNano() == ns-ns%units[p]
	}
	return isNumber && string(number) == strconv.FormatUint(f.Uint(r, w), 10)
}

func TestJSONFieldsKeepTheModelsOrder(t *testing.T) {
	got := jsonLines(t, flow.ToMillis, []string{"reversePacketDeltaCount", "ruleset", "sourceIPv6Address"}, conversation("10.0.0.1:1", "10.0.0.2:2"))
	if want := `{"ruleset":"default","reversePacketDeltaCount":80}` + "\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

func TestJSONOfNothing(t *testing.T) {
	got := jsonLines(t, flow.ToMillis, []string{"sourceIPv6Address"}, conversation("10.0.0.1:1", "10.0.0.2:2"))
	if got != "{}\n" {
		t.Errorf("got %q", got)
	}
}

func TestFieldMistakes(t *testing.T) {
	for _, test := range []struct {
		fields []string
		want   string
	}{
		{[]string{"octetDeltaCont"}, `unknown field "octetDeltaCont" (did you mean octetDeltaCount?)`},
		{[]string{"nothingLikeIt"}, `unknown field "nothingLikeIt"`},
		{[]string{"sourceIPv4PrefixLength"}, `unknown field "sourceIPv4PrefixLength" (did you mean sourceIPv4Prefix?)`},
		{[]string{"flowStartNanoseconds"}, `unknown field "flowStartNanoseconds" (did you mean flowStartMilliseconds?)`},
		{[]string{"ruleset", "ruleset"}, `field "ruleset" stands twice`},
	} {
		_, jsonErr := NewJSON(io.Discard, flow.ToMillis, test.fields)
		_, csvErr := NewCSV(io.Discard, flow.ToMillis, test.fields)
		for _, err := range []error{jsonErr, csvErr} {
			if err == nil || err.Error() != test.want {
				t.Errorf("%v: got %v, want %s", test.fields, err, test.want)
			}
		}
	}
}

func TestJSONAllocatesNothing(t *testing.T) {
	r := conversation("10.1.2.3:40000", "192.0.2.80:443")
	masked := conversation("[2001:db8::]:40000", "[2001:db8:1::]:443")
	masked.Has = masked.Has&^(flow.HasSrcV6|flow.HasDstV6) | flow.HasSrcV6Prefix | flow.HasDstV6Prefix
	masked.Key.Src.AddrLen, masked.Key.Dst.AddrLen = 48, 48
	b := batch(r, masked)
	j, err := NewJSON(io.Discard, flow.ToMillis, nil)
	if err != nil {
		t.Fatal(err)
	}
	if allocs := testing.AllocsPerRun(1000, func() { _ = j.Export(b) }); allocs != 0 {
		t.Errorf("%v allocations for two records", allocs)
	}
}

// broken is a writer whose disk is full.
type broken struct{}

var errFull = errors.New("disk full")

func (broken) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorsAreReported(t *testing.T) {
	j, _ := NewJSON(broken{}, flow.ToMillis, nil)
	c, _ := NewCSV(broken{}, flow.ToMillis, nil)
	r := conversation("10.1.2.3:40000", "192.0.2.80:443")
	if err := errors.Join(j.Export(batch(r)), c.Export(batch(r))); err != nil {
		t.Fatal(err)
	}
	if err := j.Tick(time.Time{}); !errors.Is(err, errFull) {
		t.Errorf("JSON: %v", err)
	}
	if err := c.Close(); !errors.Is(err, errFull) {
		t.Errorf("CSV: %v", err)
	}
	many := slices.Repeat([]flow.Record{r}, 1000)
	if err := j.Export(batch(many...)); !errors.Is(err, errFull) {
		t.Errorf("JSON, full buffer: %v", err)
	}
}

func BenchmarkJSON(b *testing.B) {
	j, err := NewJSON(io.Discard, flow.ToMillis, nil)
	if err != nil {
		b.Fatal(err)
	}
	r := conversation("10.1.2.3:40000", "192.0.2.80:443")
	in := batch(slices.Repeat([]flow.Record{r}, 64)...)
	b.SetBytes(int64(len(j.append(nil, &r))))
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(in.Records) {
		if err := j.Export(in); err != nil {
			b.Fatal(err)
		}
	}
}
