package collect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmeter/exporters/collect"
	"flowmeter/exporters/internal/sample"
	"flowmeter/exporters/ipfix"
	"flowmeter/exporters/text"
	"flowmeter/meter/flow"
)

// TestMeterSaysTheSameAsJSON exports records of all kinds as an IPFIX file,
// collects that, and compares each record, field by field, with the JSON line
// of the same record.
func TestMeterSaysTheSameAsJSON(t *testing.T) {
	records := append(sample.Records(3, 300), sample.Measured(3, 100)...)
	for p := flow.ToMillis; p <= flow.ToNanos; p++ {
		want := jsonObjects(t, asJSON(t, p, records))
		got := jsonObjects(t, asCollected(t, p, records))
		if len(got) != len(want) {
			t.Fatalf("%d records came, want %d", len(got), len(want))
		}
		for i := range want {
			compare(t, got[i], want[i])
		}
	}
}

// onlyIPFIX and onlyJSON are what one of the two has and the other has not.
var (
	onlyIPFIX = []string{"exporter", "version", "domain", "template", "exportTime", "ruleSetId"}
	onlyJSON  = []string{"ruleset"}
)

func compare(t *testing.T, got, want map[string]any) {
	t.Helper()
	for _, name := range onlyIPFIX {
		delete(got, name)
	}
	for _, name := range onlyJSON {
		delete(want, name)
	}
	if _, isText := got["flowClass"].(string); isText && want["flowClass"] != got["flowClass"] {
		delete(got, "flowClass") // a class named by the rules is a number in IPFIX
		delete(want, "flowClass")
	}
	for name, v := range want {
		if !reflect.DeepEqual(got[name], v) {
			t.Errorf("%s is %v in IPFIX, %v in JSON", name, got[name], v)
		}
		delete(got, name)
	}
	for name, v := range got {
		if v != "" { // JSON leaves an empty name out
			t.Errorf("%s is %v in IPFIX and not in JSON", name, v)
		}
	}
}

func asJSON(t *testing.T, p flow.Precision, records []flow.Record) string {
	t.Helper()
	var out bytes.Buffer
	j, err := text.NewJSON(&out, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Export(&flow.Batch{Records: records}), j.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// asCollected sends the records through an IPFIX file with checksums.
func asCollected(t *testing.T, p flow.Precision, records []flow.Record) string {
	t.Helper()
	var file, out bytes.Buffer
	cfg := ipfix.Default()
	cfg.Transport, cfg.Writer, cfg.Precision, cfg.Checksum = ipfix.Writer, &file, p, true
	for _, f := range flow.Model(p) {
		if f.ID != 0 {
			cfg.Fields = append(cfg.Fields, f.Name)
		}
	}
	e, err := ipfix.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Open(), e.Export(&flow.Batch{Records: records, Final: true}), e.Close()); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "flows.ipfix")
	if err := os.WriteFile(name, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := collect.Open(collect.Default(), name, &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := c.Stats()
	if s.Malformed+s.Unknown+s.Redefined+s.IPFIX.Lost+s.IPFIX.Back+s.OutsideWindow != 0 || s.Checksums != s.IPFIX.Messages {
		t.Errorf("%s", s.Summary())
	}
	return out.String()
}

// jsonObjects reads lines of JSON, without those of options records.
func jsonObjects(t *testing.T, lines string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(lines) {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var object map[string]any
		if err := d.Decode(&object); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if object["options"] == nil {
			out = append(out, object)
		}
	}
	return out
}
