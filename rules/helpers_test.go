package rules

import (
	"net/netip"
	"testing"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
)

// testSet compiles a file of rules that must be right and returns its first
// rule set.
func testSet(t testing.TB, text string) *RuleSet {
	t.Helper()
	v, c := conf.Parse("test.yaml", []byte(text))
	sets, _ := ParseFile(v, DefaultNetworks())
	if err := c.Err(); err != nil {
		t.Fatalf("%v\nin\n%s", err, text)
	}
	return sets[0]
}

// match runs a rule set over one packet.
func match(rs *RuleSet, h *packet.Headers) Match {
	var m Match
	rs.Program.Match(h, frameOf(h), &m)
	return m
}

// ip returns a packet without transport.
func ipPacket(src, dst string, proto uint8) *packet.Headers {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	h := &packet.Headers{Layers: packet.HasIPv4, Version: 4, Src: s.As16(), Dst: d.As16(),
		Proto: proto, TTL: 64, TotalLen: 60, WireLen: 74, CapLen: 74}
	if s.Is6() {
		h.Layers, h.Version = packet.HasIPv6, 6
	}
	return h
}

func tcpPacket(src string, sport uint16, dst string, dport uint16, flags uint16) *packet.Headers {
	h := ipPacket(src, dst, packet.ProtoTCP)
	h.Layers |= packet.HasPorts | packet.HasTCP
	h.SrcPort, h.DstPort, h.TCPFlags = sport, dport, flags
	return h
}

func udpPacket(src string, sport uint16, dst string, dport uint16) *packet.Headers {
	h := ipPacket(src, dst, packet.ProtoUDP)
	h.Layers |= packet.HasPorts | packet.HasUDP
	h.SrcPort, h.DstPort = sport, dport
	return h
}

func icmpPacket(src, dst string, typ uint8) *packet.Headers {
	h := ipPacket(src, dst, packet.ProtoICMP)
	h.Layers |= packet.HasICMP
	if h.Version == 6 {
		h.Proto, h.Layers = packet.ProtoICMPv6, packet.HasIPv6|packet.HasICMPv6
	}
	h.ICMPType = typ
	return h
}

func arpPacket() *packet.Headers {
	return &packet.Headers{Layers: packet.HasMAC | packet.HasEtherType, EtherType: 0x0806, WireLen: 60, CapLen: 60}
}

// reversed returns the packet with its two ends exchanged.
func reversed(h *packet.Headers) *packet.Headers {
	r := *h
	r.Src, r.Dst = h.Dst, h.Src
	r.SrcPort, r.DstPort = h.DstPort, h.SrcPort
	r.SrcMAC, r.DstMAC = h.DstMAC, h.SrcMAC
	return &r
}

// end shows one endpoint of a key as address/length:port/length.
func show(k *Key) string {
	return showEnd(&k.Src, k.Saved&SrcAddr != 0, k.Saved&SrcPort != 0, k.Version) + " > " +
		showEnd(&k.Dst, k.Saved&DstAddr != 0, k.Saved&DstPort != 0, k.Version)
}

func showEnd(e *End, addr, port bool, version uint8) string {
	s := "*"
	if addr {
		a := netip.AddrFrom16(e.Addr)
		if version == 4 {
			a = a.Unmap()
		}
		s = netip.PrefixFrom(a, int(e.AddrLen)).String()
	}
	if port {
		s += " " + u(e.Port)
		if e.PortLen != 16 {
			s += "/" + u(uint16(e.PortLen))
		}
	}
	return s
}

func u(n uint16) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return u(n/10) + u(n%10)
}
