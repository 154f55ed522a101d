package meter

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// within are rule sets that look at packets within packets.
const within = `
rulesets:
- {name: bare, decapsulate: innermost, timeouts: {active: 10s, idle: 5s}}
- name: prefixes
  decapsulate: innermost
  orient: perimeter
  rules: [{if: 'ip or ipv6', save: [dst.addr/24], do: count}]
- {name: outermost, timeouts: {active: 10s, idle: 5s}}
- name: asked
  rules:
  - {if: 'vxlan.vni == 7 && inner.udp', save: [], do: count}
  - {if: 'gre && inner.src.addr == 10.0.0.0/28', do: count}
- name: back
  decapsulate: innermost
  rules: [{if: 'outer.src.addr == 172.16.0.0/12 && tcp', save: [src.port], do: count}, {if: arp, save: [src.mac], do: count}]
`

// wrap puts a frame of randomFrame into a tunnel from one end to another.
func wrap(kind int, from, to byte, frame []byte) []byte {
	header, proto := []byte(nil), byte(packet.ProtoUDP)
	ip := frame[ethernetHeader:]
	switch isIP := frame[12] == 8 && frame[13] == 0; {
	case kind == 0 && isIP:
		header, proto = nil, 4
	case kind == 1 && isIP:
		header, proto = []byte{0, 0, 8, 0}, 47
	case kind == 2 && isIP:
		header = append(udpHeader(2152, 8+len(ip)), 0x30, 255, byte(len(ip)>>8), byte(len(ip)), 0, 0, 0, 9)
	default:
		header = append(udpHeader(4789, 8+len(frame)), 8, 0, 0, 0, 0, 0, 7, 0)
		ip = frame
	}
	b := []byte{2, 0, 0, 0, 1, to, 2, 0, 0, 0, 1, from, 8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0, 172, 16, 0, from, 172, 16, 0, to}
	b = append(append(b, header...), ip...)
	binary.BigEndian.PutUint16(b[ethernetHeader+2:], uint16(len(b)-ethernetHeader))
	return b
}

func udpHeader(port uint16, payload int) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0xc0, 0}, port)
	return append(binary.BigEndian.AppendUint16(b, uint16(8+payload)), 0, 0)
}

// tunnelTraces makes a trace of random frames, and the same frames in tunnels.
// Those of a pair of hosts go through the same tunnel if alike, else through any.
func tunnelTraces(seed uint64, packets int, alike bool) (bare, wrapped *trace) {
	rnd := rand.New(rand.NewPCG(seed, 4))
	bare, wrapped = newTrace(), newTrace()
	now := int64(1_700_000_000) * int64(time.Second)
	for range packets {
		now += rnd.Int64N(int64(40 * time.Millisecond))
		frame := randomFrame(rnd)
		var h packet.Headers
		out := packet.Decode(&h, packet.LinkEthernet, frame, uint32(len(frame)))
		if out == packet.Malformed {
			continue
		}
		ends := rnd.Uint32()
		if alike {
			ends = h.Pair()
		}
		bare.add(now, frame, 1<<16)
		wrapped.add(now, wrap(rnd.IntN(4), byte(ends%3), byte(3+ends/3%3), frame), 1<<16)
	}
	return bare, wrapped
}

func TestTunnelsDoNotDependOnWorkersOrCache(t *testing.T) {
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, within)
	_, wrapped := tunnelTraces(1, 6000, false)
	o := everyWay(t, cfg, wrapped.open(1000))
	for i, c := range o.totals.RuleSets {
		if c.Verdicts[0] == 0 || c.Created == 0 {
			t.Errorf("rule set %s counts nothing", cfg.RuleSets[i].Name)
		}
	}
	if o.totals.FragmentsFilled == 0 || o.totals.FragmentsOrphans == 0 {
		t.Errorf("the trace lacks fragments: %+v", o.totals)
	}
}

// TestDecapsulated: what is metered within tunnels is what is metered without,
// but for what belongs to the link.
func TestDecapsulated(t *testing.T) {
	for _, rule := range []string{
		"timeouts: {active: 10s, idle: 5s}", "rules: [{save: [dst.addr/24, proto], do: count}]",
		"rules: [{if: 'tcp.flags.syn and ttl > 61', save: [src.addr, dst.addr], do: count}]",
	} {
		bare, wrapped := tunnelTraces(2, 6000, true)
		cfg := DefaultConfig()
		cfg.RuleSets = ruleSets(t, "rulesets: [{name: a, "+rule+"}]")
		want := meterAll(t, cfg, bare.open(1000))
		cfg.RuleSets = ruleSets(t, "rulesets: [{name: a, decapsulate: innermost, "+rule+"}]")
		got := meterAll(t, cfg, wrapped.open(1000))
		withoutLink(want.records)
		withoutLink(got.records)
		if len(want.records) < 20 || !slices.Equal(got.records, want.records) {
			t.Errorf("%s: %d records within tunnels are not the %d without", rule, len(got.records), len(want.records))
		}
		if got, want := got.totals.RuleSets[0].Verdicts, want.totals.RuleSets[0].Verdicts; got != want {
			t.Errorf("%s: verdicts %v, want %v", rule, got, want)
		}
	}
}

// withoutLink takes out of records what differs between a frame and the same
// packet in a tunnel.
func withoutLink(records []flow.Record) {
	for i := range records {
		r := &records[i]
		r.First, r.Has = flow.FirstPacket{}, r.Has&^(flow.HasSrcMAC|flow.HasDstMAC|flow.HasVLAN)
		for way := range r.Count {
			r.Count[way].Layer2Octets = 0
		}
	}
}

// TestFilterWithin: a filter alone makes the meter open tunnels.
func TestFilterWithin(t *testing.T) {
	_, wrapped := tunnelTraces(3, 1000, false)
	cfg := DefaultConfig()
	var err error
	if cfg.Filter, err = rules.ParseFilter("--filter", "inner.tcp", rules.DefaultNetworks(), nil); err != nil {
		t.Fatal(err)
	}
	o := meterAll(t, cfg, wrapped.open(1000))
	if n := o.totals.Filtered; n == 0 || n == o.totals.Read {
		t.Errorf("%d of %d filtered", n, o.totals.Read)
	}
	for i := range o.records {
		if o.records[i].Key.Proto == packet.ProtoTCP {
			t.Errorf("the flow %+v is not of the outermost packet", o.records[i].Key)
		}
	}
}

// TestReloadWithin: rule sets that decapsulate come and go.
func TestReloadWithin(t *testing.T) {
	for _, workers := range []int{1, 3} {
		_, tr := tunnelTraces(4, 10_000, false)
		sets := []string{within, sideBySide, "rulesets: [{name: bare, decapsulate: innermost}, {name: default}]"}
		cfg := DefaultConfig()
		cfg.RuleSets, cfg.Workers = ruleSets(t, sets[0]), workers
		c := newCollector()
		m := New(cfg, []Exporter{c})
		done := make(chan int)
		go func() {
			n := 1
			for ; m.Totals().Read < 10_000; n++ {
				err := m.Reload(Change{RuleSets: ruleSets(t, sets[n%len(sets)])})
				if err == errEnded && m.Totals().Read > 0 {
					break
				} else if err != nil && err != errEnded {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
			done <- n
		}()
		if err := m.RunLive(slow(tr.rings(t, workers)), func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
		if n := <-done; n < 5 {
			t.Errorf("%d reloads", n)
		}
		Finish([]Exporter{c}, AccountOf([]*Meter{m}))
		close(c.batches)
		<-c.done
		if len(c.records) == 0 {
			t.Error("no records")
		}
	}
}

// TestTunnelsAllocateNothing: known flows are counted without an allocation,
// also where tunnels are opened.
func TestTunnelsAllocateNothing(t *testing.T) {
	tr := newTrace()
	for i := range 500 {
		f := frame{proto: packet.ProtoUDP, src: byte(i), dst: 1, sport: uint16(i), dport: 53, ttl: 64, payload: 18}
		tr.add(1e9, wrap(i%4, 1, 2, f.bytes()), 1<<16)
	}
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, within)
	m := New(cfg, nil)
	works := worksOf(m, tr)
	again := func() {
		for i := range works {
			m.workers[0].do(&works[i])
		}
	}
	again()
	if n := testing.AllocsPerRun(20, again); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTenants: conversations of the same addresses in two networks are two flows
// if the number of the network is saved, whatever worker sees them.
func TestTenants(t *testing.T) {
	tr := newTrace()
	for i := range 100 {
		f := frame{proto: packet.ProtoUDP, src: 1, dst: 2, sport: 9, dport: 53, ttl: 64, payload: 18}
		b := wrap(3, byte(i%5), byte(5+i%3), f.bytes())
		b[ethernetHeader+minIPv4+8+6] = byte(i % 2)
		tr.add(1e9+int64(i), b, 1<<16)
	}
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, "rulesets: [{name: a, decapsulate: innermost, rules: [{if: vxlan, save: [src.addr, dst.addr, vxlan.vni], do: count}]}]")
	o := everyWay(t, cfg, tr.open(50))
	if len(o.records) != 2 || o.records[0].Key.TunnelID+o.records[1].Key.TunnelID != 1 ||
		o.records[0].Count[0].Packets != 50 || o.records[0].Has&flow.HasTunnelID == 0 {
		t.Errorf("%+v", o.records)
	}
}

const minIPv4 = 20 // octets of a header without options
