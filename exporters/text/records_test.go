package text

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

func unnamed(uint16) string { return "" }

var ruleSet = &flow.RuleSet{Name: "default", Named: unnamed}

// start is the first packet of the first flow in these tests.
var start = time.Date(2026, 3, 1, 10, 20, 30, 123_456_789, time.UTC).UnixNano()

// conversation is a record of two TCP endpoints as the meter makes it.
func conversation(src, dst string) flow.Record {
	r := flow.Record{
		RuleSet: ruleSet, FlowID: 0xfeedfacecafe0001, Start: start,
		EndReason: flow.EndDetected, Class: rules.Out, Evidence: rules.EvidenceSYN, Biflow: 1,
		Has: flow.HasSrcPort | flow.HasDstPort | flow.HasProto | flow.HasVersion | flow.HasTCP | flow.HasIP |
			flow.HasSrcMAC | flow.HasDstMAC | flow.HasEtherType | flow.HasClass | flow.HasEvidence |
			flow.HasForward | flow.HasReverse,
	}
	r.Key.Saved, r.Key.Proto = rules.FiveTuple, 6
	from, to := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	r.Key.Src, r.Key.Dst = endOf(from), endOf(to)
	if from.Addr().Is4() {
		r.Has, r.Key.Version = r.Has|flow.HasSrcV4|flow.HasDstV4, 4
	} else {
		r.Has, r.Key.Version = r.Has|flow.HasSrcV6|flow.HasDstV6, 6
	}
	r.Count[flow.Forward] = flow.Counters{Octets: 5400, Packets: 12, TotalOctets: 5400, TotalPackets: 12, Layer2Octets: 5568,
		First: start, Last: start + 1_500_000_000, MinLen: 40, MaxLen: 1500, TCPFlags: 0x1b, MinTTL: 64, MaxTTL: 64}
	r.Count[flow.Reverse] = flow.Counters{Octets: 98_304, Packets: 80, TotalOctets: 98_304, TotalPackets: 80, Layer2Octets: 99_424,
		First: start + 20_000_000, Last: start + 1_520_000_000, MinLen: 40, MaxLen: 1500, TCPFlags: 0x1b, MinTTL: 57, MaxTTL: 58}
	return r
}

func endOf(a netip.AddrPort) rules.End {
	return rules.End{Addr: a.Addr().As16(), Port: a.Port(), AddrLen: uint8(a.Addr().BitLen()), PortLen: 16}
}

// measured are records some of which have distributions.
var measured = sample.Measured(1, 100)

// random is a record with random values in all that it says it has.
func random(rng *rand.Rand) flow.Record {
	names := []string{"", "web", `q"uo,te`, "Größe", "tab\tline\n", "a,b"}
	r := flow.Record{
		RuleSet: &flow.RuleSet{Name: names[1+rng.IntN(len(names)-1)], Index: rng.IntN(9),
			Named: func(n uint16) string { return names[int(n)%len(names)] }},
		Has: flow.Has(rng.Uint64()), FlowID: rng.Uint64(), Start: rng.Int64N(4e18), Piece: rng.Uint32(),
		EndReason: flow.EndReason(rng.IntN(flow.NumEndReasons)), Biflow: uint8(rng.IntN(4)),
		Class: rules.Class(rng.IntN(int(rules.NumClasses))), Evidence: rules.Evidence(rng.IntN(int(rules.NumEvidences))),
		First: flow.FirstPacket{EtherType: uint16(rng.Uint32()), VLAN: uint16(rng.Uint32()), VLAN2: uint16(rng.Uint32()),
			MPLS: rng.Uint32(), FlowLabel: rng.Uint32(), Iface: rng.Uint32(), SrcMAC: [6]byte{1, byte(rng.Uint32())}},
		Key: rules.Key{Saved: rules.Attr(rng.Uint32()), Src: randomEnd(rng), Dst: randomEnd(rng),
			Class: uint16(rng.Uint32()), Kind: uint16(rng.Uint32()), Proto: uint8(rng.Uint32()), Version: uint8(rng.Uint32())},
	}
	for w := range r.Count {
		r.Count[w] = randomCounters(rng)
	}
	m := measured[rng.IntN(len(measured))]
	set := *r.RuleSet
	set.Distributions = m.RuleSet.Distributions
	r.RuleSet, r.Measured, r.Has = &set, m.Measured, r.Has&^flow.HasMeasured|m.Has&flow.HasMeasured
	return r
}

func randomEnd(rng *rand.Rand) rules.End {
	e := rules.End{Port: uint16(rng.Uint32()), Class: uint16(rng.Uint32()), Kind: uint16(rng.Uint32()), AddrLen: uint8(rng.IntN(129))}
	for i := range e.Addr {
		e.Addr[i] = byte(rng.Uint32() & rng.Uint32())
	}
	return e
}

func randomCounters(rng *rand.Rand) flow.Counters {
	return flow.Counters{
		Octets: rng.Uint64(), Packets: rng.Uint64(), Layer2Octets: rng.Uint64(), TotalOctets: rng.Uint64(), TotalPackets: rng.Uint64(),
		First: rng.Int64N(4e18), Last: rng.Int64N(4e18), MinLen: rng.Uint32(), MaxLen: rng.Uint32(),
		TCPFlags: uint16(rng.Uint32()), ICMP: uint16(rng.Uint32()), MinTTL: 1, MaxTTL: 255, TClass: uint8(rng.Uint32()),
	}
}

func batch(recs ...flow.Record) *flow.Batch { return &flow.Batch{Records: recs} }
