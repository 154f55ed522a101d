package flow

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unsafe"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"hot", unsafe.Sizeof(hot{}), 128},
		{"cold", unsafe.Sizeof(cold{}), 64},
		{"line", unsafe.Sizeof(line{}), 64},
		{"slot", unsafe.Sizeof(slot{}), 8},
	} {
		if c.got != c.want {
			t.Errorf("%s has %d octets, not %d: whole cache lines", c.name, c.got, c.want)
		}
	}
}

// newTable makes a table of a rule set of text; "" for the default.
func newTable(t testing.TB, text string, change func(*Config)) *Table {
	rs := rules.Default(rules.DefaultNetworks())
	if text != "" {
		rs = ruleSet(t, text)
	}
	cfg := Config{
		RuleSet: &RuleSet{Name: "test"}, Program: rs.Program, Active: rs.Active, Idle: rs.Idle,
		TCPLinger: rs.TCPLinger, MaxFlows: rs.MaxFlows, CacheSize: 1 << 10, Seed: Seed{5, 6, 7, 8},
	}
	if change != nil {
		change(&cfg)
	}
	return NewTable(cfg)
}

// tcp makes a TCP packet between 10.0.0.1:1024 and 10.0.0.2:80 at a time in
// seconds; back makes it one of the second's.
func tcp(at float64, flags uint16, back bool) Packet {
	p := Packet{Clock: int64(at * float64(second))}
	p.Time = p.Clock
	p.Layers = packet.HasIPv4 | packet.HasPorts | packet.HasTCP
	p.Version, p.Proto, p.TTL, p.TotalLen, p.WireLen = 4, packet.ProtoTCP, 64, 40, 54
	p.Src, p.Dst, p.SrcPort, p.DstPort = v4(10, 0, 0, 1), v4(10, 0, 0, 2), 1024, 80
	p.TCPFlags = flags
	if back {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	return p
}

// records meters packets, one run each, and returns what is released with a
// flush at the time of the last.
func records(t *Table, ps ...Packet) (all []Record) {
	for i := range ps {
		ps[i].Prepare(&t.cfg.Seed)
		t.Update(ps[i : i+1])
	}
	t.Flush(ps[len(ps)-1].Clock, EndForced)
	all = make([]Record, t.Ready(Everything))
	for i := range all {
		t.Next(&all[i])
	}
	return all
}

// TestFlowEnds spells out when flows end: end time, reason, piece, packets
// forward and reverse. Active is 60 s, idle 15 s, linger 2 s.
func TestFlowEnds(t *testing.T) {
	const fin, rst, syn, ack = packet.FIN, packet.RST, packet.SYN, packet.ACK
	at := tcp
	long := func(step, to float64) (ps []Packet) {
		for s := 0.0; s <= to; s += step {
			ps = append(ps, tcp(s, ack, false))
		}
		return ps
	}
	for _, c := range []struct {
		name    string
		packets []Packet
		want    string
	}{
		{"forced", []Packet{at(0, ack, false), at(1, ack, true)}, "1 forced 0: 1 1"},
		{"gap below idle", []Packet{at(0, ack, false), at(14.999, ack, false)}, "14.999 forced 0: 2 0"},
		{"gap of idle", []Packet{at(0, ack, false), at(15, ack, false)}, "15 idle 0: 1 0, 15 forced 0: 1 0"},
		{"idle is decided by the flow alone", []Packet{at(0, ack, false), at(100, ack, false)}, "15 idle 0: 1 0, 100 forced 0: 1 0"},
		{"active", long(10, 65), "60 active 0: 6 0, 60 forced 1: 1 0"},
		{"two pieces", append(long(14, 112), at(115, ack, true)), "60 active 0: 5 0, 115 forced 1: 4 1"},
		{"a piece begins with its first packet", append(long(14, 56), at(70, ack, false), at(84, ack, false), at(98, ack, false),
			at(112, ack, false), at(126, ack, false), at(129.999, ack, false), at(130, ack, false)),
			"60 active 0: 5 0, 130 active 1: 6 0, 130 forced 2: 1 0"},
		{"no piece without packets", append(long(14, 56), at(100, ack, true)), "60 active 0: 5 0, 100 forced 0: 1 0"},
		{"FIN one way", []Packet{at(0, fin, false), at(0, fin, false), at(14, ack, true)}, "14 forced 0: 2 1"},
		{"FIN both ways", []Packet{at(0, fin, false), at(1, fin, true), at(2, ack, false), at(4, ack, false)},
			"4 end 0: 2 1, 4 forced 0: 1 0"},
		{"late packets prolong the linger", []Packet{at(0, rst, false), at(1.9, ack, true), at(3.8, ack, false), at(9, syn, true)},
			"5.8 end 0: 2 1, 9 forced 0: 1 0"},
		{"RST", []Packet{at(0, ack, false), at(1, rst, true), at(20, ack, false)}, "3 end 0: 1 1, 20 forced 0: 1 0"},
		{"SYN behind the end", []Packet{at(0, rst, false), at(1, syn, true)}, "1 end 0: 1 0, 1 forced 0: 1 0"},
		{"SYN with ACK behind the end", []Packet{at(0, rst, false), at(1, syn|ack, true)}, "1 end 0: 1 1"},
		{"SYN within the connection", []Packet{at(0, ack, false), at(1, syn, true)}, "1 forced 0: 1 1"},
	} {
		for _, size := range []int{0, 1 << 10} {
			for _, text := range []string{"", "[{set: {kind: 1}, do: count}]"} { // fused, keyed
				table := newTable(t, text, func(cfg *Config) { cfg.CacheSize = size })
				var got []string
				for _, r := range records(table, c.packets...) {
					got = append(got, fmt.Sprintf("%v %s %d: %d %d", float64(r.End)/float64(second), r.EndReason, r.Piece,
						r.Count[Forward].Packets, r.Count[Reverse].Packets))
				}
				if got := strings.Join(got, ", "); got != c.want {
					t.Errorf("%s, cache %d, rules %q:\n got %s\nwant %s", c.name, size, text, got, c.want)
				}
			}
		}
	}
}

// TestFinBelongsToConversations: FIN and RST end only flows whose key is a
// whole connection.
func TestFinBelongsToConversations(t *testing.T) {
	for _, c := range []struct {
		save string
		ends bool
	}{
		{"src.addr, dst.addr, src.port, dst.port, proto", true},
		{"src.addr, dst.addr, src.port, dst.port, proto, ttl", true},
		{"src.addr, dst.addr, src.port, dst.port", false},
		{"src.addr, dst.addr, src.port/8, dst.port, proto", false},
		{"src.addr/24, dst.addr, src.port, dst.port, proto", false},
		{"src.addr, dst.addr, dst.port, proto", false},
		{"", false},
	} {
		table := newTable(t, "[{save: ["+c.save+"], do: count}]", nil)
		all := records(table, tcp(0, packet.RST, false), tcp(3, packet.ACK, false))
		if ends := len(all) == 2; ends != c.ends {
			t.Errorf("save: [%s]: RST ends the flow: %v", c.save, ends)
		}
	}
}

// TestEndsWithTheSameAddress: ports tell the two ends apart.
func TestEndsWithTheSameAddress(t *testing.T) {
	there := tcp(0, packet.SYN, false)
	there.Dst = there.Src
	back := there
	back.SrcPort, back.DstPort = back.DstPort, back.SrcPort
	back.TCPFlags = packet.SYN | packet.ACK
	for _, text := range []string{"", "[{set: {kind: 1}, do: count}]"} {
		for _, first := range []Packet{there, back} {
			all := records(newTable(t, text, nil), first, back, there, there)
			if len(all) != 1 || all[0].Key.Src.Port != 1024 || all[0].Count[Forward].Packets+all[0].Count[Reverse].Packets != 4 ||
				all[0].Count[Reverse].TCPFlags != back.TCPFlags {
				t.Errorf("rules %q: %+v", text, all)
			}
		}
	}
}

func TestCountersPassTwoToThe32(t *testing.T) {
	var ps []Packet
	for i := range 10 {
		p := tcp(float64(10*i), packet.ACK, i%2 == 1)
		p.TotalLen, p.WireLen = 1<<32-1, 1<<32-1
		ps = append(ps, p)
	}
	all := records(newTable(t, "", nil), ps...)
	if len(all) != 2 {
		t.Fatalf("%d records", len(all))
	}
	const most = 1<<32 - 1
	for way, n := range all[0].Count {
		if n.Octets != 3*most || n.Layer2Octets != 3*most || n.TotalOctets != 3*most {
			t.Errorf("way %d, first piece: %+v", way, n)
		}
		if n := all[1].Count[way]; n.Octets != 2*most || n.TotalOctets != 5*most || n.TotalPackets != 5 {
			t.Errorf("way %d, second piece: %+v", way, n)
		}
	}
}

// TestTimesNeverRunBackwards lets packets be late by less than a minute.
func TestTimesNeverRunBackwards(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, text := range []string{"", "[{save: [dst.addr/24], do: count}]"} {
		var ps []Packet
		clock := 1000.0
		for range 2000 {
			clock += rnd.Float64() * 3
			p := tcp(clock, packet.ACK, rnd.IntN(2) == 0)
			p.Time -= rnd.Int64N(60 * second)
			ps = append(ps, p)
		}
		for _, r := range records(newTable(t, text, nil), ps...) {
			if r.FlowEnd() < r.FlowStart() || r.End < r.FlowEnd() {
				t.Fatalf("piece from %d to %d, ended at %d", r.FlowStart(), r.FlowEnd(), r.End)
			}
			for _, n := range r.Count {
				if n.Last < n.First {
					t.Fatalf("direction from %d to %d", n.First, n.Last)
				}
			}
		}
	}
}

// TestFlowID is the same in every run, for every piece and for every table.
func TestFlowID(t *testing.T) {
	const want = 0x156223ac5874a9ee // of this key and start, for ever
	for _, seed := range []Seed{{}, {1, 2, 3, 4}} {
		for _, text := range []string{"", "[{save: [src.addr, dst.addr, src.port, dst.port, proto], do: count}]"} {
			table := newTable(t, text, func(cfg *Config) { cfg.Seed = seed })
			all := records(table, tcp(1, packet.ACK, false), tcp(14, packet.ACK, true), tcp(28, packet.ACK, true),
				tcp(42, packet.ACK, true), tcp(56, packet.ACK, true), tcp(70, packet.ACK, true))
			if len(all) != 2 {
				t.Fatalf("%d records", len(all))
			}
			for _, r := range all {
				if r.FlowID != want {
					t.Errorf("flow id %#x, not %#x", r.FlowID, uint64(want))
				}
			}
		}
	}
}

// TestFlowIDTellsFlowsApart by everything that a key can hold.
func TestFlowIDTellsFlowsApart(t *testing.T) {
	seen := map[uint64]string{}
	note := func(what string, k rules.Key, start int64) {
		id := flowID(&k, start)
		if other, known := seen[id]; known {
			t.Errorf("%s and %s have the same flow id", what, other)
		}
		seen[id] = what
	}
	note("nothing", rules.Key{}, 0)
	for bit := range 8 * unsafe.Sizeof(rules.Key{}) {
		var k rules.Key
		unsafe.Slice((*byte)(unsafe.Pointer(&k)), unsafe.Sizeof(k))[bit/8] |= 1 << (bit % 8)
		note(fmt.Sprint("bit ", bit), k, 0)
	}
	for n := uint16(1); n <= 20_000; n++ {
		k := rules.Key{Src: rules.End{Port: n}}
		note(fmt.Sprint("source port ", n), k, 1)
		note(fmt.Sprint("destination port ", n), k.Swap(), 1)
		note(fmt.Sprint("start ", n), rules.Key{}, 2+int64(n))
	}
}

// TestUpdateAllocatesNothing for known flows, and for new ones once as many
// have been kept as there will be.
func TestUpdateAllocatesNothing(t *testing.T) {
	for _, c := range []struct{ name, rules string }{
		{"fused", ""},
		{"keyed", "[{if: 'dst.port == 53', save: [src.addr, dst.addr, dst.port, proto], do: count}, {do: count}]"},
		{"per packet", "[{if: 'ttl > 3', do: count}]"},
		{"measured", "[{measure: [packet_size, inter_arrival, turnaround, bit_rate, packet_rate], do: count}]"},
		{"measured, keyed", "[{if: 'src.port < 30', measure: packet_size}, {save: [dst.addr, src.port], measure: turnaround, do: count}]"},
		{"aggregating", "[{save: [dst.addr/24], do: count}]"},
		{"ignored", "[{if: 'src.port > 0', do: ignore}]"},
	} {
		for _, size := range []int{0, 1 << 10} {
			name := fmt.Sprintf("%s, cache %d", c.name, size)
			table := newTable(t, c.rules, func(cfg *Config) { cfg.CacheSize, cfg.Idle = size, time.Second })
			run := make([]Packet, MaxRun)
			for i := range run {
				run[i] = tcp(0, packet.ACK, false)
				run[i].SrcPort = uint16(i)
				run[i].Prepare(&table.cfg.Seed)
			}
			if n := testing.AllocsPerRun(100, func() { table.Update(run) }); n != 0 {
				t.Errorf("%s: known flows: %v allocations a run", name, n)
			}
			if n := testing.AllocsPerRun(500, newFlows(table, run)); n != 0 {
				t.Errorf("%s: new flows: %v allocations a run", name, n)
			}
			table.cfg.MaxFlows = 1000
			if n := testing.AllocsPerRun(500, newFlows(table, run)); n != 0 {
				t.Errorf("%s: at the cap: %v allocations a run", name, n)
			}
		}
	}
}

// newFlows returns a function that meters a run of new flows and takes the
// records of old ones, warmed up.
func newFlows(table *Table, run []Packet) func() {
	n, clock, r := uint32(0), table.clock, new(Record)
	once := func() {
		clock += second / 100
		for i := range run {
			n++
			p := &run[i]
			p.Clock, p.Time = clock, clock
			p.Dst = v4(11, byte(n>>16), byte(n>>8), byte(n))
			p.Prepare(&table.cfg.Seed)
		}
		table.Update(run)
		for range table.Ready(table.Advance(clock)) {
			table.Next(r)
		}
	}
	for range 500 {
		once()
	}
	return once
}
