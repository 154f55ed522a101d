// Package sample makes flow records for the tests of the exporters.
package sample

import (
	"encoding/binary"
	"math/rand/v2"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// RuleSet is the rule set of all records.
var RuleSet = &flow.RuleSet{Name: "conversations", Index: 0, Named: named}

// named knows two names.
func named(n uint16) string {
	switch n {
	case 256:
		return "names"
	case 257:
		return "Wörter"
	}
	return ""
}

// Epoch is the time of the first packet of all records, ns since 1970.
const Epoch = int64(1_600_000_000_123_456_789)

// Records returns n records of all kinds, in the order of their release. The
// same seed gives the same records.
func Records(seed uint64, n int) []flow.Record {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]flow.Record, n)
	for i := range out {
		fill(&out[i], rng, i)
	}
	return out
}

// makers are the kinds of record; the first is plain TCP over IPv4.
var makers = []func(*flow.Record, *rand.Rand){tcp4, udp6, icmp4, icmp6, masked, kinds, arp}

// TCP4 returns n records of TCP over IPv4 with both directions.
func TCP4(n int) []flow.Record {
	rng := rand.New(rand.NewPCG(7, 7))
	out := make([]flow.Record, n)
	for i := range out {
		base(&out[i], rng, i)
		tcp4(&out[i], rng)
		count(&out[i], rng, flow.Forward)
		count(&out[i], rng, flow.Reverse)
		total(&out[i])
	}
	return out
}

func fill(r *flow.Record, rng *rand.Rand, i int) {
	base(r, rng, i)
	makers[rng.IntN(len(makers))](r, rng)
	way := rng.IntN(4)
	if way != 1 {
		count(r, rng, flow.Forward)
	}
	if way != 2 {
		count(r, rng, flow.Reverse)
	}
	total(r)
}

func base(r *flow.Record, rng *rand.Rand, i int) {
	r.RuleSet = RuleSet
	r.FlowID = rng.Uint64()
	r.Start = Epoch + int64(i)*1_234_567
	r.End = r.Start + 20e9
	r.Piece = uint32(rng.IntN(3))
	r.EndReason = flow.EndReason(1 + rng.IntN(5))
	r.Class = rules.Class(1 + rng.IntN(4))
	r.Evidence = rules.Evidence(1 + rng.IntN(6))
	r.Biflow = []uint8{0, 1, 3}[rng.IntN(3)]
	r.Has = flow.HasClass | flow.HasEvidence | flow.HasSrcMAC | flow.HasDstMAC | flow.HasEtherType | flow.HasIface
	r.First.SrcMAC = [6]byte{2, 0, 0, 0, 0, byte(i)}
	r.First.DstMAC = [6]byte{2, 0, 0, 0, 1, byte(i)}
	r.First.EtherType = 0x0800
	r.First.Iface = 1
	if rng.IntN(8) == 0 {
		r.Has |= flow.HasVLAN
		r.First.VLAN = uint16(rng.IntN(1 << 16))
	}
}

// count gives a direction its packets.
func count(r *flow.Record, rng *rand.Rand, w flow.Way) {
	c := &r.Count[w]
	c.Packets = 1 + rng.Uint64N(1000)
	c.Octets = c.Packets * (40 + rng.Uint64N(1460))
	c.Layer2Octets = c.Octets + 14*c.Packets
	c.First = r.Start + rng.Int64N(1e9)*int64(w)
	c.Last = c.First + rng.Int64N(5e9)
	c.MinLen, c.MaxLen = 40, 1500
	c.MinTTL, c.MaxTTL, c.TClass = 50+uint8(w), 64, uint8(rng.IntN(256))
	if r.Has&flow.HasTCP != 0 {
		c.TCPFlags = uint16(rng.IntN(1 << 9))
	}
	if r.Has&(flow.HasICMP4|flow.HasICMP6) != 0 {
		c.ICMP = [2]uint16{8 << 8, 0}[w]
	}
	r.Has |= [2]flow.Has{flow.HasForward, flow.HasReverse}[w]
}

func total(r *flow.Record) {
	for w := range r.Count {
		c := &r.Count[w]
		c.TotalOctets, c.TotalPackets = c.Octets*uint64(r.Piece+1), c.Packets*uint64(r.Piece+1)
	}
}

func key(r *flow.Record, version, proto uint8, saved rules.Attr, has flow.Has) {
	r.Key.Version, r.Key.Proto = version, proto
	r.Key.Saved = saved
	r.Has |= has | flow.HasVersion | flow.HasProto | flow.HasIP
}

func ipv4(rng *rand.Rand) (e rules.End) {
	copy(e.Addr[10:], []byte{0xff, 0xff, 10})
	binary.BigEndian.PutUint16(e.Addr[14:], uint16(rng.Uint32()))
	e.AddrLen = 32
	return e
}

func ipv6(rng *rand.Rand) (e rules.End) {
	copy(e.Addr[:], []byte{0x20, 1, 0xd, 0xb8})
	binary.BigEndian.PutUint64(e.Addr[8:], rng.Uint64())
	e.AddrLen = 128
	return e
}

func ports(r *flow.Record, rng *rand.Rand) {
	r.Key.Src.Port, r.Key.Src.PortLen = uint16(1024+rng.IntN(60000)), 16
	r.Key.Dst.Port, r.Key.Dst.PortLen = uint16(1+rng.IntN(1023)), 16
	r.Has |= flow.HasSrcPort | flow.HasDstPort
}

func tcp4(r *flow.Record, rng *rand.Rand) {
	r.Key.Src, r.Key.Dst = ipv4(rng), ipv4(rng)
	ports(r, rng)
	key(r, 4, 6, rules.FiveTuple, flow.HasSrcV4|flow.HasDstV4|flow.HasTCP)
}

func udp6(r *flow.Record, rng *rand.Rand) {
	r.Key.Src, r.Key.Dst = ipv6(rng), ipv6(rng)
	ports(r, rng)
	key(r, 6, 17, rules.FiveTuple, flow.HasSrcV6|flow.HasDstV6|flow.HasFlowLabel)
	r.First.FlowLabel = rng.Uint32N(1 << 20)
	r.First.EtherType = 0x86dd
}

func icmp4(r *flow.Record, rng *rand.Rand) {
	r.Key.Src, r.Key.Dst = ipv4(rng), ipv4(rng)
	key(r, 4, 1, rules.FiveTuple&^(rules.SrcPort|rules.DstPort), flow.HasSrcV4|flow.HasDstV4|flow.HasICMP4)
}

func icmp6(r *flow.Record, rng *rand.Rand) {
	r.Key.Src, r.Key.Dst = ipv6(rng), ipv6(rng)
	key(r, 6, 58, rules.FiveTuple&^(rules.SrcPort|rules.DstPort), flow.HasSrcV6|flow.HasDstV6|flow.HasICMP6)
	r.First.EtherType = 0x86dd
}

// masked saves src.addr/24 and dst.addr/16.
func masked(r *flow.Record, rng *rand.Rand) {
	r.Key.Src, r.Key.Dst = ipv4(rng), ipv4(rng)
	r.Key.Src.Addr[15], r.Key.Src.AddrLen = 0, 24
	r.Key.Dst.Addr[14], r.Key.Dst.Addr[15], r.Key.Dst.AddrLen = 0, 0, 16
	key(r, 4, 0, rules.SrcAddr|rules.DstAddr|rules.Version, flow.HasSrcV4Prefix|flow.HasDstV4Prefix)
	r.Has &^= flow.HasProto
}

// kinds is tcp4 with what set: computed.
func kinds(r *flow.Record, rng *rand.Rand) {
	tcp4(r, rng)
	r.Key.Kind, r.Key.Src.Kind, r.Key.Dst.Class = 256, 257, 9
	r.Key.Saved |= rules.FlowKind | rules.SrcKind | rules.DstClass
	r.Has |= flow.HasKind | flow.HasSrcKind | flow.HasDstClass
}

// arp saves the MAC addresses of what is not IP.
func arp(r *flow.Record, _ *rand.Rand) {
	r.Key.Saved = rules.SrcMAC | rules.DstMAC | rules.EtherType
	r.First.EtherType = 0x0806
	r.Has &^= flow.HasClass
}
