package netflow9

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"

	goflow3 "github.com/cloudflare/goflow/v3/decoders/netflow"
	"github.com/netsampler/goflow2/v2/decoders/netflow"
)

// decoded is a data record as a decoder understood it: type to value.
type decoded struct {
	boot   int64 // ms since 1970, from the packet's header
	fields map[uint16][]byte
}

func (d decoded) uint(id uint16) (v uint64) {
	for _, b := range d.fields[id] {
		v = v<<8 | uint64(b)
	}
	return v
}

// collector decodes with goflow2 and goflow v3 and checks what every packet
// must hold.
type collector struct {
	t         *testing.T
	templates netflow.NetFlowTemplateSystem
	older     *goflow3.BasicTemplateSystem
	sequence  uint32
	maximum   int
	records   []decoded
	names     map[uint64]string
	defined   []int // packets with templates
}

func newCollector(t *testing.T, maximum int) *collector {
	return &collector{t: t, maximum: maximum, templates: netflow.CreateTemplateSystem(),
		older: goflow3.CreateTemplateSystem(), names: map[uint64]string{}}
}

func (c *collector) message(msg []byte) {
	c.t.Helper()
	var p netflow.NFv9Packet
	if err := netflow.DecodeMessageVersion(bytes.NewBuffer(msg), c.templates, &p, nil); err != nil {
		c.t.Fatalf("goflow2: %v\n%x", err, msg)
	}
	if len(msg) > c.maximum {
		c.t.Fatalf("packet of %d octets, at most %d allowed", len(msg), c.maximum)
	}
	if p.SequenceNumber != c.sequence || p.SourceId != 5 {
		c.t.Fatalf("sequence %d, want %d; source id %d", p.SequenceNumber, c.sequence, p.SourceId)
	}
	boot := int64(p.UnixSeconds)*1000 - int64(p.SystemUptime)
	count := 0
	for _, set := range p.FlowSets {
		count += c.set(set, boot)
	}
	if count != int(p.Count) {
		c.t.Fatalf("count is %d, packet has %d records", p.Count, count)
	}
	c.sequence++
	c.compareOlder(msg, count)
}

// compareOlder decodes with goflow v3 too: the same records must come out.
func (c *collector) compareOlder(msg []byte, count int) {
	c.t.Helper()
	v, err := goflow3.DecodeMessage(bytes.NewBuffer(msg), c.older)
	if err != nil {
		c.t.Fatalf("goflow v3: %v", err)
	}
	n := 0
	var older []goflow3.DataRecord
	for _, set := range v.(goflow3.NFv9Packet).FlowSets {
		switch s := set.(type) {
		case goflow3.TemplateFlowSet:
			n += len(s.Records)
		case goflow3.NFv9OptionsTemplateFlowSet:
			n += len(s.Records)
		case goflow3.OptionsDataFlowSet:
			n += len(s.Records)
		case goflow3.DataFlowSet:
			n += len(s.Records)
			older = append(older, s.Records...)
		}
	}
	if n != count {
		c.t.Fatalf("goflow v3 found %d records, goflow2 %d", n, count)
	}
	newer := c.records[len(c.records)-len(older):]
	for i, r := range older {
		for _, f := range r.Values {
			if !bytes.Equal(newer[i].fields[f.Type], f.Value.([]byte)) {
				c.t.Fatalf("type %d: goflow v3 has %x, goflow2 %x", f.Type, f.Value, newer[i].fields[f.Type])
			}
		}
	}
}

func (c *collector) set(set any, boot int64) int {
	c.t.Helper()
	switch s := set.(type) {
	case netflow.TemplateFlowSet:
		return len(s.Records)
	case netflow.NFv9OptionsTemplateFlowSet:
		c.defined = append(c.defined, int(c.sequence))
		return len(s.Records)
	case netflow.OptionsDataFlowSet:
		for _, r := range s.Records {
			index := binary.BigEndian.Uint32(r.ScopesValues[0].Value.([]byte))
			c.names[uint64(index)] = string(bytes.TrimRight(r.OptionsValues[0].Value.([]byte), "\x00"))
		}
		return len(s.Records)
	case netflow.DataFlowSet:
		for _, r := range s.Records {
			d := decoded{boot, map[uint16][]byte{}}
			for _, f := range r.Values {
				if _, twice := d.fields[f.Type]; twice {
					c.t.Fatalf("type %d stands twice", f.Type)
				}
				d.fields[f.Type] = f.Value.([]byte)
			}
			c.records = append(c.records, d)
		}
		return len(s.Records)
	}
	c.t.Fatalf("set %T was not decoded: %+v", set, set)
	return 0
}

// export sends records to a socket and returns what a collector found.
func export(t *testing.T, cfg Config, records []flow.Record, stats *flow.Statistics) *collector {
	t.Helper()
	server := sample.Listen(t)
	cfg.Address, cfg.Domain, cfg.Rate = server.Address(), 5, 0
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Export(&flow.Batch{Records: records, Stats: stats}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, cfg.MaxMessage)
	for _, msg := range server.Receive(int(e.Stats().Messages.Load())) {
		c.message(msg)
	}
	return c
}

// compare checks every field of a record; pair tells whether it may have
// both directions.
func compare(r *flow.Record, got decoded, pair bool) error {
	both := pair && r.Has&flow.HasReverse != 0
	model := flow.Model(flow.ToMillis)
	n := 0
	for i := range model {
		f := &model[i]
		if f.V9 != 0 && f.In(r, flow.Forward) {
			n++
			if err := compareField(f, r, got, both); err != nil {
				return err
			}
		}
		if both && f.V9Reverse != 0 && f.In(r, flow.Reverse) {
			n++
			if v := f.Uint(r, flow.Reverse); got.uint(f.V9Reverse) != v {
				return fmt.Errorf("reverse %s is %d, want %d", f.Name, got.uint(f.V9Reverse), v)
			}
		}
	}
	if r.Has&(flow.HasICMP4|flow.HasICMP6) != 0 {
		n += 2
		if r.Has&flow.HasICMP4 == 0 || r.Has&flow.HasForward == 0 {
			n++ // 32 stands for what the model does not call icmpTypeCodeIPv4
		}
		want := uint64(icmp(r, flow.Forward))
		if got.uint(7) != 0 || got.uint(11) != want || got.uint(32) != want {
			return fmt.Errorf("ICMP has ports %d and %d, type and code %d, want %d", got.uint(7), got.uint(11), got.uint(32), want)
		}
	}
	if n != len(got.fields) {
		return fmt.Errorf("%d fields, want %d", len(got.fields), n)
	}
	return nil
}

func compareField(f *flow.Field, r *flow.Record, got decoded, both bool) error {
	val, ok := got.fields[f.V9]
	if !ok {
		return fmt.Errorf("no %s (%d)", f.Name, f.V9)
	}
	if f.Bytes != nil {
		if !bytes.Equal(val, f.Bytes(r, flow.Forward)) {
			return fmt.Errorf("%s is %x, want %x", f.Name, val, f.Bytes(r, flow.Forward))
		}
		return nil
	}
	want, is := f.Uint(r, flow.Forward), got.uint(f.V9)
	switch f.V9 {
	case 22:
		is += uint64(got.boot)
		want /= 1e6
		if both {
			want = uint64(r.FlowStart()) / 1e6
		}
	case 21:
		is += uint64(got.boot)
		want /= 1e6
		if both {
			want = uint64(r.FlowEnd()) / 1e6
		}
	case 6:
		want &= 0xff
	}
	if is != want {
		return fmt.Errorf("%s is %d, want %d", f.Name, is, want)
	}
	return nil
}

func TestDecode(t *testing.T) {
	records := sample.Records(1, 400)
	for _, tc := range []struct {
		name   string
		biflow exporters.Biflow
		size   int
		want   []flow.Record
	}{
		{"pair", exporters.Pair, 1400, records},
		{"split", exporters.Split, 1400, sample.Split(records)},
		{"small", exporters.Pair, 512, records},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Default()
			cfg.Biflow, cfg.MaxMessage = tc.biflow, tc.size
			c := export(t, cfg, records, nil)
			if len(c.records) != len(tc.want) {
				t.Fatalf("%d records arrived, %d were sent", len(c.records), len(tc.want))
			}
			for i := range tc.want {
				if err := compare(&tc.want[i], c.records[i], tc.biflow == exporters.Pair); err != nil {
					t.Fatalf("record %d: %v", i, err)
				}
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	cfg := Default()
	cfg.Refresh.Messages = 10
	c := export(t, cfg, sample.TCP4(1000), nil)
	if len(c.defined) < 5 || c.defined[0] != 0 || c.defined[1] != 10 || c.defined[2] != 20 {
		t.Errorf("templates came in packets %v, want every tenth", c.defined)
	}
}

func TestInterfaceNames(t *testing.T) {
	c := export(t, Default(), sample.TCP4(3), &flow.Statistics{Interfaces: []flow.Interface{{Index: 1, Name: "eth0"}, {Index: 2, Name: "a-very-long-interface"}}})
	if c.names[1] != "eth0" || c.names[2] != "a-very-long-inte" {
		t.Errorf("names are %v", c.names)
	}
}

// TestNewBoot exports flows that lie further apart than the uptime can tell.
func TestNewBoot(t *testing.T) {
	records := sample.TCP4(4)
	years := int64(3 * 365 * 86400e9)
	for i, shift := range []int64{0, years, years + 40*86400e9, -years} {
		r := &records[i]
		for w := range r.Count {
			r.Count[w].First += shift
			r.Count[w].Last += shift
		}
		r.End += shift
	}
	c := export(t, Default(), records, nil)
	for i := range records {
		if err := compare(&records[i], c.records[i], true); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Rate, cfg.Biflow = server.Address(), 0, exporters.Split
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &flow.Batch{Records: sample.Records(4, 1000)}
	e.Export(b)
	if n := testing.AllocsPerRun(10, func() { e.Export(b) }); n != 0 {
		t.Errorf("%v allocations for 1000 records", n)
	}
}
