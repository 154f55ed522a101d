package ipfix

import (
	"bytes"
	"io"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

var everything = func() (names []string) {
	for _, f := range flow.Model(flow.ToMillis) {
		if f.ID != 0 {
			names = append(names, f.Name)
		}
	}
	return names
}()

// TestDecode exports records of all kinds and compares every field of what
// goflow2 makes of them.
func TestDecode(t *testing.T) {
	records := append(sample.Records(1, 500), sample.Measured(1, 100)...)
	pair := func(r []flow.Record) []flow.Record { return r }
	for _, tc := range []struct {
		name string
		edit func(*Config)
		want func([]flow.Record) []flow.Record
	}{
		{"default", func(*Config) {}, pair},
		{"all fields", func(c *Config) { c.Fields = everything }, pair},
		{"split", func(c *Config) { c.Biflow = exporters.Split }, sample.Split},
		{"split, all fields", func(c *Config) { c.Biflow, c.Fields = exporters.Split, everything }, sample.Split},
		{"no private fields", func(c *Config) { c.Private = false }, pair},
		{"own enterprise", func(c *Config) { c.Enterprise = 4242 }, pair},
		{"seconds", func(c *Config) { c.Precision = flow.ToSeconds }, pair},
		{"microseconds", func(c *Config) { c.Precision = flow.ToMicros }, pair},
		{"nanoseconds", func(c *Config) { c.Precision = flow.ToNanos }, pair},
		{"three fields", func(c *Config) { c.Fields = []string{"octetDeltaCount", "ipVersion", "flowEndReason"} }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := Default()
			tc.edit(&cfg)
			c := newCollector(t, streamMessage)
			c.stream(exported(t, cfg, records))
			if tc.want != nil {
				c.check(cfg, tc.want(records))
			} else if len(c.records) != len(records) {
				t.Errorf("%d records arrived, want %d", len(c.records), len(records))
			}
		})
	}
}

// TestUDP sends over a socket and checks sizes, sequence numbers and fields.
func TestUDP(t *testing.T) {
	for _, size := range []int{512, 1400} {
		server := sample.Listen(t)
		cfg := Default()
		cfg.Address, cfg.MaxMessage, cfg.Fields, cfg.Domain = server.Address(), size, everything, 7
		records := sample.Records(2, 300)
		e := export(t, cfg, records)
		c := newCollector(t, size)
		for _, msg := range server.Receive(int(e.Stats().Messages.Load())) {
			c.message(msg)
		}
		c.check(cfg, records)
		if n := e.Stats().Records.Load(); n != uint64(len(records)) {
			t.Errorf("account says %d records", n)
		}
	}
}

func TestRefreshByMessages(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Refresh.Messages, cfg.Private, cfg.Domain = server.Address(), 10, false, 7
	e := export(t, cfg, sample.TCP4(1000))
	c := newCollector(t, 1400)
	var at []int // messages with templates only
	for i, msg := range server.Receive(int(e.Stats().Messages.Load())) {
		before, records := c.defined, len(c.records)
		c.message(msg)
		if c.defined > before && len(c.records) == records {
			at = append(at, i)
		}
	}
	if len(at) < 5 || at[0] != 0 || at[2]-at[1] != 11 {
		t.Errorf("templates came in messages %v, want every eleventh", at)
	}
}

// TestTick checks that a live exporter sends what waits, and repeats its
// templates when their time is come or somebody has begun to listen.
func TestTick(t *testing.T) {
	server := sample.Listen(t)
	cfg := Default()
	cfg.Address, cfg.Live, cfg.Domain = server.Address(), true, 7
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, 1400)
	seen := uint64(0)
	tick := func(after time.Duration) (records, defined int) {
		t.Helper()
		records, defined = len(c.records), c.defined
		if err := e.Tick(time.Now().Add(after)); err != nil {
			t.Fatal(err)
		}
		for _, msg := range server.Receive(int(e.Stats().Messages.Load() - seen)) {
			c.message(msg)
			seen++
		}
		return len(c.records) - records, c.defined - defined
	}
	e.Export(batch(sample.TCP4(3)))
	if records, defined := tick(0); records != 3 || defined == 0 {
		t.Errorf("first tick: %d records, %d templates", records, defined)
	}
	if records, defined := tick(599 * time.Second); records != 0 || defined != 0 {
		t.Errorf("second tick: %d records, %d templates", records, defined)
	}
	if _, defined := tick(601 * time.Second); defined == 0 {
		t.Error("no templates after 600 s")
	}
	if now := uint32(time.Now().Unix()); c.time < now-5 || c.time > now {
		t.Errorf("export time is %d, the clock %d", c.time, now)
	}
	e.Close()
}

// TestDeterministic exports the same records in batches of different sizes.
func TestDeterministic(t *testing.T) {
	records := sample.Records(3, 1000)
	cfg := Default()
	var outs [][]byte
	for _, size := range []int{1, 64, 1000} {
		var buf bytes.Buffer
		cfg.Transport, cfg.Writer = Writer, &buf
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(records); i += size {
			e.Export(batch(records[i:min(i+size, len(records))]))
		}
		e.Close()
		outs = append(outs, buf.Bytes())
	}
	if !bytes.Equal(outs[0], outs[1]) || !bytes.Equal(outs[0], outs[2]) {
		t.Error("the octets depend on how the records were batched")
	}
}

func TestNoAllocations(t *testing.T) {
	for _, biflow := range []exporters.Biflow{exporters.Pair, exporters.Split} {
		cfg := Default()
		cfg.Transport, cfg.Writer, cfg.Biflow = Writer, io.Discard, biflow
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		b := batch(append(sample.Measured(4, 200), sample.Records(4, 800)...))
		e.Export(b)
		if n := testing.AllocsPerRun(20, func() { e.Export(b) }); n != 0 {
			t.Errorf("biflow %d: %v allocations for 1000 records", biflow, n)
		}
	}
}

func BenchmarkExport(b *testing.B) {
	for name, biflow := range map[string]exporters.Biflow{"pair": exporters.Pair, "split": exporters.Split} {
		b.Run(name, func(b *testing.B) {
			cfg := Default()
			cfg.Transport, cfg.Writer, cfg.Biflow = Writer, io.Discard, biflow
			e, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			records := batch(sample.TCP4(1000))
			for b.Loop() {
				e.Export(records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/record")
			b.SetBytes(int64(e.Stats().Octets.Load()) / int64(b.N))
		})
	}
}
