package flow

import (
	"encoding/binary"
	"math/bits"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// fill writes what the table knows of an ended record into r.
func (t *Table) fill(r *Record, e *ending) {
	h, c := t.store.hotAt(e.rec), t.store.coldAt(e.rec)
	before := t.store.before(c)
	room := r.Measured
	*r = Record{
		RuleSet: t.cfg.RuleSet,
		Start:   c.flowStart, End: e.end, Piece: before.number, EndReason: e.reason(),
		Class: rules.Class(c.reason & 0xf), Evidence: rules.Evidence(c.reason >> 4),
	}
	t.keyInto(&r.Key, e.rec)
	fillCounters(&r.Count[Forward], h, c, &before, Forward)
	fillCounters(&r.Count[Reverse], h, c, &before, Reverse)
	r.Biflow = biflowDirections[r.Evidence]
	r.FlowID = flowID(&r.Key, r.Start)
	r.Has = HasEvidence | hasCounts(r)
	if t.fused {
		r.Has |= tupleHas[h.kind]
	} else {
		r.Has |= hasKey(&r.Key)
	}
	if r.Class != rules.NoClass {
		r.Has |= HasClass
	}
	if t.cfg.RuleSet.Selector != nil {
		r.Has |= HasSelector
	}
	r.Measured = t.fillMeasured(room, e.rec, h)
	r.Has |= r.Measured.has()
	r.fillFromKey()
	if t.whole {
		r.fillFromFirst(c)
		if c.link&linkIPv6 != 0 && r.Key.Version == 6 {
			r.First.FlowLabel = t.store.ipv6At(e.rec).flowLabel
			r.Has |= HasFlowLabel
		}
	}
}

func fillCounters(n *Counters, h *hot, c *cold, before *pieces, w Way) {
	n.Octets, n.Packets, n.Layer2Octets = h.octets[w], h.packets[w], h.layer2[w]
	n.TotalOctets = before.octets[w] + h.octets[w]
	n.TotalPackets = before.packets[w] + h.packets[w]
	n.ICMP, n.TClass = c.icmp[w], c.tclass[w]
	if n.Packets == 0 {
		return
	}
	n.First, n.Last = c.first[w], h.last[w]
	n.MinLen, n.MaxLen = h.minLen[w], h.maxLen[w]
	n.MinTTL, n.MaxTTL = h.minTTL[w], h.maxTTL[w]
	n.TCPFlags = h.flags[w]
}

// biflowDirections are the values of biflowDirection (IE 239, RFC 5103 §6.3).
var biflowDirections = [rules.NumEvidences]uint8{
	rules.EvidenceSYN: 1, rules.EvidenceSYNACK: 1, rules.EvidenceICMP: 1, rules.EvidenceFirst: 1,
	rules.EvidencePerimeter: 3,
}

// keyHas tells what a record has whose key holds an attribute.
var keyHas = [...]struct {
	attr rules.Attr
	has  Has
}{
	{rules.SrcPort, HasSrcPort}, {rules.DstPort, HasDstPort}, {rules.Proto, HasProto},
	{rules.Version, HasVersion | HasIP}, {rules.SrcMAC, HasSrcMAC}, {rules.DstMAC, HasDstMAC},
	{rules.EtherType, HasEtherType}, {rules.VLAN, HasVLAN}, {rules.VLAN2, HasVLAN2},
	{rules.MPLS, HasMPLS}, {rules.FlowLabel, HasFlowLabel}, {rules.Iface, HasIface},
	{rules.FlowClass, HasClass}, {rules.SrcClass, HasSrcClass}, {rules.DstClass, HasDstClass},
	{rules.FlowKind, HasKind}, {rules.SrcKind, HasSrcKind}, {rules.DstKind, HasDstKind},
	{rules.DSCP, HasDSCP}, {rules.VLANPrio, HasVLANPrio}, {rules.Fragment, HasFragment}, {rules.Length, HasLength},
	{rules.MSS, HasMSS}, {rules.WindowScale, HasWindowScale}, {rules.SACK, HasSACK}, {rules.Extensions, HasExtensions},
	{rules.Hour, HasHour}, {rules.Weekday, HasWeekday}, {rules.TunnelID, HasTunnelID},
}

// hasKey tells what a key holds.
func hasKey(k *rules.Key) (has Has) {
	for i := range keyHas {
		if k.Saved&keyHas[i].attr != 0 {
			has |= keyHas[i].has
		}
	}
	if k.Saved&rules.SrcAddr != 0 {
		has |= hasAddress(k.Version, k.Src.AddrLen)
	}
	if k.Saved&rules.DstAddr != 0 {
		has |= hasAddress(k.Version, k.Dst.AddrLen) << 1
	}
	return has
}

// tupleHas is hasKey of the keys of fused tables, by tuple.kind.
var tupleHas = func() (has [256]Has) {
	for _, u := range []tuple{{kind: 4}, {kind: 6}, {kind: 4 | kindPorts}, {kind: 6 | kindPorts}} {
		var k rules.Key
		u.keyInto(&k, false)
		has[u.kind] = hasKey(&k)
	}
	return has
}()

// hasAddress returns the source's bit; the destination's is the next.
func hasAddress(version, length uint8) Has {
	switch {
	case version == 4 && length == 32:
		return HasSrcV4
	case version == 4:
		return HasSrcV4Prefix
	case length == 128:
		return HasSrcV6
	}
	return HasSrcV6Prefix
}

// hasCounts tells what the counters hold.
func hasCounts(r *Record) (has Has) {
	f, v := &r.Count[Forward], &r.Count[Reverse]
	if f.Packets > 0 {
		has |= HasForward
	}
	if v.Packets > 0 {
		has |= HasReverse
	}
	if f.MaxTTL|v.MaxTTL != 0 {
		has |= HasIP
	}
	if (f.Octets|v.Octets|f.Packets|v.Packets)>>32 != 0 {
		has |= HasWide
	}
	if r.Key.Saved&rules.Proto == 0 {
		if f.TCPFlags|v.TCPFlags != 0 {
			has |= HasTCP
		}
		return has
	}
	switch r.Key.Proto {
	case packet.ProtoTCP:
		has |= HasTCP
	case packet.ProtoICMP:
		has |= HasICMP4
	case packet.ProtoICMPv6:
		has |= HasICMP6
	}
	return has
}

// fillFromKey copies link attributes that the rules saved to where the
// information model reads them.
func (r *Record) fillFromKey() {
	k := &r.Key
	r.First = FirstPacket{
		SrcMAC: k.Src.MAC, DstMAC: k.Dst.MAC, EtherType: k.EtherType,
		VLAN: k.VLAN | uint16(k.VLANPrio)<<13, VLAN2: k.VLAN2, MPLS: k.MPLS, FlowLabel: k.FlowLabel, Iface: k.Iface,
	}
}

// fillFromFirst takes link attributes from the flow's first packet where the
// rules did not save them.
func (r *Record) fillFromFirst(c *cold) {
	if c.link&linkMAC != 0 {
		r.First.SrcMAC, r.First.DstMAC = c.mac[0], c.mac[1]
		r.Has |= HasSrcMAC | HasDstMAC
	}
	if c.link&linkVLAN != 0 {
		r.First.VLAN = c.vlan[0]
		r.Has |= HasVLAN | HasVLANPrio
	}
	if c.link&linkVLAN2 != 0 {
		r.First.VLAN2 = c.vlan[1]
		r.Has |= HasVLAN2
	}
	if c.link&linkMPLS != 0 {
		r.First.MPLS = c.mpls
		r.Has |= HasMPLS
	}
	if c.iface != 0 {
		r.First.Iface = c.iface
		r.Has |= HasIface
	}
}

// flowID makes a number of a flow's key and start that is the same in every
// run: a hash without a seed.
func flowID(k *rules.Key, start int64) uint64 {
	x := mix(uint64(start), uint64(k.Saved))
	for _, e := range [...]*rules.End{&k.Src, &k.Dst} {
		x = mix(x^binary.BigEndian.Uint64(e.Addr[:8]), binary.BigEndian.Uint64(e.Addr[8:]))
		x = mix(x^uint64(e.Port)<<48^uint64(e.Class)<<32^uint64(e.Kind)<<16^uint64(e.AddrLen)<<8^uint64(e.PortLen),
			uint64(binary.BigEndian.Uint32(e.MAC[:4]))<<16|uint64(binary.BigEndian.Uint16(e.MAC[4:])))
	}
	x = mix(x^uint64(k.FlowLabel)<<32^uint64(k.MPLS), uint64(k.Iface))
	x = mix(x^uint64(k.Class)<<48^uint64(k.Kind)<<32^uint64(k.EtherType)<<16^uint64(k.ICMP),
		uint64(k.VLAN)<<16|uint64(k.VLAN2))
	x = mix(x^uint64(k.Proto)<<24^uint64(k.Version)<<16^uint64(k.TClass)<<8^uint64(k.TTL), 0)
	a := uint64(k.Length)<<32 | uint64(k.TCPFlags)<<16 | uint64(k.MSS)
	b := uint64(k.DSCP)<<56 | uint64(k.ECN)<<48 | uint64(k.VLANPrio)<<40 | uint64(k.Presence)<<32 |
		uint64(k.WindowScale)<<24 | uint64(k.Extensions)<<16 | uint64(k.Hour)<<8 | uint64(k.Weekday)
	if a|b != 0 { // not of most keys
		x = mix(x^a, b)
	}
	if k.TunnelID != 0 {
		x = mix(x^k.TunnelID, ^uint64(0))
	}
	return x
}

// mix folds the 128-bit product of its two arguments, each made odd in its own
// way by digits of pi.
func mix(a, b uint64) uint64 {
	h, l := bits.Mul64(a^0x243f6a8885a308d3, b^0x13198a2e03707344)
	return h ^ l
}
