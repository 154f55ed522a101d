package ipfix

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// statistics is an account with all there is.
var statistics = &flow.Statistics{
	Clock: sample.Epoch + 60e9, Packets: 1000, Octets: 100_000,
	IgnoredPackets: 3, IgnoredOctets: 180, FirstIgnored: sample.Epoch, LastIgnored: sample.Epoch + 5e9,
	Interfaces: []flow.Interface{{Index: 1, Name: "eth0"}, {Index: 2, Name: "wlan0"}},
}

// told exports records and an account, and returns what the collector got.
func told(t *testing.T, cfg Config, records []flow.Record) (*collector, *Exporter, []byte) {
	t.Helper()
	var buf bytes.Buffer
	cfg.Transport, cfg.Writer, cfg.Domain = Writer, &buf, 7
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Stats().Drop(exporters.QueueFull, exporters.Tally{Records: 2, Packets: 9, Octets: 900, First: sample.Epoch, Last: sample.Epoch + 1e9})
	b := batch(records)
	b.Stats = statistics
	if err := e.Export(b); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, streamMessage)
	c.stream(buf.Bytes())
	return c, e, buf.Bytes()
}

func TestStatistics(t *testing.T) {
	c, _, _ := told(t, Default(), sample.Records(6, 1000))
	metering := c.options[meteringID][0]
	if metering.uint(element{0, 149}) != 7 {
		t.Errorf("scope is %v", metering)
	}
	sent := metering.uint(element{0, 42})
	if sent == 0 || sent > 1000 || metering.uint(element{0, 41}) == 0 || metering.uint(element{0, 40}) == 0 {
		t.Errorf("metering process statistics are %v", metering)
	}
	ignored := c.options[ignoredID][0]
	if ignored.uint(element{0, 164}) != 3 || ignored.uint(element{0, 165}) != 180 || ignored.uint(element{0, 323}) != uint64(sample.Epoch/1e6) {
		t.Errorf("metering process reliability is %v", ignored)
	}
	notSent := c.options[notSentID][0]
	if notSent.uint(element{0, 166}) != 2 || notSent.uint(element{0, 167}) != 9 || notSent.uint(element{0, 168}) != 900 {
		t.Errorf("exporting process reliability is %v", notSent)
	}
}

func TestNames(t *testing.T) {
	c, _, _ := told(t, Default(), sample.Records(6, 10))
	var names []string
	for _, o := range c.options[interfaceID] {
		names = append(names, string(o[element{0, 82}]))
	}
	if len(names) != 2 || names[0] != "eth0" || names[1] != "wlan0" {
		t.Errorf("interfaces are %q", names)
	}
	rs := c.options[ruleSetID]
	if len(rs) != 1 || rs[0].uint(element{DocumentationPEN, 5}) != 1 || string(rs[0][element{0, 335}]) != "conversations" {
		t.Errorf("rule sets are %v", rs)
	}
}

// TestTypes compares the type records with the private fields that arrived.
func TestTypes(t *testing.T) {
	c, _, _ := told(t, Default(), sample.Records(6, 500))
	types := map[uint16]decoded{}
	for _, o := range c.options[typeID] {
		if o.uint(element{0, 346}) != DocumentationPEN {
			t.Errorf("enterprise of %v", o)
		}
		types[uint16(o.uint(element{0, 303}))] = o
	}
	for _, r := range c.records {
		for e := range r {
			if e.pen == DocumentationPEN && types[e.id] == nil {
				t.Fatalf("private field %d has no type record", e.id)
			}
		}
	}
	class := types[1]
	if class.uint(element{0, 339}) != 2 || class.uint(element{0, 344}) != 4 || string(class[element{0, 341}]) != "flowClass" || class.uint(element{0, 343}) != 65535 {
		t.Errorf("type of flowClass is %v", class)
	}
}

func TestPrivateOff(t *testing.T) {
	cfg := Default()
	cfg.Private = false
	c, _, _ := told(t, cfg, sample.Records(6, 100))
	if len(c.options[typeID])+len(c.options[ruleSetID]) != 0 {
		t.Error("private options although private is off")
	}
	for _, r := range c.records {
		for e := range r {
			if e.pen != 0 && e.pen != reversePEN {
				t.Fatalf("field %v although private is off", e)
			}
		}
	}
}

// TestFlowKeys checks that each template has its keys told, and that the bits
// stand for key fields.
func TestFlowKeys(t *testing.T) {
	c, e, _ := told(t, Default(), sample.Records(6, 500))
	keys := map[uint16]uint64{}
	for _, o := range c.options[flowKeysID] {
		keys[uint16(o.uint(element{0, 145}))] = o.uint(element{0, 173})
	}
	if len(keys) != len(e.shapes.All()) {
		t.Errorf("keys of %d templates told, there are %d", len(keys), len(e.shapes.All()))
	}
	sel := e.cfg.selected()
	for _, tmpl := range e.shapes.All() {
		want := 0
		rec := tmpl.AppendRecord(nil)
		for i := range sel {
			if sel[i].Key && hasSpec(rec[4:], &sel[i]) {
				want++
			}
		}
		if got := popcount(keys[tmpl.ID]); got != want {
			t.Errorf("template %d has %d keys, told %d", tmpl.ID, want, got)
		}
	}
}

func popcount(v uint64) (n int) {
	for ; v != 0; v &= v - 1 {
		n++
	}
	return n
}

// hasSpec finds a forward field among field specifiers.
func hasSpec(specs []byte, f *flow.Field) bool {
	for len(specs) > 0 {
		id, pen, size := binary.BigEndian.Uint16(specs), uint32(0), 4
		if id&0x8000 != 0 {
			pen, size = binary.BigEndian.Uint32(specs[4:]), 8
		}
		if id&0x7fff == f.ID && pen == map[bool]uint32{true: DocumentationPEN}[f.Private] {
			return true
		}
		specs = specs[size:]
	}
	return false
}

func TestFileOptions(t *testing.T) {
	records := sample.Records(8, 500)
	cfg := Default()
	cfg.Checksum = true
	c, _, data := told(t, cfg, records)
	if len(c.options[windowID]) != 1 || len(c.options[detailsID]) != 1 {
		t.Fatalf("%d time windows, %d session details", len(c.options[windowID]), len(c.options[detailsID]))
	}
	start, end := records[0].FlowStart(), records[0].FlowEnd()
	for i := range records {
		if records[i].Has&(flow.HasForward|flow.HasReverse) != 0 {
			start, end = min(start, records[i].FlowStart()), max(end, records[i].FlowEnd())
		}
	}
	w := c.options[windowID][0]
	if w.uint(element{0, 272}) != uint64(start/1e6) || w.uint(element{0, 269}) != uint64(end/1e6) {
		t.Errorf("window is %v, want %d to %d", w, start/1e6, end/1e6)
	}
	if len(c.options[checksumID]) != c.messages {
		t.Fatalf("%d checksums in %d messages", len(c.options[checksumID]), c.messages)
	}
	for _, o := range c.options[checksumID] {
		checkSum(t, data, o[element{0, 262}])
		n := binary.BigEndian.Uint16(data[2:])
		data = data[n:]
	}
}

// checkSum verifies the MD5 of the message that data begins with.
func checkSum(t *testing.T, data, sum []byte) {
	t.Helper()
	msg := bytes.Clone(data[:binary.BigEndian.Uint16(data[2:])])
	at := bytes.Index(msg, sum)
	clear(msg[at : at+16])
	if want := md5.Sum(msg); !bytes.Equal(sum, want[:]) {
		t.Errorf("checksum is %x, want %x", sum, want)
	}
}

func TestEmptyFile(t *testing.T) {
	data := exported(t, Default(), nil)
	c := newCollector(t, streamMessage)
	c.stream(data)
	if c.messages != 1 || c.defined == 0 {
		t.Errorf("%d messages with %d templates", c.messages, c.defined)
	}
}
