package ipfix

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"flowmeter/exporters"
	"flowmeter/meter/flow"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
)

// element names a field of a decoded record.
type element struct {
	pen uint32
	id  uint16
}

// decoded is a data record as goflow2 understood it. Of a field that stands
// twice it has the first.
type decoded map[element][]byte

func (d decoded) uint(e element) (v uint64) {
	for _, b := range d[e] {
		v = v<<8 | uint64(b)
	}
	return v
}

// collector is goflow2's decoder, and the checks that every message must pass.
type collector struct {
	t         testing.TB
	templates netflow.NetFlowTemplateSystem
	maximum   int               // octets of a message
	sequence  map[uint32]uint32 // of each observation domain
	domain    uint32            // of the message
	time      uint32            // of the last export
	messages  int
	defined   int // template records, of both kinds
	records   []decoded
	options   map[uint16][]decoded
}

func newCollector(t testing.TB, maximum int) *collector {
	return &collector{t: t, maximum: maximum, templates: netflow.CreateTemplateSystem(), sequence: map[uint32]uint32{}, options: map[uint16][]decoded{}}
}

// session begins a new transport session.
func (c *collector) session() {
	c.templates, c.sequence, c.time = netflow.CreateTemplateSystem(), map[uint32]uint32{}, 0
}

func (c *collector) message(msg []byte) {
	c.t.Helper()
	if len(msg) > c.maximum {
		c.t.Fatalf("message of %d octets, at most %d allowed", len(msg), c.maximum)
	}
	var p netflow.IPFIXPacket
	if err := netflow.DecodeMessageVersion(bytes.NewBuffer(msg), c.templates, nil, &p); err != nil {
		c.t.Fatalf("message %d: %v\n%x", c.messages, err, msg)
	}
	if int(p.Length) != len(msg) {
		c.t.Fatalf("length %d, message has %d octets", p.Length, len(msg))
	}
	c.domain = p.ObservationDomainId
	if p.SequenceNumber != c.sequence[c.domain] {
		c.t.Fatalf("message %d: sequence %d, want %d", c.messages, p.SequenceNumber, c.sequence[c.domain])
	}
	if p.ExportTime < c.time {
		c.t.Fatalf("export time went back from %d to %d", c.time, p.ExportTime)
	}
	c.time = p.ExportTime
	c.messages++
	for _, set := range p.FlowSets {
		c.set(set)
	}
}

func (c *collector) set(set any) {
	c.t.Helper()
	switch s := set.(type) {
	case netflow.TemplateFlowSet:
		c.defined += c.atLeastOne(len(s.Records))
	case netflow.IPFIXOptionsTemplateFlowSet:
		c.defined += c.atLeastOne(len(s.Records))
	case netflow.DataFlowSet:
		c.sequence[c.domain] += uint32(c.atLeastOne(len(s.Records)))
		for _, r := range s.Records {
			c.records = append(c.records, fields(r.Values))
		}
	case netflow.OptionsDataFlowSet:
		c.sequence[c.domain] += uint32(c.atLeastOne(len(s.Records)))
		for _, r := range s.Records {
			c.options[s.Id] = append(c.options[s.Id], fields(append(r.ScopesValues, r.OptionsValues...)))
		}
	default:
		c.t.Fatalf("set %T was not decoded: %+v", set, set)
	}
}

func (c *collector) atLeastOne(n int) int {
	if n == 0 {
		c.t.Fatal("a set without records")
	}
	return n
}

func fields(values []netflow.DataField) decoded {
	d := decoded{}
	for _, v := range values {
		e := element{v.Pen, v.Type & 0x7fff}
		if _, twice := d[e]; !twice {
			d[e] = v.Value.([]byte)
		}
	}
	return d
}

// stream reads messages that stand one after the other.
func (c *collector) stream(data []byte) {
	c.t.Helper()
	for len(data) > 0 {
		n := int(binary.BigEndian.Uint16(data[2:]))
		if n < 16 || n > len(data) {
			c.t.Fatalf("message length %d with %d octets left", n, len(data))
		}
		c.message(data[:n])
		data = data[n:]
	}
}

// check compares the decoded records with what was exported, every field.
func (c *collector) check(cfg Config, want []flow.Record) {
	c.t.Helper()
	if len(c.records) != len(want) {
		c.t.Fatalf("%d records arrived, %d were sent", len(c.records), len(want))
	}
	sel := cfg.selected()
	for i := range want {
		if err := compare(&cfg, sel, &want[i], c.records[i]); err != nil {
			c.t.Fatalf("record %d: %v", i, err)
		}
	}
}

func compare(cfg *Config, sel []flow.Field, r *flow.Record, got decoded) error {
	n := 0
	for i := range sel {
		f := &sel[i]
		for _, w := range []flow.Way{flow.Forward, flow.Reverse} {
			if !f.In(r, w) || w == flow.Reverse && (!f.TwoWay || cfg.Biflow == exporters.Split) {
				continue
			}
			n++
			if err := compareField(cfg, f, r, w, got); err != nil {
				return err
			}
		}
	}
	if n != len(got) {
		return fmt.Errorf("%d fields, want %d: %v", len(got), n, got)
	}
	return nil
}

func compareField(cfg *Config, f *flow.Field, r *flow.Record, w flow.Way, got decoded) error {
	e := element{0, f.ID}
	if f.Private {
		e.pen = cfg.Enterprise
	}
	switch {
	case w == flow.Reverse && f.Private:
		e.id = f.ReverseID
	case w == flow.Reverse:
		e.pen = 29305
	}
	val, ok := got[e]
	switch {
	case !ok:
		return fmt.Errorf("no %s (%v)", f.Name, e)
	case f.Bytes != nil && !bytes.Equal(val, f.Bytes(r, w)):
		return fmt.Errorf("%s is %x, want %x", f.Name, val, f.Bytes(r, w))
	case f.Text != nil && string(val) != f.Text(r, w):
		return fmt.Errorf("%s is %q, want %q", f.Name, val, f.Text(r, w))
	case f.List != nil:
		return compareList(cfg, val, f.List(r, w))
	case f.Uint != nil && got.uint(e) != onWire(f.Type, f.Uint(r, w)):
		return fmt.Errorf("%s %v is %d, want %d", f.Name, w, got.uint(e), onWire(f.Type, f.Uint(r, w)))
	}
	return nil
}

// compareList reads a basicList (RFC 6313 §4.5.1): its semantic, the specifier
// of what it is of, which must be as long as its type says, and the values.
func compareList(cfg *Config, b []byte, want []uint64) error {
	id, size, pen := binary.BigEndian.Uint16(b[1:]), int(binary.BigEndian.Uint16(b[3:])), binary.BigEndian.Uint32(b[5:])
	lengths := map[uint16]int{1<<15 | 28: 1, 1<<15 | 29: 2, 1<<15 | 30: 4, 1<<15 | 31: 8}
	if b[0] != 4 || lengths[id] != size || pen != cfg.Enterprise || len(b)-9 != size*len(want) {
		return fmt.Errorf("list of %d values: %x", len(want), b)
	}
	for i, v := range want {
		if got := (decoded{element{}: b[9+i*size : 9+(i+1)*size]}).uint(element{}); got != v {
			return fmt.Errorf("value %d of a list is %d, want %d: %x", i, got, v, b)
		}
	}
	return nil
}

// onWire turns a getter's time into its type's number, the slow way.
func onWire(t flow.Type, v uint64) uint64 {
	sec, ns := v/1e9, v%1e9
	switch t {
	case flow.Seconds:
		return sec
	case flow.Millis:
		return v / 1e6
	case flow.Nanos:
		return (sec+2208988800)<<32 + (ns<<32+1e9-1)/1e9
	case flow.Micros:
		units := (ns/1000*1<<21 + 1e6 - 1) / 1e6 // of 2^-21 s
		return (sec+2208988800)<<32 + units<<11
	}
	return v
}

func batch(records []flow.Record) *flow.Batch {
	b := &flow.Batch{Records: records, Clock: records[len(records)-1].End}
	return b
}

// export runs records through an exporter, in batches of some size.
func export(t testing.TB, cfg Config, records []flow.Record) *Exporter {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(records); i += 100 {
		if err := e.Export(batch(records[i:min(i+100, len(records))])); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return e
}

// exported returns what a Writer gets.
func exported(t testing.TB, cfg Config, records []flow.Record) []byte {
	t.Helper()
	var buf bytes.Buffer
	cfg.Transport, cfg.Writer = Writer, &buf
	export(t, cfg, records)
	return buf.Bytes()
}
