package netflow5

import (
	"bytes"
	"encoding/binary"
	"testing"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"

	"github.com/cloudflare/goflow/v3/decoders/netflowlegacy"
)

// arrived is a record, with the boot time that its packet tells.
type arrived struct {
	netflowlegacy.RecordsNetFlowV5
	boot int64 // ms since 1970
}

// export sends records to a socket and decodes what arrives with goflow v3.
func export(t *testing.T, cfg Config, records []flow.Record) (*Exporter, []arrived) {
	t.Helper()
	server := sample.Listen(t)
	cfg.Address, cfg.Rate, cfg.EngineType, cfg.EngineID = server.Address(), 0, 3, 4
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Export(&flow.Batch{Records: records}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	var out []arrived
	for _, msg := range server.Receive(int(e.Stats().Messages.Load())) {
		v, err := netflowlegacy.DecodeMessage(bytes.NewBuffer(msg))
		if err != nil {
			t.Fatal(err)
		}
		p := v.(netflowlegacy.PacketNetFlowV5)
		if int(p.FlowSequence) != len(out) || len(msg) != headerSize+recordSize*int(p.Count) || len(msg) > cfg.MaxMessage {
			t.Fatalf("sequence %d, want %d; %d octets with %d records", p.FlowSequence, len(out), len(msg), p.Count)
		}
		if p.EngineType != 3 || p.EngineId != 4 || p.UnixNSecs != 0 || p.SamplingInterval != 0 {
			t.Fatalf("header is %+v", p)
		}
		for _, r := range p.Records {
			out = append(out, arrived{r, int64(p.UnixSecs)*1000 - int64(p.SysUptime)})
		}
	}
	return e, out
}

func ipv4(b [16]byte) uint32 { return binary.BigEndian.Uint32(b[12:]) }

// fits are the records that version 5 can hold, split.
func fits(records []flow.Record) (out []flow.Record) {
	for _, r := range sample.Split(records) {
		if r.Key.Version == 4 {
			out = append(out, r)
		}
	}
	return out
}

func TestDecode(t *testing.T) {
	records := sample.Records(1, 400)
	for _, size := range []int{512, 1400, largest} {
		cfg := Default()
		cfg.MaxMessage = size
		e, got := export(t, cfg, records)
		want := fits(records)
		if len(got) != len(want) {
			t.Fatalf("%d records arrived, %d were sent", len(got), len(want))
		}
		for i := range want {
			compare(t, i, &want[i], got[i])
		}
		v6, other := 0, 0
		for _, r := range records {
			switch r.Key.Version {
			case 6:
				v6++
			case 0:
				other++
			}
		}
		s := e.Stats()
		if s.Dropped(exporters.IPv6) != uint64(v6) || s.Dropped(exporters.NotIP) != uint64(other) || s.Lost().Records != 0 {
			t.Errorf("skipped %d IPv6 and %d other, want %d and %d; lost %v", s.Dropped(exporters.IPv6), s.Dropped(exporters.NotIP), v6, other, s.Lost())
		}
	}
}

func compare(t *testing.T, i int, r *flow.Record, got arrived) {
	t.Helper()
	c := &r.Count[flow.Forward]
	want := netflowlegacy.RecordsNetFlowV5{
		SrcAddr: ipv4(r.Key.Src.Addr), DstAddr: ipv4(r.Key.Dst.Addr), Input: 1,
		DPkts: uint32(c.Packets), DOctets: uint32(c.Octets),
		First: uint32(c.First/1e6 - got.boot), Last: uint32(c.Last/1e6 - got.boot),
		SrcPort: r.Key.Src.Port, DstPort: r.Key.Dst.Port,
		TCPFlags: uint8(c.TCPFlags), Proto: r.Key.Proto, Tos: c.TClass,
	}
	if r.Has&flow.HasICMP4 != 0 {
		want.DstPort = c.ICMP
	}
	if r.Has&flow.HasSrcV4Prefix != 0 {
		want.SrcMask, want.DstMask = r.Key.Src.AddrLen, r.Key.Dst.AddrLen
	}
	if got.RecordsNetFlowV5 != want {
		t.Fatalf("record %d is\n%+v, want\n%+v", i, got.RecordsNetFlowV5, want)
	}
}

// TestLargeCounts splits counts that need more than 32 bits.
func TestLargeCounts(t *testing.T) {
	records := sample.TCP4(1)
	r := &records[0]
	r.Has &^= flow.HasReverse
	r.Count[0].Packets, r.Count[0].Octets = 5, 1<<33+7
	_, got := export(t, Default(), records)
	var packets, octets uint64
	for _, g := range got {
		packets += uint64(g.DPkts)
		octets += uint64(g.DOctets)
	}
	if len(got) != 3 || packets != 5 || octets != 1<<33+7 {
		t.Errorf("%d records with %d packets and %d octets", len(got), packets, octets)
	}
}

func FuzzShare(f *testing.F) {
	f.Add(uint64(1), uint64(40))
	f.Add(uint64(5), uint64(1<<33+7))
	f.Add(uint64(1<<40), uint64(1<<50))
	f.Add(uint64(1), uint64(1<<34))
	f.Add(uint64(0xffffffff), uint64(0xffffffff))
	f.Fuzz(func(t *testing.T, packets, octets uint64) {
		packets, octets = packets%(1<<50)+1, octets%(1<<50)
		n := parts(packets, octets)
		var p, o uint64
		for i := range n {
			a, b := share(packets, i, n), share(octets, i, n)
			if a == 0 && packets >= n {
				t.Fatalf("part %d of %d has no packet", i, n)
			}
			p, o = p+uint64(a), o+uint64(b)
		}
		if p != packets || o != octets {
			t.Fatalf("%d parts sum to %d and %d, want %d and %d", n, p, o, packets, octets)
		}
		if n > 1 && max(packets, octets) <= 0xffffffff {
			t.Fatalf("split into %d without need", n)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	cfg := Default()
	cfg.Address, cfg.Rate = sample.Listen(t).Address(), 0
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
