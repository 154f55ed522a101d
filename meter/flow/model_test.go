package flow

import (
	"cmp"
	"slices"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// model is a flow table that is slow and obvious: a map by whole keys, no
// wheel, no cache, every flow looked at for every packet. Table must release
// the same records in the same order.
type model struct {
	cfg   Config
	flows map[rules.Key]*modelFlow // by the key as seen from the flow's source
	ended []Record
	clock int64
	sum   Counts
	hits  map[[2]uint16]Hit
}

type modelFlow struct {
	rec        Record // of the piece, counters and Start filled as packets come
	seen       int64  // trace clock at the last packet
	pieceStart int64  // trace clock at the piece's first packet
	fin        [2]bool
	over       bool // RST, or FIN both ways
	sawIP      bool
	merged     bool // several conversations may have its key, though it looks whole

	measures rules.Quantities
	packets  []seenPacket
	from     int // of packets, where the piece begins
}

func newModel(cfg Config) *model {
	return &model{cfg: cfg, flows: map[rules.Key]*modelFlow{}, hits: map[[2]uint16]Hit{}}
}

// packet meters one packet at the given trace clock.
func (m *model) packet(h *packet.Headers, clock int64) {
	m.expire(clock)
	var match rules.Match
	m.cfg.Program.Match(h, nil, &match)
	octets := uint64(h.WireLen)
	if h.Layers&packet.HasIP != 0 {
		octets = uint64(h.TotalLen)
	}
	rule := [2]uint16{match.Turned, match.Rule}
	hit := m.hits[rule]
	m.hits[rule] = Hit{match.Rule, match.Turned, hit.Packets + 1, hit.Octets + octets}
	m.sum.Verdicts[match.Verdict]++
	m.sum.VerdictOctets[match.Verdict] += octets
	if match.Verdict != rules.Counted {
		return
	}
	m.sum.Traffic[match.Class]++
	m.sum.TrafficOctets[match.Class] += octets
	f, way := m.find(h, &match, clock)
	f.count(h, way, octets, clock)
}

// find is the table of RFC 2722 §4.3. The match's key is seen from its source;
// the packet goes from there unless it was matched the other way round.
func (m *model) find(h *packet.Headers, match *rules.Match, clock int64) (*modelFlow, Way) {
	key, swapped := match.Key, match.Key.Swap()
	way, back := Forward, Reverse
	if match.Swapped {
		way, back = Reverse, Forward
	}
	if key == swapped {
		way = Forward
	}
	syn := h.Layers&packet.HasTCP != 0 && h.TCPFlags&packet.SYN != 0 && h.TCPFlags&packet.ACK == 0
	for k, w := range map[rules.Key]Way{swapped: back, key: way} {
		f := m.flows[k]
		if f == nil || k == key && w != way {
			continue
		}
		if !f.over || !syn {
			return f, w
		}
		m.end(k, clock, EndDetected)
	}
	if len(m.flows) >= m.cfg.MaxFlows {
		m.evict(clock)
	}
	return m.create(h, match, clock), way
}

func (m *model) create(h *packet.Headers, match *rules.Match, clock int64) *modelFlow {
	m.sum.Created++
	f := &modelFlow{seen: clock, measures: match.Measures, merged: match.Foreign&rules.FiveTuple != 0}
	m.flows[match.Key] = f
	class, srcMAC, dstMAC := match.Class, h.SrcMAC, h.DstMAC
	if match.Swapped {
		class, srcMAC, dstMAC = class.Reverse(), dstMAC, srcMAC
	}
	k := &match.Key
	f.rec = Record{RuleSet: m.cfg.RuleSet, Key: *k, Start: h.Time, Class: class, Evidence: match.Evidence}
	switch match.Evidence {
	case rules.EvidenceSYN, rules.EvidenceSYNACK, rules.EvidenceICMP, rules.EvidenceFirst:
		f.rec.Biflow = 1
	case rules.EvidencePerimeter:
		f.rec.Biflow = 3
	}
	f.rec.First = FirstPacket{k.Src.MAC, k.Dst.MAC, k.EtherType, k.VLAN + 8192*uint16(k.VLANPrio), k.VLAN2, k.MPLS, k.FlowLabel, k.Iface}
	f.rec.Has = HasEvidence | modelKeyHas(k)
	if class != rules.NoClass {
		f.rec.Has |= HasClass
	}
	if !m.cfg.Program.Conversational() {
		return f
	}
	if h.Layers&packet.HasMAC != 0 {
		f.rec.First.SrcMAC, f.rec.First.DstMAC = srcMAC, dstMAC
		f.rec.Has |= HasSrcMAC | HasDstMAC
	}
	if h.Layers&packet.HasVLAN != 0 {
		f.rec.First.VLAN = h.VLAN[0].TCI
		f.rec.Has |= HasVLAN | HasVLANPrio
	}
	if h.Iface != 0 {
		f.rec.First.Iface = h.Iface
		f.rec.Has |= HasIface
	}
	if h.Layers&packet.HasIPv6 != 0 {
		f.rec.First.FlowLabel = h.FlowLabel
		f.rec.Has |= HasFlowLabel
	}
	return f
}

// modelKeyHas spells out which fields a saved key gives.
func modelKeyHas(k *rules.Key) (has Has) {
	put := func(saved rules.Attr, what Has) {
		if k.Saved&saved != 0 {
			has |= what
		}
	}
	address := func(saved rules.Attr, length uint8, v4, v6, v4Prefix, v6Prefix Has) {
		switch {
		case k.Version == 4 && length == 32:
			put(saved, v4)
		case k.Version == 4:
			put(saved, v4Prefix)
		case length == 128:
			put(saved, v6)
		default:
			put(saved, v6Prefix)
		}
	}
	address(rules.SrcAddr, k.Src.AddrLen, HasSrcV4, HasSrcV6, HasSrcV4Prefix, HasSrcV6Prefix)
	address(rules.DstAddr, k.Dst.AddrLen, HasDstV4, HasDstV6, HasDstV4Prefix, HasDstV6Prefix)
	put(rules.SrcPort, HasSrcPort)
	put(rules.DstPort, HasDstPort)
	put(rules.Proto, HasProto)
	put(rules.Version, HasVersion|HasIP)
	put(rules.SrcMAC, HasSrcMAC)
	put(rules.DstMAC, HasDstMAC)
	put(rules.VLAN, HasVLAN)
	put(rules.EtherType, HasEtherType)
	put(rules.DSCP, HasDSCP)
	put(rules.VLANPrio, HasVLANPrio)
	put(rules.Fragment, HasFragment)
	put(rules.Length, HasLength)
	put(rules.MSS, HasMSS)
	put(rules.WindowScale, HasWindowScale)
	put(rules.SACK, HasSACK)
	put(rules.Extensions, HasExtensions)
	put(rules.Hour, HasHour)
	put(rules.Weekday, HasWeekday)
	put(rules.TunnelID, HasTunnelID)
	put(rules.FlowKind, HasKind)
	put(rules.SrcKind, HasSrcKind)
	put(rules.DstKind, HasDstKind)
	put(rules.FlowClass, HasClass)
	if k.Saved&rules.Proto != 0 {
		has |= map[uint8]Has{6: HasTCP, 1: HasICMP4, 58: HasICMP6}[k.Proto]
	}
	return has
}

// count adds a packet to the current piece.
func (f *modelFlow) count(h *packet.Headers, way Way, octets uint64, clock int64) {
	if f.rec.Count[0].Packets+f.rec.Count[1].Packets == 0 {
		f.pieceStart = clock
	}
	f.seen = clock
	f.packets = append(f.packets, seenPacket{h.Time, way, octets})
	n := &f.rec.Count[way]
	if n.TotalPackets == 0 {
		n.TClass, n.ICMP = 0, 0
		if h.Layers&packet.HasIP != 0 {
			n.TClass = h.TClass
		}
		if h.Layers&(packet.HasICMP|packet.HasICMPv6) != 0 {
			n.ICMP = uint16(h.ICMPType)<<8 | uint16(h.ICMPCode)
		}
	}
	if n.Packets == 0 {
		n.First, n.Last = h.Time, h.Time
		n.MinLen, n.MaxLen, n.MinTTL, n.MaxTTL = 1<<32-1, 0, 255, 0
	}
	n.Packets++
	n.TotalPackets++
	n.Octets += octets
	n.TotalOctets += octets
	n.Layer2Octets += uint64(h.WireLen)
	n.Last = max(n.Last, h.Time)
	n.MinLen, n.MaxLen = min(n.MinLen, uint32(octets)), max(n.MaxLen, uint32(octets))
	if h.Layers&packet.HasIP != 0 {
		f.sawIP = f.sawIP || h.TTL != 0
		n.MinTTL, n.MaxTTL = min(n.MinTTL, h.TTL), max(n.MaxTTL, h.TTL)
	}
	if h.Layers&packet.HasTCP == 0 {
		return
	}
	n.TCPFlags |= h.TCPFlags
	if f.wholeTCP() {
		f.fin[way] = f.fin[way] || h.TCPFlags&packet.FIN != 0
		f.over = f.over || f.fin[0] && f.fin[1] || h.TCPFlags&packet.RST != 0
	}
}

func (f *modelFlow) wholeTCP() bool {
	k, width := &f.rec.Key, uint8(32)
	if k.Version == 6 {
		width = 128
	}
	return !f.merged && k.Saved&rules.FiveTuple == rules.FiveTuple && k.Proto == packet.ProtoTCP &&
		k.Src.AddrLen == width && k.Dst.AddrLen == width && k.Src.PortLen == 16 && k.Dst.PortLen == 16
}

// expire ends what has ended by the given clock.
func (m *model) expire(clock int64) {
	m.clock = clock
	for key, f := range m.flows {
		end, reason := f.seen+int64(m.cfg.Idle), EndIdle
		if linger := f.seen + int64(m.cfg.TCPLinger); f.over && linger < end {
			end, reason = linger, EndDetected
		}
		if cut := f.pieceStart + int64(m.cfg.Active); f.hasPackets() && cut < end && cut <= clock {
			m.release(f, cut, EndActive)
		}
		if end <= clock {
			m.end(key, end, reason)
		}
	}
}

func (f *modelFlow) hasPackets() bool { return f.rec.Count[0].Packets+f.rec.Count[1].Packets > 0 }

func (m *model) end(key rules.Key, at int64, reason EndReason) {
	f := m.flows[key]
	delete(m.flows, key)
	if f.hasPackets() {
		m.release(f, at, reason)
	}
}

// release makes the record of a piece and begins the next one.
func (m *model) release(f *modelFlow, at int64, reason EndReason) {
	r := f.rec
	r.End, r.EndReason = at, reason
	r.FlowID = flowID(&r.Key, r.Start)
	for way, has := range [2]Has{HasForward, HasReverse} {
		n := &r.Count[way]
		if n.Packets > 0 {
			r.Has |= has
		}
		if n.TCPFlags != 0 && r.Key.Saved&rules.Proto == 0 {
			r.Has |= HasTCP
		}
		if n.MaxTTL != 0 {
			r.Has |= HasIP
		}
		f.rec.Count[way] = Counters{TotalOctets: n.TotalOctets, TotalPackets: n.TotalPackets, ICMP: n.ICMP, TClass: n.TClass}
		m.sum.Released += n.Packets
		m.sum.ReleasedOctets += n.Octets
	}
	if f.measures != 0 {
		r.Measured = modelMeasured(m.cfg.Program.Distributions(), f.measures, f.packets, f.from)
		for q := range rules.NumQuantities {
			if f.measures.Has(q) {
				r.Has |= []Has{HasPacketSize, HasInterArrival, HasTurnaround, HasBitRate, HasPacketRate}[q]
			}
		}
	}
	f.from = len(f.packets)
	f.rec.Piece++
	m.sum.Ended[reason]++
	m.ended = append(m.ended, r)
}

// evict ends the flow least recently seen, of several the first by key.
func (m *model) evict(clock int64) {
	var victim rules.Key
	var oldest *modelFlow
	for key, f := range m.flows {
		older := oldest == nil || f.seen < oldest.seen
		if !older && f.seen == oldest.seen {
			older = CompareRecords(&Record{RuleSet: m.cfg.RuleSet, Key: key}, &Record{RuleSet: m.cfg.RuleSet, Key: victim}) < 0
		}
		if older {
			victim, oldest = key, f
		}
	}
	m.end(victim, clock, EndResources)
}

// flush ends all flows and returns all records since the last flush in order.
func (m *model) flush(clock int64) []Record {
	m.expire(clock)
	for key, f := range m.flows {
		reason := EndForced
		if f.over {
			reason = EndDetected
		}
		m.end(key, clock, reason)
	}
	all := m.ended
	m.ended = nil
	slices.SortStableFunc(all, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.End, b.End), CompareRecords(&a, &b))
	})
	return all
}
