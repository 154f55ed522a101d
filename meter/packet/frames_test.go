package packet

import "slices"

// Frames for the tests, put together from the layers that follow. Addresses
// are of the documentation ranges.

var (
	macs = []byte{
		0x02, 0x00, 0x00, 0x00, 0x00, 0xbb, // destination
		0x02, 0x00, 0x00, 0x00, 0x00, 0xaa, // source
	}
	etherOf4 = cat(macs, []byte{0x08, 0x00})
	etherOf6 = cat(macs, []byte{0x86, 0xdd})

	tcpBytes = []byte{
		0xc0, 0x00, // source port 49152
		0x01, 0xbb, // destination port 443
		0x01, 0x02, 0x03, 0x04, // sequence
		0x05, 0x06, 0x07, 0x08, // acknowledgement
		0x51, 0x18, // data offset 5, AE, PSH, ACK
		0xfa, 0xf0, // window 64240
		0x00, 0x00, // checksum
		0x00, 0x00, // urgent pointer
	}
	udpBytes = []byte{
		0x14, 0xe9, // source port 5353
		0x00, 0x35, // destination port 53
		0x00, 0x0c, // length 12
		0x00, 0x00, // checksum
		'a', 'b', 'c', 'd',
	}
)

// ip4Header is an IPv4 header without options; frag is the word of flags and offset.
func ip4Header(proto byte, total, frag uint16) []byte {
	return []byte{
		0x45,                                // version 4, header length 5
		0xb8,                                // DSCP EF
		byte(total >> 8), byte(total & 255), // total length
		0x12, 0x34, // identification
		byte(frag >> 8), byte(frag & 255), // flags, fragment offset
		64,         // time to live
		proto,      // protocol
		0x00, 0x00, // checksum
		192, 0, 2, 1, // source
		198, 51, 100, 2, // destination
	}
}

// ip6Header is the fixed IPv6 header; length is that of the payload.
func ip6Header(next byte, length uint16) []byte {
	return []byte{
		0x6b, 0x8a, 0xbc, 0xde, // version 6, traffic class 0xb8, flow label 0xabcde
		byte(length >> 8), byte(length & 255), // payload length
		next, // next header
		63,   // hop limit
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	}
}

// ip4Packet is an IPv4 packet whose total length fits.
func ip4Packet(proto byte, payload ...[]byte) []byte {
	p := cat(payload...)
	return cat(ip4Header(proto, uint16(minIPv4+len(p)), 0x4000), p)
}

// ip6Packet is an IPv6 packet whose payload length fits.
func ip6Packet(next byte, payload ...[]byte) []byte {
	p := cat(payload...)
	return cat(ip6Header(next, uint16(len(p))), p)
}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// want4 and want6 fill in what ip4Header and ip6Header state.

func want4(h Headers) Headers {
	h.Layers |= HasIPv4
	h.Version, h.TClass, h.TTL = 4, 0xb8, 64
	h.FragID = 0x1234
	h.Src = [16]byte{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1}
	h.Dst = [16]byte{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 2}
	return h
}

func want6(h Headers) Headers {
	h.Layers |= HasIPv6
	h.Version, h.TClass, h.TTL, h.FlowLabel = 6, 0xb8, 63, 0xabcde
	h.Src = [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 1}
	h.Dst = [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8, 15: 2}
	return h
}

// udp4 is a whole IPv4 UDP packet, and wantUDP4 what is to be found in it when
// it begins at off.
var udp4 = ip4Packet(ProtoUDP, udpBytes)

func wantUDP4(off uint32, h Headers) Headers {
	h.Layers |= HasPorts | HasUDP | HasPayload
	h.Proto, h.TotalLen, h.DontFragment = ProtoUDP, 32, true
	h.SrcPort, h.DstPort = 5353, 53
	h.PayloadOff, h.PayloadLen = off+minIPv4+udpLen, 4
	return want4(h)
}

// udp6 and wantUDP6 are the same for IPv6.
var udp6 = ip6Packet(ProtoUDP, udpBytes)

func wantUDP6(off uint32, h Headers) Headers {
	h.Layers |= HasPorts | HasUDP | HasPayload
	h.Proto, h.TotalLen = ProtoUDP, 52
	h.SrcPort, h.DstPort = 5353, 53
	h.PayloadOff, h.PayloadLen = off+minIPv6+udpLen, 4
	return want6(h)
}

// wantMAC adds the addresses of macs and an EtherType.
func wantMAC(typ uint16, h Headers) Headers {
	h.Layers |= HasMAC | HasEtherType
	h.DstMAC = [6]byte{0x02, 0, 0, 0, 0, 0xbb}
	h.SrcMAC = [6]byte{0x02, 0, 0, 0, 0, 0xaa}
	h.EtherType = typ
	return h
}
