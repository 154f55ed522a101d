package flow

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// ruleFiles are rule sets that between them take every path of a Table.
var ruleFiles = []struct{ name, text string }{
	{"default", "rulesets: [{name: a}]"},
	{"first", "rulesets: [{name: a, orient: first}]"},
	{"perimeter", "rulesets: [{name: a, orient: perimeter}]"},
	{"nomatch decides direction", `
- {if: 'src.port == 53', do: nomatch}
- {do: count}`},
	{"measured", `
- if: tcp
  measure: [packet_size: {linear: 20..500, buckets: 7}, turnaround: {log: 1ms..10s, buckets: 9}, inter_arrival: {linear: 0s..4s, buckets: 3}]
- if: 'src.port == 53'
  measure: [packet_rate: {linear: 0..3, buckets: 4, window: 700ms}, bit_rate: {log: 1..9k, buckets: 5, window: 1s}]
- {do: count}`},
	{"measured together", `
- {if: 'dst.port == 53', measure: [inter_arrival, bit_rate: {linear: 0..2k, buckets: 5}]}
- {save: [dst.addr/24], measure: [packet_size, turnaround], do: count}`},
	{"rules that share flows", `
- {if: 'tcp && ttl == 64', do: count}
- {if: 'src.port == 53', do: nomatch}
- {if: 'dst.port == 53', do: count}
- {if: 'src.addr == 10.0.0.2', do: nomatch}
- {do: count}`},
	{"ignore ends", `
- {if: 'proto == 17', do: ignore}
- {if: 'src.addr == 10.0.0.2', do: ignore}
- {do: count}`},
	{"kinds", `
- {if: 'dst.port == 53', set: {kind: names}}
- {if: 'src.addr == 10.0.0.0/8', set: {src.kind: 7}}
- {if: 'dst.addr == 10.0.0.1', set: {dst.kind: 7}}
- {do: count}`},
	{"kind 0", `
- {if: 'dst.port == 53', save: [proto], set: {src.kind: 0}, do: count}
- {save: [proto], set: {dst.kind: 0}, do: count}`},
	{"mixed keys", `
- {if: 'dst.port == 53', save: [src.addr, dst.addr, dst.port, proto], do: count}
- {if: 'src.port == 53', do: nomatch}
- {if: 'not (ip or ipv6)', do: ignore}
- {do: count}`},
	{"hosts", `
- {save: [src.addr, dst.addr], do: count}`},
	{"network", `
- {save: [dst.addr/24], do: count}`},
	{"both ends masked", `
- {save: [src.addr/8, dst.addr/8, proto], do: count}`},
	{"one flow", `
- {save: [], do: count}`},
	{"ports alone", `
- {if: 'dst.port < 1024', save: [dst.port], do: count}`},
	{"per packet tests", `
- {if: 'ttl < 64', save: [src.addr, dst.addr, ttl], do: count}
- {if: 'length > 500', do: ignore}
- {if: 'tcp.flags.push', set: {kind: pushed}, do: count}
- {if: 'vlan.outer == 7', save: [src.addr, dst.addr, vlan.outer], do: count}
- {do: count}`},
	{"home", `
- {if: 'class == "in"', do: count}
- {if: 'class == "internal"', set: {class: 9}, do: count}
- {if: 'class == "transit"', do: ignore}`},
	{"second pass", `
- {if: 'pass == "forward"', do: nomatch}
- {do: count}`},
	{"link", `
- {if: 'not (ip or ipv6)', save: [src.mac, dst.mac, ethertype], do: count}
- {save: [src.mac, dst.mac, src.addr, dst.addr], do: count}`},
	{"constants", `
- {save: [src.addr, dst.addr, src.port, {dst.port: 80}, proto], do: count}`},
	{"a part of the protocol", `
- {save: [src.addr, dst.addr, src.port, dst.port, proto & 0x06], do: count}`},
	{"subroutines", `
subroutines:
  net: {params: [a, k], rules: [{if: 'a in {10.0.0.0/8, 10.0.0.1}', save: matched, set: {k: ten}, return: 1}, {save: a}]}
rulesets:
- rules:
  - {call: {net: [src.addr, src.kind]}, on: {1: [{if: 'dst.port == 53', save: [{dst.port: 80}]}]}}
  - {call: {net: [dst.addr, dst.kind]}, do: count}`},
	{"addresses of IPv4 alone", `
- {save: [ip.src, ip.dst], do: count}`},
	{"headers", `
- {if: 'tcp', save: [src.addr, dst.addr, tcp.flags, fragment, time.hour], do: count}
- {if: 'vlan', save: [src.addr, dst.addr, vlan.priority, length], do: count}
- {if: 'ip', save: [dscp, ecn, time.weekday], do: count}
- {save: [src.addr/32, extensions], do: count}`},
	{"many rules of the five-tuple", manyTests("do: count", "do: ignore", "do: nomatch", "do: count", "do: next") + `
- {if: 'ttl < 64', do: ignore}
- {if: 'src.port == 53', do: nomatch}
- {do: count}`},
	{"many rules", manyTests("set: {kind: one}, do: ignore", "set: {kind: 2}, do: ignore") + `
- {if: 'ttl < 64', do: ignore}
- {if: 'src.port == 53', do: nomatch}
- {do: count}`},
	{"many rules with kinds", manyTests("set: {kind: 1}", "set: {kind: 3}", "set: {kind: 4}") + `
- {if: 'ttl < 64', set: {kind: near}}
- {if: 'kind == 3 and length > 500', save: [src.addr, dst.addr], do: count}
- {if: 'dst.port == 80', do: nomatch}
- {do: count}`},
}

// manyTests makes rules that are looked up, so that Trails are of use: some for
// conversations that there are.
func manyTests(do ...string) string {
	var b strings.Builder
	for i := range 36 {
		fmt.Fprintf(&b, "\n- {if: 'dst.port == %d and src.addr == 10.0.0.%d', %s}", int(somePorts[i%3])+i/12, i%4, do[i%len(do)])
	}
	return b.String()
}

// ruleSet reads one of ruleFiles.
func ruleSet(t testing.TB, text string) *rules.RuleSet {
	t.Helper()
	v, c := conf.Parse("test.yaml", []byte(text))
	sets, _ := rules.ParseFile(v, rules.DefaultNetworks())
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	return sets[0]
}

const second = int64(time.Second)

// What sequences are made of: few values, so that packets meet.
var (
	someAddrs = [][16]byte{
		v4(10, 0, 0, 1), v4(10, 0, 0, 2), v4(192, 0, 2, 1), v4(192, 0, 2, 130),
		{0: 0x20, 1: 0x01, 15: 1}, {0: 0xfd, 15: 2}, {0: 0xfd, 15: 3}, v4(10, 0, 0, 1),
	}
	somePorts  = []uint16{53, 80, 1024, 0}
	someProtos = []uint8{6, 6, 6, 17, 17, 1, 58, 89}
	someFlags  = []uint16{
		packet.ACK, packet.SYN, packet.SYN | packet.ACK, packet.FIN | packet.ACK,
		packet.RST, packet.ACK | packet.PSH, packet.FIN | packet.ACK, packet.SYN | packet.FIN,
	}
	someICMP = []uint8{8, 0, 3, 128, 129, 135, 13, 14}
	someTTLs = []uint8{64, 63, 0, 255}
	// The limits of timeouts() are among them, so that gaps often fit exactly.
	someGaps = []int64{
		0, 0, 0, 1, 1000, second / 10, second, second - 1, second + 1,
		2 * second, 3 * second, 4 * second, 5 * second, -1, -second, 200 * second,
	}
)

func v4(a, b, c, d byte) [16]byte { return [16]byte{10: 0xff, 11: 0xff, 12: a, 13: b, 14: c, 15: d} }

// timeouts returns active, idle and linger for a number.
func timeouts(n uint8) (active, idle, linger time.Duration) {
	choices := []time.Duration{time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second}
	return choices[n&3], choices[n>>2&3], time.Duration(n>>4&3) * time.Second
}

// A step is a packet of a sequence and what is done to the table before it.
type step struct {
	h       packet.Headers
	set     bool // the clock is set to the packet's time, perhaps backwards
	cut     bool // the run of packets ends here
	advance bool // the table's clock is moved on
	release bool // records are taken
}

const stepLen = 7

// sequence makes steps of any bytes.
func sequence(data []byte) []step {
	now := int64(1_700_000_000) * second
	var all []step
	for ; len(data) >= stepLen; data = data[stepLen:] {
		now += someGaps[data[0]&15]
		s := step{cut: data[6]&1 != 0, advance: data[6]&2 != 0, release: data[6]&4 != 0}
		if data[6]>>3 == 31 {
			now -= 100 * second
			s.set = true
		}
		s.h = someHeaders([stepLen]byte(data))
		s.h.Time = now
		all = append(all, s)
		if gap := someGaps[data[0]&15]; gap < 0 { // a late packet does not set back those after it
			now -= gap
		}
	}
	return all
}

// someHeaders makes the headers of a packet that Decode could have read.
func someHeaders(d [stepLen]byte) packet.Headers {
	h := packet.Headers{Layers: packet.HasMAC | packet.HasEtherType, EtherType: 0x806}
	h.SrcMAC, h.DstMAC = [6]byte{5: d[0] >> 4 & 1}, [6]byte{5: d[0] >> 5 & 1}
	h.WireLen = 60 + uint32(d[5])*5
	h.CapLen = h.WireLen
	if d[5]&3 == 3 {
		h.Layers |= packet.HasVLAN
		h.VLAN[0] = packet.VLANTag{TPID: 0x8100, TCI: 0x2000 | uint16(d[5]>>2&7)}
	}
	if d[0]>>6 == 3 {
		h.Iface = uint32(d[1] & 1)
	}
	if d[1]&0x1f == 0x1f {
		return h
	}
	src, dst := d[2]&7, d[2]>>3&7
	h.Src, h.Dst = someAddrs[src], someAddrs[dst]
	h.Version, h.EtherType = 4, 0x800
	h.Layers |= packet.HasIPv4
	if src >= 4 && src < 7 || dst >= 4 && dst < 7 {
		h.Layers ^= packet.HasIP
		h.Version, h.EtherType = 6, 0x86dd
		h.FlowLabel = uint32(d[4] >> 6)
	}
	h.Proto = someProtos[d[1]>>5]
	h.TTL = someTTLs[d[4]>>4&3]
	h.TClass = d[5]
	h.TotalLen = h.WireLen - 14
	someTransport(&h, d)
	return h
}

func someTransport(h *packet.Headers, d [stepLen]byte) {
	switch h.Proto {
	case packet.ProtoICMP:
		h.Layers |= packet.HasICMP
	case packet.ProtoICMPv6:
		h.Layers |= packet.HasICMPv6
	case packet.ProtoTCP, packet.ProtoUDP:
		if d[1]&0x1f == 0 { // a later fragment
			h.Layers |= packet.HasFragment
			return
		}
		h.Layers |= packet.HasPorts
		h.SrcPort, h.DstPort = somePorts[d[3]&3], somePorts[d[3]>>2&3]
	}
	h.ICMPType, h.ICMPCode = someICMP[d[4]&7], d[4]>>3&1
	if h.Proto == packet.ProtoTCP && d[1]&0x1f != 1 { // else cut behind the ports
		h.Layers |= packet.HasTCP
		h.TCPFlags = someFlags[d[4]&7]
	}
}
