package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/packet"
)

// TestSubroutines: what comes back from a call, and what it leaves behind.
func TestSubroutines(t *testing.T) {
	const (
		zones = `
subroutines:
  zone:
    params: [a, z]
    rules:
      - if: a == 172.16.0.0/12
        save: matched
        set: {z: 1}
        return: 1
      - if: a == 100.64.0.0/10
        save: matched
        set: {z: 2}
        return: 2
      - save: a/16
        set: {z: 9}
        return: 3
rulesets:
  - orient: first
    rules:
      - call: {zone: [dst.addr, dst.kind]}
        on:
          1: [{do: nomatch}]
      - call: {zone: [src.addr, src.kind]}
        on:
          2: &seven [{set: {class: 7}}]
          3: *seven
      - do: count
`
		blocks = `
- block: svc
  then:
    - if: dst.port in {53, 853}
      save: [matched]
      set: {kind: D}
      leave: svc
    - if: pass == "forward"
      do: nomatch
    - save: [dst.port, src.port]
- save: [src.addr/24, dst.addr]
  do: count
`
		hides = `
subroutines:
  port: {params: [addr], rules: [{if: 'addr == 443', save: addr, return: 1}]}
rulesets:
  - rules:
      - call: {port: [dst.port]}
        on: {1: [{do: count}]}
        do: ignore
`
		ends = `
subroutines:
  outer: {rules: [{call: inner}, {if: hits == 3, return: 2}, {do: ignore}]}
  inner: {rules: [{if: udp, do: nomatch}, {if: tcp, set: {hits: 3}, do: return}, {set: {hits: 4}}]}
rulesets:
  - rules:
      - call: outer
        on: {2: [{save: [], do: count}]}
`
		constants = `[{save: [{src.addr: 192.0.2.0/24}, {dst.addr: 10.1.2.3/8, dst.port/6: 1025}, src.port], do: count}]`
		matched   = `
networks: {nets: [10.0.0.0/8, 10.1.0.0/16, "fd00::/8"]}
rulesets:
  - rules:
      - if: (src.addr in $nets && dst.port == 1) || dst.addr in {$nets, 10.1.2.0/24} && src.port in {1..9}
        save: matched
        do: count
`
	)
	tcp := func(src string, sport uint16, dst string, dport uint16) *packet.Headers {
		return tcpPacket(src, sport, dst, dport, packet.ACK)
	}
	tests := []struct {
		name, rules string
		h           *packet.Headers
		want        string
	}{
		// The digest's program (b).
		{"both other", zones, tcp("8.8.8.8", 1, "9.9.9.9", 2), "8.8.0.0/16 > 9.9.0.0/16 forward first"},
		{"private source", zones, tcp("172.16.1.1", 1, "9.9.9.9", 2), "172.16.0.0/12 > 9.9.0.0/16 forward first"},
		{"private destination", zones, tcp("9.9.9.9", 1, "172.16.1.1", 2), "172.16.0.0/12 > 9.9.0.0/16 swapped rule"},
		{"both private", zones, tcp("172.16.1.2", 1, "172.16.1.1", 2), "nomatch"},

		{"left", blocks, udpPacket("10.1.2.3", 7, "8.8.8.8", 53), "10.1.2.0/24 > 8.8.8.8/32 53 forward first"},
		{"to its end", blocks, udpPacket("10.1.2.3", 7, "8.8.8.8", 9), "8.8.8.0/24 9 > 10.1.2.3/32 7 swapped rule"},

		{"a parameter hides a field", hides, tcp("1.1.1.1", 1, "2.2.2.2", 443), "* > * 443 forward first"},
		{"a number without on", hides, tcp("1.1.1.1", 443, "2.2.2.2", 1), "ignored"},

		{"calls in calls", ends, tcp("1.1.1.1", 1, "2.2.2.2", 2), "* > * forward first"},
		{"nomatch in a call", ends, udpPacket("1.1.1.1", 1, "2.2.2.2", 2), "nomatch"},
		{"the end returns", ends, icmpPacket("1.1.1.1", "2.2.2.2", 3), "ignored"},

		{"constants", constants, tcp("1.1.1.1", 5, "2.2.2.2", 6), "192.0.2.0/24 5 > 10.0.0.0/8 1024/6 forward first"},
		{"constants of the other family", constants, tcp("fd00::1", 5, "fd00::2", 6), "no_key"},

		{"left of or", matched, tcp("10.1.2.3", 5, "10.1.2.3", 1), "10.1.0.0/16 > * 1 forward first"},
		{"the longest", matched, tcp("10.2.2.3", 5, "10.1.2.3", 2), "* 5 > 10.1.2.0/24 forward first"},
		{"right of or alone", matched, tcp("fd00::1", 5, "fd00::2", 6), "* 5 > fd00::/8 forward first"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := result(match(testSet(t, tt.rules), tt.h)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	m := match(testSet(t, zones), tcp("100.64.1.1", 1, "9.9.9.9", 2))
	if k := m.Key; k.Src.Kind != 2 || k.Dst.Kind != 9 || k.Class != 7 || k.Saved&computed != SrcKind|DstKind|FlowClass {
		t.Errorf("computed: %+v", k)
	}
}

// TestMaskedAttributes: a mask keeps its bits of any attribute.
func TestMaskedAttributes(t *testing.T) {
	h := tcpPacket("10.1.2.3", 0xffff, "8.8.8.8", 2, 0)
	h.Layers |= packet.HasMAC | packet.HasVLAN
	h.SrcMAC, h.TClass, h.TTL = [6]byte{1, 2, 3, 4, 5, 6}, 0xff, 0xaa
	h.VLAN[0].TCI = 0x123
	k := match(testSet(t, `[{save: [src.mac/24, tclass & 0xfc, ttl/4, src.port/3, vlan.id/4, {dst.mac/8: "ff:ff:ff:ff:ff:ff"}, {proto & 0xf0: 17}], do: count}]`), h).Key
	want := Key{Saved: SrcMAC | DstMAC | TClass | TTL | SrcPort | VLAN | Proto, TClass: 0xfc, TTL: 0xa0, VLAN: 0x100, Proto: 16}
	want.Src = End{MAC: [6]byte{1, 2, 3}, Port: 0xe000, PortLen: 3}
	want.Dst.MAC[0] = 0xff
	if k != want {
		t.Errorf("got  %+v\nwant %+v", k, want)
	}
}

// TestManyCalls: a subroutine is compiled once for each list of arguments, however
// often it is called and however deep.
func TestManyCalls(t *testing.T) {
	var b strings.Builder
	b.WriteString("subroutines:\n  zone:\n    params: [a]\n    rules:\n")
	for i := range 100 {
		fmt.Fprintf(&b, "      - {if: a == 10.%d.0.0/16, return: %d}\n", i, i+1)
	}
	b.WriteString("rulesets:\n  - rules:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "      - {if: dst.port == %d, call: {zone: [%s]}, on: {7: [{do: count}]}}\n", i, []string{"src.addr", "dst.addr"}[i%2])
	}
	begin := time.Now()
	p := testSet(t, b.String()).Program
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	returns := 0
	for _, in := range p.code {
		returns += bool2int(in.op == opReturn)
	}
	if returns != 2*101 {
		t.Errorf("%d returns: the two bodies have 101 each", returns)
	}
}

// TestCallsAllocateNothing: calls, matched operands and constants cost no memory.
func TestCallsAllocateNothing(t *testing.T) {
	rs := testSet(t, `
subroutines:
  zone: {params: [a], rules: [{if: 'a in {10.0.0.0/8, 10.1.0.0/16}', save: [matched, {proto: 0}, src.mac/24], return: 1}]}
rulesets: [{rules: [{call: {zone: [src.addr]}, on: {1: [{do: count}]}}]}]`)
	h := tcpPacket("10.1.2.3", 1, "8.8.8.8", 2, 0)
	h.Layers |= packet.HasMAC
	var m Match
	if n := testing.AllocsPerRun(100, func() { rs.Program.Match(h, nil, &m) }); n != 0 || m.Verdict != Counted {
		t.Errorf("%v allocations, %+v", n, m)
	}
}
