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
