package flow

import (
	"encoding/binary"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

func putAddress(dst *[16]byte, a words) {
	binary.BigEndian.PutUint64(dst[:8], a.hi)
	binary.BigEndian.PutUint64(dst[8:], a.lo)
}

// create begins a flow of a fused table, for a packet that is not in one.
func (t *Table) create(p *Packet, m *rules.Match, high bool) int32 {
	rec := t.begin(p, m, high)
	h := t.store.hotAt(rec)
	h.port = [2]uint16{p.tuple.loPort, p.tuple.hiPort}
	h.proto, h.kind = p.tuple.proto, p.tuple.kind
	if p.Version == 4 {
		h.addr = [2]uint32{uint32(p.tuple.loAddr.lo), uint32(p.tuple.hiAddr.lo)}
	} else {
		t.store.ipv6At(rec).ends = [2]words{p.tuple.loAddr, p.tuple.hiAddr}
	}
	if p.Proto == packet.ProtoTCP && p.tuple.kind&kindPorts != 0 {
		h.state |= tcpEnds
	}
	low := m.Class
	if p.dir == 1 {
		low = low.Reverse()
	}
	h.answers = uint8(low-rules.In) << classShift
	t.index.insert(p.hash, rec)
	return rec
}

// createKeyed begins a flow of any other table.
func (t *Table) createKeyed(p *Packet, m *rules.Match, key *rules.Key, hash uint32, high bool) int32 {
	rec := t.begin(p, m, high)
	*t.store.keyAt(rec) = *key
	if key.Proto == packet.ProtoTCP && wholeTuple(key) && m.Foreign&rules.FiveTuple == 0 {
		t.store.hotAt(rec).state |= tcpEnds
	}
	t.index.insert(hash, rec)
	return rec
}

// wholeTuple tells whether a key holds both addresses, both ports and the
// protocol, unmasked, so that a FIN or RST speaks for the whole flow.
func wholeTuple(k *rules.Key) bool {
	length := uint8(32)
	if k.Version == 6 {
		length = 128
	}
	return k.Saved&rules.FiveTuple == rules.FiveTuple &&
		k.Src.AddrLen == length && k.Dst.AddrLen == length &&
		k.Src.PortLen == 16 && k.Dst.PortLen == 16
}

// overloaded tells whether the table is full and making room would not help:
// as many records as it may hold wait for the clock to move on, which a trace
// without times never does.
func (t *Table) overloaded() bool {
	return t.Counts.Live >= uint64(t.cfg.MaxFlows) && len(t.ended) >= max(t.cfg.MaxFlows, leastWaiting)
}

// leastWaiting is how many ended records may wait however small the table is.
const leastWaiting = 1 << 16

// begin takes a record for a new flow and writes what does not depend on the
// kind of key. At the cap it makes room first.
func (t *Table) begin(p *Packet, m *rules.Match, high bool) int32 {
	if t.Counts.Live >= uint64(t.cfg.MaxFlows) {
		t.evict(p.Clock)
	}
	rec := t.store.alloc()
	t.prefetchFree()
	h, c := t.store.hotAt(rec), t.store.coldAt(rec)
	*h = hot{seen: p.Clock, start: p.Clock, state: live, serial: h.serial}
	if high {
		h.state |= sourceHigh
	}
	*c = cold{flowStart: p.Time}
	class := m.Class
	if m.Swapped {
		class = class.Reverse()
	}
	c.reason = uint8(m.Evidence)<<4 | uint8(class)
	c.setLink(&p.Headers, m.Swapped)
	if c.link&linkIPv6 != 0 {
		t.store.ipv6At(rec).flowLabel = p.FlowLabel
	}
	if m.Measures != 0 {
		t.startMeasuring(rec, h, m.Measures)
	}
	t.Counts.Live++
	t.Counts.Created++
	h.armed = t.wheel.add(t.wheel.slotOf(p.Clock+min(t.idle, t.active)), rec, h.serial)
	t.noteNew(rec, p.Clock)
	return rec
}

// setLink keeps the link fields of a flow's first packet, seen from the
// flow's source.
func (c *cold) setLink(h *packet.Headers, swapped bool) {
	c.link = linkBitsOf(h.Layers)
	c.iface = h.Iface
	if c.link&linkMAC != 0 {
		c.mac = [2][6]byte{h.SrcMAC, h.DstMAC}
		if swapped {
			c.mac[0], c.mac[1] = c.mac[1], c.mac[0]
		}
	}
	if c.link&linkVLAN != 0 {
		c.vlan[0] = h.VLAN[0].TCI
	}
	if c.link&linkVLAN2 != 0 {
		c.vlan[1] = h.VLAN[1].TCI
	}
	if c.link&linkMPLS != 0 {
		c.mpls = h.MPLSLabel
	}
}

// count adds a packet to the flow whose record rec and h are.
func (t *Table) count(rec int32, h *hot, p *Packet, way Way, class rules.Class) {
	octets := p.octets()
	if h.packets[way] == 0 {
		t.firstOfWay(rec, h, p, way)
	} else {
		h.last[way] = max(h.last[way], p.Time)
		h.minLen[way] = min(h.minLen[way], octets)
		h.maxLen[way] = max(h.maxLen[way], octets)
	}
	h.packets[way]++
	h.octets[way] += uint64(octets)
	h.layer2[way] += uint64(p.WireLen)
	h.seen = p.Clock
	if p.Layers&packet.HasIP != 0 {
		h.minTTL[way] = min(h.minTTL[way], p.TTL)
		h.maxTTL[way] = max(h.maxTTL[way], p.TTL)
	}
	if p.isTCP() {
		t.countTCP(rec, h, p, way)
	}
	if h.state&measures != 0 {
		t.measure(rec, p, way, octets)
	}
	p.Counted = true
	t.Counts.Verdicts[rules.Counted]++
	t.Counts.VerdictOctets[rules.Counted] += uint64(octets)
	t.Counts.Traffic[class]++
	t.Counts.TrafficOctets[class] += uint64(octets)
}

// firstOfWay counts the first packet of a direction within a piece.
func (t *Table) firstOfWay(rec int32, h *hot, p *Packet, way Way) {
	c := t.store.coldAt(rec)
	if h.packets[0]+h.packets[1] == 0 { // the piece begins
		h.start = p.Clock
		t.arm(rec, h, h.start+t.active)
	}
	c.first[way] = p.Time
	h.last[way] = p.Time
	octets := p.octets()
	h.minLen[way], h.maxLen[way] = octets, octets
	h.minTTL[way], h.maxTTL[way] = 0xff, 0
	if h.state&pieced != 0 && t.store.earlier.at(c.earlier - 1).packets[way] != 0 {
		return
	}
	if p.Layers&packet.HasIP != 0 {
		c.tclass[way] = p.TClass
	}
	if p.Layers&(packet.HasICMP|packet.HasICMPv6) != 0 {
		c.icmp[way] = uint16(p.ICMPType)<<8 | uint16(p.ICMPCode)
	}
}

// countTCP gathers flags and tells the end of a connection: RST, or FIN both
// ways. The flow then lingers for what still comes.
func (t *Table) countTCP(rec int32, h *hot, p *Packet, way Way) {
	h.flags[way] |= p.TCPFlags
	if h.state&tcpEnds == 0 || p.TCPFlags&(packet.FIN|packet.RST) == 0 {
		return
	}
	if p.TCPFlags&packet.FIN != 0 {
		h.state |= finForward << way
	}
	const bothFins = finForward | finReverse
	if p.TCPFlags&packet.RST != 0 || h.state&bothFins == bothFins {
		h.state |= lingering
		t.arm(rec, h, p.Clock+t.linger)
	}
}

// arm sees to it that the wheel looks at a flow no later than the given time.
func (t *Table) arm(rec int32, h *hot, due int64) {
	slot := t.wheel.slotOf(due)
	if int32(uint32(slot)-h.armed) < 0 {
		h.armed = t.wheel.add(slot, rec, h.serial)
	}
}
