package rules

import (
	"strings"
	"testing"

	"flowmeter/meter/packet"
)

// vlanPacket returns an IPv4 packet with the given VLAN identifiers.
func vlanPacket(ids ...uint16) *packet.Headers {
	h := udpPacket("10.0.0.1", 1000, "8.8.8.8", 53)
	for i, id := range ids {
		h.VLAN[i].TCI = id | 5<<13
		h.Layers |= []packet.Layer{packet.HasVLAN, packet.HasVLAN2}[i]
	}
	return h
}

func TestExpressions(t *testing.T) {
	web := tcpPacket("10.1.2.3", 40000, "93.184.216.34", 443, packet.SYN)
	dns := udpPacket("10.1.2.3", 5353, "8.8.8.8", 53)
	six := tcpPacket("fd00::1", 22, "2001:db8::7", 50000, packet.ACK|packet.RST)
	mapped := udpPacket("::ffff:10.1.2.3", 1, "2001:db8::7", 2)
	ping := icmpPacket("10.1.2.3", "8.8.8.8", 8)
	tests := []struct {
		expr string
		h    *packet.Headers
		want bool
	}{
		// Presence, and what a protocol's name means.
		{"tcp", web, true}, {"udp", web, false}, {"ip", web, true}, {"ipv6", web, false}, {"ip", six, false},
		{"icmp", ping, true}, {"!icmp", dns, true}, {"arp", arpPacket(), true}, {"tcp.port", ping, false},
		{"not tcp and not udp", ping, true}, {"vlan", dns, false}, {"vlan", vlanPacket(7), true},
		// A flag alone asks whether it is set; of a packet without TCP it is absent.
		{"tcp.flags.syn", web, true}, {"tcp.flags.reset", web, false}, {"!tcp.flags.reset", web, true},
		{"tcp.flags.syn == 0", dns, false}, {"tcp.flags.syn != 1", dns, false}, {"!tcp.flags.syn", dns, true},
		{"tcp.flags == 0x02", web, true}, {"tcp.flags.syn == True", web, true},
		// Comparisons, both spellings.
		{"tcp.dstport == 443", web, true}, {"tcp.dstport eq 443", web, true}, {"tcp.dstport != 443", web, false},
		{"tcp.dstport ne 80", web, true}, {"tcp.dstport < 443", web, false}, {"tcp.dstport le 443", web, true},
		{"tcp.dstport > 442", web, true}, {"tcp.dstport ge 444", web, false}, {"udp.dstport != 443", web, false},
		// Any value fits; != wants all to differ.
		{"tcp.port == 443", web, true}, {"tcp.port == 40000", web, true}, {"tcp.port != 443", web, false},
		{"tcp.port != 22", web, true}, {"!(tcp.port == 443)", dns, true}, {"tcp.port > 1000", web, true},
		{"ip.addr == 10.1.2.3", web, true}, {"ip.addr != 10.1.2.3", web, false}, {"ip.addr != 10.1.2.4", six, false},
		{"vlan.id == 7", vlanPacket(7), true}, {"vlan.id == 9", vlanPacket(7, 9), true},
		{"vlan.id != 7", vlanPacket(7), false}, {"vlan.id != 8", vlanPacket(7), true},
		{"vlan.id != 9", vlanPacket(7, 9), false}, {"vlan.id != 8", vlanPacket(7, 9), true}, {"vlan.id != 8", dns, false},
		{"vlan.inner == 9", vlanPacket(7, 9), true}, {"vlan.priority == 5", vlanPacket(7), true},
		// Sets, ranges, prefixes and lists.
		{"tcp.dstport in {80, 443, 8000..8100}", web, true}, {"tcp.dstport in {80, 8000..8100}", web, false},
		{"tcp.dstport in {440 .. 443}", web, true}, {"ip.src == 10.0.0.0/8", web, true}, {"ip.src == 10.1.2.9/24", web, true},
		{"ip.src in {10.1.2.0..10.1.2.2, 10.1.2.4}", web, false}, {"ip.src in {10.1.2.0..10.1.2.3}", web, true},
		{"src.addr in $home", web, true}, {"dst.addr in $home", web, false}, {"src.addr == $home", six, true},
		{"dst.addr != $home", web, true}, {"addr in {$home, 8.8.8.8}", dns, true},
		{"src.addr == 0.0.0.0/0", six, false}, {"src.addr == ::/0", web, false}, {"src.addr == fd00::/8", six, true},
		// The IP version decides, not the look of an address.
		{"src.addr == 10.1.2.3", mapped, false}, {"src.addr == ::ffff:10.1.2.3", mapped, true},
		{"src.addr in {10.0.0.0/8, 11.0.0.0/8}", mapped, false}, {"src.addr != 10.1.2.3", mapped, true},
		// Precedence: ! before && before ||.
		{"udp || tcp && tcp.port == 22", dns, true}, {"(udp || tcp) && tcp.port == 22", dns, false},
		{"!udp && tcp", web, true}, {"!(udp && tcp)", web, true}, {"not udp.port == 53 or icmp", dns, false},
		{"not not tcp", web, true},
		// What the meter computes.
		{`class == "out"`, web, true}, {`class in {"in", "internal"}`, web, false}, {"class == 2", web, true},
		{`class == "none"`, arpPacket(), true}, {`pass == "forward"`, web, true}, {"kind == 0", web, true},
		{"frame.len > 60", web, true}, {"length == 60", six, true}, {"ipv6.plen == 20", six, true},
	}
	for _, tt := range tests {
		f, err := ParseFilter("filter", tt.expr, DefaultNetworks(), nil)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := f.Match(tt.h, frameOf(tt.h)); got != tt.want {
			t.Errorf("%s of %+v: %v", tt.expr, *tt.h, got)
		}
	}
}

// Lists of every length take different roads: one span, a few, a bitmap.
func TestSetSizes(t *testing.T) {
	for _, n := range []int{1, 2, 8, 9, 100} {
		var b strings.Builder
		for i := range n {
			b.WriteString(", " + u(uint16(10*i+5)))
		}
		set := "{" + b.String()[2:] + "}"
		for _, field := range []string{"dst.port", "tcp.seq_raw", "port"} {
			f, err := ParseFilter("filter", field+" in "+set, DefaultNetworks(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for port := range uint16(1100) {
				h := tcpPacket("1.1.1.1", 65000, "2.2.2.2", port, 0)
				h.Seq = uint32(port)
				if want := port%10 == 5 && int(port) < 10*n; f.Match(h, nil) != want {
					t.Errorf("%s in a set of %d: %d is %v", field, n, port, !want)
				}
			}
		}
	}
}

func TestRangePrefixes(t *testing.T) {
	tests := []struct{ lo, hi, want string }{
		{"10.0.0.0", "10.255.255.255", "10.0.0.0/8"},
		{"0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"10.0.0.1", "10.0.0.1", "10.0.0.1/32"},
		{"10.0.0.1", "10.0.0.4", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/32"},
		{"fd00::", "fd00::1:ffff", "fd00::/111"},
		{"ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff::/16"},
	}
	for _, tt := range tests {
		lo, _ := parsePrefix(tt.lo)
		hi, _ := parsePrefix(tt.hi)
		var got []string
		for _, p := range rangePrefixes(lo.Addr(), hi.Addr()) {
			got = append(got, p.String())
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s..%s: %s, want %s", tt.lo, tt.hi, s, tt.want)
		}
	}
}
