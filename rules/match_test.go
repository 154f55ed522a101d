package rules

import (
	"fmt"
	"testing"

	"flowmeter/meter/packet"
)

// result shows a Match in one line.
func result(m Match) string {
	if m.Verdict != Counted {
		return m.Verdict.String()
	}
	way := "forward"
	if m.Swapped {
		way = "swapped"
	}
	return fmt.Sprintf("%s %s %s", show(&m.Key), way, m.Evidence)
}

func TestMatch(t *testing.T) {
	const (
		homeAccount = `
networks: {home: [10.0.0.0/8, 192.168.4.0/22]}
rulesets:
  - orient: perimeter
    rules:
      - {if: class == "internal", do: ignore}
      - {if: dst.addr in $home, save: [dst.addr/24], set: {kind: H}, do: count}
      - {do: ignore}
`
		services = `
- if: not (proto == 6 or proto == 17)
  do: ignore
- if: dst.port in {53, 853}
  set: {kind: D}
  save: [proto, dst.port, src.addr/24, dst.addr]
  do: count
- if: dst.port in {80, 443}
  set: {kind: W}
  save: [proto, dst.port, src.addr/24, dst.addr]
  do: count
- if: pass == "forward"
  do: nomatch
- set: {kind: "?"}
  save: [proto, dst.port, src.port, src.addr/24, dst.addr]
  do: count
`
		names = `
- if: not (ip or ipv6)
  do: ignore
- if: udp.dstport == 53
  save: [src.addr, dst.addr, dst.port, proto]
  do: count
- if: udp.srcport == 53
  do: nomatch
- do: count
`
		byFamily = `[{save: [ip.src/24, ipv6.src/48, dst.port/6], do: count}]`
		zones    = `
- if: src.addr == 10.0.0.0/8
  set: {zone: dmz}
- if: zone == "dmz" && dst.port == 80
  save: [src.addr]
  do: count
- if: zone == 0
  do: ignore
`
		nested = `
- if: tcp
  save: [proto]
  then:
    - if: dst.port < 1024
      then: [{save: [dst.port], do: count}]
      else: [{if: src.port < 1024, do: nomatch}]
    - save: [dst.addr/8]
  else:
    - do: ignore
- save: [dst.addr/16]
  do: count
`
		orient  = "rulesets: [{orient: %s, rules: [{do: count}]}]"
		nothing = `[{save: [], do: count}]`
	)
	first, perimeter := fmt.Sprintf(orient, "first"), fmt.Sprintf(orient, "perimeter")
	out := tcpPacket("10.1.2.3", 4000, "8.8.8.8", 443, packet.ACK)
	synack := tcpPacket("10.1.2.3", 80, "8.8.8.8", 4000, packet.SYN|packet.ACK)
	inFragment := ipPacket("8.8.8.8", "10.1.2.3", packet.ProtoUDP)
	tests := []struct {
		name, rules string
		h           *packet.Headers
		want        string
	}{
		// The digest's SRL program (a): per home /24, home always the destination.
		{"in", homeAccount, reversed(out), "* > 10.1.2.0/24 forward perimeter"},
		{"out", homeAccount, out, "* > 10.1.2.0/24 swapped perimeter"},
		{"internal", homeAccount, tcpPacket("10.1.2.3", 1, "192.168.5.1", 2, 0), "ignored"},
		{"transit", homeAccount, tcpPacket("1.1.1.1", 1, "8.8.8.8", 2, 0), "ignored"},
		{"no IP", homeAccount, arpPacket(), "ignored"},

		// Program (c): services by low port, oddities only after both ways failed.
		{"to a service", services, tcpPacket("10.1.2.3", 4000, "8.8.8.8", 443, 0), "10.1.2.0/24 > 8.8.8.8/32 443 forward first"},
		{"from a service", services, tcpPacket("8.8.8.8", 443, "10.1.2.3", 4000, 0), "10.1.2.0/24 > 8.8.8.8/32 443 swapped rule"},
		{"oddity", services, udpPacket("10.1.2.3", 7, "8.8.8.8", 9), "8.8.8.0/24 9 > 10.1.2.3/32 7 swapped rule"},
		{"ping", services, icmpPacket("10.1.2.3", "8.8.8.8", 8), "ignored"},

		// The design's example: a reply into its query's flow.
		{"query", names, udpPacket("10.1.2.3", 4000, "8.8.8.8", 53), "10.1.2.3/32 > 8.8.8.8/32 53 forward first"},
		{"answer", names, udpPacket("8.8.8.8", 53, "10.1.2.3", 4000), "10.1.2.3/32 > 8.8.8.8/32 53 swapped rule"},
		{"53 to 53", names, udpPacket("8.8.8.8", 53, "10.1.2.3", 53), "8.8.8.8/32 > 10.1.2.3/32 53 forward first"},

		{"masks of IPv4", byFamily, udpPacket("10.1.2.3", 1, "8.8.8.8", 0x0fff), "10.1.2.0/24 > * 3072/6 forward first"},
		{"masks of IPv6", byFamily, udpPacket("2001:db8:1:2::3", 1, "::1", 2), "2001:db8:1::/48 > * 0/6 forward first"},
		{"no IP to mask", byFamily, arpPacket(), "no_key"},
		{"later fragment", byFamily, inFragment, "8.8.8.0/24 > * forward first"},
		{"one flow", nothing, arpPacket(), "* > * forward first"},

		// A variable begins each pass at zero.
		{"variable", zones, tcpPacket("10.1.2.3", 9, "8.8.8.8", 80, 0), "10.1.2.3/32 > * forward first"},
		{"variable kept", zones, tcpPacket("10.1.2.3", 80, "8.8.8.8", 9, 0), "ignored"},

		{"saves add up", nested, tcpPacket("1.1.1.1", 9, "2.2.2.2", 80, 0), "* > * 80 forward first"},
		{"else in then", nested, tcpPacket("1.1.1.1", 80, "2.2.2.2", 5000, 0), "* > * 80 swapped rule"},
		{"the later mask", nested, tcpPacket("1.1.1.1", 5001, "2.2.2.2", 5000, 0), "* > 2.2.0.0/16 forward first"},
		{"else", nested, udpPacket("1.1.1.1", 80, "2.2.2.2", 5000), "ignored"},

		// orient says which way round is seen first, and so the evidence.
		{"SYN", "[{do: count}]", tcpPacket("1.1.1.1", 1, "2.2.2.2", 2, packet.SYN), "1.1.1.1/32 1 > 2.2.2.2/32 2 forward syn"},
		{"SYN+ACK", "[{do: count}]", synack, "8.8.8.8/32 4000 > 10.1.2.3/32 80 swapped synack"},
		{"data", "[{do: count}]", out, "10.1.2.3/32 4000 > 8.8.8.8/32 443 forward first"},
		{"echo request", "[{do: count}]", icmpPacket("10.1.2.3", "8.8.8.8", 8), "10.1.2.3/32 > 8.8.8.8/32 forward icmp"},
		{"echo reply", "[{do: count}]", icmpPacket("10.1.2.3", "8.8.8.8", 0), "8.8.8.8/32 > 10.1.2.3/32 swapped icmp"},
		{"unreachable", "[{do: count}]", icmpPacket("10.1.2.3", "8.8.8.8", 3), "10.1.2.3/32 > 8.8.8.8/32 forward first"},
		{"echo reply, IPv6", "[{do: count}]", icmpPacket("fd00::1", "fd00::2", 129), "fd00::2/128 > fd00::1/128 swapped icmp"},
		{"8 is none of ICMPv6", "[{do: count}]", icmpPacket("fd00::1", "fd00::2", 8), "fd00::1/128 > fd00::2/128 forward first"},
		{"ARP", "[{do: count}]", arpPacket(), "no_key"},
		{"first, SYN+ACK", first, synack, "10.1.2.3/32 80 > 8.8.8.8/32 4000 forward first"},
		{"perimeter, out", perimeter, out, "8.8.8.8/32 443 > 10.1.2.3/32 4000 swapped perimeter"},
		{"perimeter, in", perimeter, reversed(out), "8.8.8.8/32 443 > 10.1.2.3/32 4000 forward perimeter"},
		{"perimeter, inside", perimeter, tcpPacket("10.0.0.1", 1, "10.0.0.2", 2, packet.SYN|packet.ACK), "10.0.0.1/32 1 > 10.0.0.2/32 2 forward first"},

		{"empty list", "[]", out, "nomatch"},
		{"nomatch twice", "[{do: nomatch}]", out, "nomatch"},
		{"ignored in the second pass", `[{if: pass == "reverse", do: ignore}]`, out, "ignored"},
		{"default rules", "rulesets: [{name: a}]", arpPacket(), "ignored"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := result(match(testSet(t, tt.rules), tt.h)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestConstant(t *testing.T) {
	tests := []struct {
		rules string
		want  bool
	}{
		{"[{do: count}]", true},
		{`[{if: class == "out" && tcp.dstport == 443 && src.addr in $home, do: count}]`, true},
		{`[{if: tcp, set: {kind: web, zone: 3}}, {if: zone == 3, do: count}]`, true},
		{`[{if: tcp.flags.syn, do: count}, {do: count}]`, false},
		{`[{if: udp && ttl < 5, do: ignore}, {do: count}]`, true}, // the ttl is not reached
		{`[{if: tcp && ttl < 5, do: ignore}, {do: count}]`, false},
		{`[{save: [vlan.id], do: count}]`, false},
		{`[{save: [src.mac, src.addr], do: count}]`, false},
		{`[{if: vlan, do: ignore}, {do: nomatch}]`, false},
	}
	h := tcpPacket("10.1.2.3", 4000, "8.8.8.8", 443, packet.ACK)
	for _, tt := range tests {
		if got := match(testSet(t, tt.rules), h).Constant; got != tt.want {
			t.Errorf("%s: Constant is %v", tt.rules, got)
		}
	}
}

func TestFusedAndConversational(t *testing.T) {
	const subs = `
subroutines:
  ends: {rules: [{if: tcp, return: 1}, {return: 2}]}
  keys: {params: [a, z], rules: [{save: a, set: {z: 1}}]}
  kinds: {params: [z], rules: [{set: {z: 1}}]}
rulesets: [{rules: `
	tests := []struct {
		rules                 string
		fused, conversational bool
	}{
		{"rulesets: [{}]", true, true},
		{"[{do: count}]", true, true},
		{"[{save: [src.addr, dst.addr, src.port, dst.port, proto], do: count}]", true, true},
		{"[{save: [src.addr, dst.addr/32, src.port, dst.port, proto], do: count}]", false, false},
		{"[{save: [src.addr, dst.addr/128, src.port, dst.port, proto], do: count}]", false, true},
		{"[{save: [src.addr, dst.addr, dst.port, proto], do: count}]", false, true},
		{"[{save: [src.addr, dst.addr], do: count}, {do: count}]", false, true},
		{"[{save: [src.addr]}, {if: tcp, save: [dst.addr], do: count}]", false, true},
		{"[{save: [src.addr]}, {if: tcp, save: [dst.addr]}, {do: count}]", false, false},
		{"[{save: [src.addr/8, dst.addr]}, {save: [src.addr]}, {do: count}]", false, true},
		{"[{save: [src.addr, dst.addr]}, {save: [src.addr/8]}, {do: count}]", false, false},
		{"[{if: tcp, then: [{save: [src.addr]}], else: [{save: [dst.addr]}]}, {do: count}]", false, false},
		{"[{if: tcp, save: [src.addr, dst.addr], else: [{do: ignore}]}, {do: count}]", false, true},
		{"[{if: tcp, save: [dst.addr/24], do: nomatch}, {do: count}]", false, true},
		{"[{save: [ip.src, ip.dst], do: count}]", false, true}, // IPv6 has no key
		{"[{save: [ip.src/24, ipv6.src, dst.addr], do: count}]", false, false},
		{"[{save: [src.addr/24, dst.addr]}, {save: [ip.src], do: count}]", false, false},
		{"[{save: [], do: count}]", false, false},
		{"[{save: [src.mac, dst.mac], do: count}]", false, false},
		{"[{set: {kind: web}, do: count}]", false, true},
		{"[{set: {zone: web}}, {if: zone == 3, do: nomatch}, {do: count}]", true, true},
		{"[{if: ttl < 5, do: count}]", true, true},
		{`[{if: pass == "reverse", do: count}]`, true, true},
		{"[{if: dst.port == 80, do: count}]", true, true},
		{"[{if: tcp, save: [proto]}, {do: count}]", false, false},
		{"[{if: tcp, then: [{save: [src.addr, dst.addr], do: count}]}, {do: count}]", false, true},
		{"[{if: dst.port == 80, do: count}, {do: ignore}]", true, true},
		{"[{save: [{src.addr: 192.0.2.1}, {dst.addr: 192.0.2.2}], do: count}]", false, false},
		{"[{save: [src.addr, dst.addr, src.port, dst.port, {proto: 6}], do: count}]", false, true},
		{"[{if: 'src.addr in $home && dst.addr in $home', save: matched, do: count}]", false, false},
		{"[{block: out, then: [{save: [src.addr], leave: out}, {do: ignore}]}, {do: count}]", false, false},
		{"[{block: out, then: [{if: tcp, leave: out}, {save: [src.addr], do: ignore}]}, {do: count}]", false, true},
		{subs + "[{call: ends, on: {1: [{save: [src.addr], do: ignore}]}}, {do: count}]}]", false, true},
		{subs + "[{call: ends, on: {2: [{save: [src.addr]}]}}, {do: count}]}]", false, false},
		{subs + "[{call: {keys: [dst.addr, kind]}}, {save: [src.addr]}, {do: count}]}]", false, true},
		{subs + "[{call: {keys: [dst.addr, zone]}}, {save: [dst.addr]}, {do: count}]}]", false, false},
		{subs + "[{call: {kinds: [zone]}}, {do: count}]}]", true, true},
		{subs + "[{call: {kinds: [src.kind]}}, {do: count}]}]", false, true},
	}
	for _, tt := range tests {
		p := testSet(t, tt.rules).Program
		if p.Fused() != tt.fused || p.Conversational() != tt.conversational {
			t.Errorf("%s: fused %v, conversational %v", tt.rules, p.Fused(), p.Conversational())
		}
	}
}

// With rules that do not look at ports' order, a packet and its answer give
// one key, swapped.
func TestSwapProperty(t *testing.T) {
	rs := testSet(t, `
- if: src.addr in $home
  set: {src.kind: home, dst.kind: far}
  save: [src.addr/24, src.port, dst.addr/16, dst.mac, proto]
  do: count
`)
	m := newMaker(1)
	for range 1000 {
		h := m.packet()
		a, b := match(rs, h), match(rs, reversed(h))
		if a.Verdict == Counted && a.Class != Internal && (a.Key != b.Key || a.Swapped == b.Swapped) {
			t.Fatalf("%+v\n%+v\n%+v", h, a, b)
		}
		if k := a.Key.Swap(); k.Swap() != a.Key {
			t.Fatalf("swapped twice: %+v", a.Key)
		}
	}
}

func TestNames(t *testing.T) {
	rs := testSet(t, `
- set: {kind: web, class: in, src.kind: names}
- set: {class: customers, kind: 17, zone: web}
- if: class == "customers" && kind == 17 && src.kind == "names" && zone == "web"
  do: count
`)
	m := match(rs, tcpPacket("1.1.1.1", 1, "2.2.2.2", 2, 0))
	p := rs.Program
	if m.Verdict != Counted || m.Key.Kind != 17 || p.ClassName(m.Key.Class) != "customers" || p.KindName(m.Key.Src.Kind) != "names" {
		t.Errorf("%+v", m)
	}
	for n, want := range map[uint16]string{0: "", 1: "in", 4: "transit", 5: "", 256: "web", 257: "names", 258: "customers", 259: "", 65535: ""} {
		if got := p.ClassName(n); got != want {
			t.Errorf("class %d is %q", n, got)
		}
	}
}

func TestSetOrient(t *testing.T) {
	rs := Default(DefaultNetworks())
	before := rs.Program
	rs.SetOrient(Perimeter)
	h := tcpPacket("10.0.0.1", 80, "8.8.8.8", 4000, packet.SYN|packet.ACK)
	if m := match(rs, h); !m.Swapped || m.Evidence != EvidencePerimeter || rs.Orient != Perimeter {
		t.Errorf("%+v", m)
	}
	if !before.Reply(h) || rs.Program.Reply(h) {
		t.Error("SetOrient changed the Program that others may use, or not its own")
	}
}
