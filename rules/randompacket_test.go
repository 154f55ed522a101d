package rules

import (
	"fmt"
	"net/netip"

	"flowmeter/meter/packet"
)

var (
	poolAddr4  = []string{"10.1.2.3", "10.1.2.4", "10.9.0.1", "192.168.4.7", "8.8.8.8", "1.1.1.1", "224.0.0.1", "255.255.255.255", "169.254.3.3"}
	poolAddr6  = []string{"fd00::1", "fd00::2", "2001:db8::1", "2001:db8:1::1", "fe80::5", "ff02::1", "::ffff:10.1.2.3", "::1"}
	poolNet4   = []string{"10.0.0.0/8", "10.1.2.0/24", "0.0.0.0/0", "8.8.8.8/32", "10.1.2.4/31", "192.168.5.0/22"}
	poolNet6   = []string{"fd00::/8", "::/0", "2001:db8::/32", "2001:db8::/48", "::ffff:0:0/96"}
	poolPort   = []uint16{0, 22, 53, 80, 443, 1024, 8080, 40000, 65535}
	poolProto  = []uint8{1, 6, 17, 33, 50, 58, 132, 136}
	poolMAC    = []string{"00:1b:21:00:00:01", "00:1b:21:00:00:02", "ff:ff:ff:ff:ff:ff"}
	poolNumber = []uint64{0, 1, 4, 6, 8, 40, 60, 64, 100, 128, 129, 1500, 2048, 2054, 4000}
)

// packet makes a packet, sometimes with rubbish where its layers say nothing.
func (m *maker) packet() *packet.Headers {
	h := &packet.Headers{WireLen: uint32(m.number()), CapLen: uint32(m.number()), Iface: uint32(m.IntN(3)),
		EtherType: pick(m, uint16(0x800), 0x806, 0x86dd), MPLSLabel: uint32(m.number()), Proto: pick(m, poolProto...),
		TClass: uint8(m.number()), TTL: uint8(m.number()), TotalLen: uint32(m.number()), FlowLabel: uint32(m.number()),
		FragID: uint32(m.number()), FragOffset: uint16(m.IntN(3)), MoreFragments: m.IntN(2) == 0, DontFragment: m.IntN(2) == 0,
		SrcPort: pick(m, poolPort...), DstPort: pick(m, poolPort...), TCPFlags: uint16(m.IntN(1 << 13)),
		Window: uint16(m.number()), Seq: uint32(m.number()), Ack: uint32(m.number()),
		ICMPType: pick[uint8](m, 0, 3, 8, 14, 128, 129), ICMPCode: uint8(m.IntN(3)), ARPOp: uint16(m.IntN(4)), PayloadLen: uint32(m.number())}
	h.MPLSOff, h.NetworkOff, h.TransportOff = labelsAt, networkAt, transportAt
	h.Time = int64(m.IntN(40*86400)) * 1e9 / 3
	h.VLAN[0].TCI, h.VLAN[1].TCI = uint16(m.number())|uint16(m.IntN(8))<<13, uint16(m.number())
	h.VLAN[0].TPID = pick(m, uint16(0x8100), 2048)
	m.mac(&h.SrcMAC)
	m.mac(&h.DstMAC)
	m.layers(h)
	pool := poolAddr4
	if h.Layers&packet.HasIPv6 != 0 {
		pool = poolAddr6
	}
	h.Src, h.Dst = netip.MustParseAddr(pick(m, pool...)).As16(), netip.MustParseAddr(pick(m, pool...)).As16()
	return h
}

func (m *maker) number() uint64 { return pick(m, poolNumber...) }

func (m *maker) mac(to *[6]byte) {
	fmt.Sscanf(pick(m, poolMAC...), "%x:%x:%x:%x:%x:%x", &to[0], &to[1], &to[2], &to[3], &to[4], &to[5])
}

// layers chooses which layers a packet has; they agree with each other.
func (m *maker) layers(h *packet.Headers) {
	some := func(of packet.Layer) {
		if m.IntN(2) == 0 {
			h.Layers |= of
		}
	}
	some(packet.HasMAC)
	some(packet.HasEtherType)
	some(packet.HasVLAN)
	if h.Layers&packet.HasVLAN != 0 {
		some(packet.HasVLAN2)
	}
	some(packet.HasMPLS)
	if m.IntN(8) == 0 {
		if m.IntN(2) == 0 {
			h.EtherType, h.Layers, h.Version = 0x806, h.Layers|packet.HasEtherType|packet.HasARP, 4
		}
		return
	}
	h.Version, h.Layers = 4, h.Layers|packet.HasIPv4
	if m.IntN(2) == 0 {
		h.Version, h.Layers = 6, h.Layers&^packet.HasIPv4|packet.HasIPv6
	}
	some(packet.HasFragment)
	m.transport(h)
}

var transports = map[uint8]packet.Layer{
	packet.ProtoTCP: packet.HasPorts | packet.HasTCP, packet.ProtoUDP: packet.HasPorts | packet.HasUDP,
	packet.ProtoUDPLite: packet.HasPorts | packet.HasUDP, packet.ProtoSCTP: packet.HasPorts | packet.HasSCTP,
	packet.ProtoDCCP: packet.HasPorts | packet.HasDCCP, packet.ProtoICMP: packet.HasICMP, packet.ProtoICMPv6: packet.HasICMPv6,
}

func (m *maker) transport(h *packet.Headers) {
	switch m.IntN(6) {
	case 0: // not captured, or a later fragment
	case 1: // the ports alone were captured
		h.Layers |= transports[h.Proto] & packet.HasPorts
	default:
		h.Layers |= transports[h.Proto] | packet.HasPayload
	}
}
