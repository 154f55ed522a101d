package packet

var ip4Tests = []decodeTest{
	{name: "ipv4 options", link: LinkRaw, data: cat(
		[]byte{0x46, 0xb8, 0x00, 0x24, 0x12, 0x34, 0x40, 0x00}, // header length 6, total length 36
		ip4Header(ProtoUDP, 0, 0)[8:],
		[]byte{0x94, 0x04, 0x00, 0x00}, // router alert
		udpBytes,
	), h: later(4, wantUDP4(0, Headers{}))},
	{name: "ipv4 options that the capture ends in", link: LinkRaw, wire: 36, want: Truncated,
		data: cat([]byte{0x46, 0xb8, 0x00, 0x24, 0x12, 0x34, 0x40, 0x00}, ip4Header(ProtoUDP, 0, 0)[8:], []byte{0x94, 0x04})},
	{name: "ipv4 options that the frame ends in", link: LinkRaw, want: Malformed,
		data: cat([]byte{0x46, 0xb8, 0x00, 0x24, 0x12, 0x34, 0x40, 0x00}, ip4Header(ProtoUDP, 0, 0)[8:], []byte{0x94, 0x04})},
	{name: "ipv4 header length below 5", link: LinkRaw, data: cat([]byte{0x44}, udp4[1:]), want: Malformed},
	{name: "ipv4 total length below the header's", link: LinkRaw, data: cat([]byte{0x45, 0, 0, 19}, udp4[4:]), want: Malformed},
	{name: "ipv4 total length below that with options", link: LinkRaw, data: cat([]byte{0x46, 0, 0, 20}, udp4[4:]), want: Malformed},
	{name: "ipv4 by EtherType, 6 by version", link: LinkEthernet, data: cat(etherOf4, udp6), want: Malformed, h: wantMAC(0x0800, Headers{})},
	{name: "ipv4 header cut", link: LinkRaw, data: udp4[:19], wire: 32, want: Truncated},
	{name: "ipv4 header short", link: LinkRaw, data: udp4[:19], want: Malformed},
	{name: "ipv4 alone", link: LinkRaw, data: ip4Packet(ProtoUDP), h: want4(Headers{Proto: ProtoUDP, TotalLen: 20, DontFragment: true})},
	{name: "ipv4 total length beyond the frame", link: LinkRaw, data: cat(ip4Header(ProtoUDP, 1000, 0), udpBytes),
		h: want4(Headers{Layers: HasPorts | HasUDP | HasPayload, Proto: ProtoUDP, TotalLen: 1000, SrcPort: 5353, DstPort: 53, PayloadOff: 28, PayloadLen: 4})},
	{name: "ipv4 total length 0, segmentation offload", link: LinkEthernet, wire: 70014, data: cat(etherOf4, ip4Header(ProtoTCP, 0, 0), tcpBytes),
		h: wantMAC(0x0800, want4(Headers{Layers: HasPorts | HasTCP | HasPayload, Proto: ProtoTCP, TotalLen: 70000, SrcPort: 49152, DstPort: 443,
			TCPFlags: AE | PSH | ACK, Window: 64240, Seq: 0x01020304, Ack: 0x05060708, PayloadOff: 54, PayloadLen: 69960}))},
	{name: "ipv4 first fragment", link: LinkRaw, data: cat(ip4Header(ProtoUDP, 32, 0x2000), udpBytes),
		h: want4(Headers{Layers: HasFragment | HasPorts | HasUDP | HasPayload, Proto: ProtoUDP, TotalLen: 32, MoreFragments: true,
			SrcPort: 5353, DstPort: 53, PayloadOff: 28, PayloadLen: 4})},
	{name: "ipv4 middle fragment", link: LinkRaw, data: cat(ip4Header(ProtoUDP, 32, 0x20b9), udpBytes),
		h: want4(Headers{Layers: HasFragment, Proto: ProtoUDP, TotalLen: 32, FragOffset: 185, MoreFragments: true})},
	{name: "ipv4 last fragment", link: LinkRaw, data: cat(ip4Header(ProtoUDP, 32, 0x00b9), udpBytes),
		h: want4(Headers{Layers: HasFragment, Proto: ProtoUDP, TotalLen: 32, FragOffset: 185})},
	{name: "ipv4 gre", link: LinkRaw, data: ip4Packet(47, []byte{0, 0, 8, 0}, udp4),
		h: want4(Headers{Layers: HasPayload, Proto: 47, TotalLen: 56, DontFragment: true, PayloadOff: 20, PayloadLen: 36})},
}

// later moves the payload on, and the total length with it.
func later(n uint32, h Headers) Headers {
	h.TotalLen += n
	h.PayloadOff += n
	return h
}

// udpBehind is a UDP packet behind extension headers, and wantBehind what is
// to be found in it.
func udpBehind(next byte, headers ...[]byte) []byte {
	return ip6Packet(next, cat(headers...), udpBytes)
}

func wantBehind(octets uint32, h Headers) Headers { return later(octets, wantUDP6(0, h)) }

// fragment6 is a fragment header.
func fragment6(next byte, word uint16) []byte {
	return []byte{next, 0, byte(word >> 8), byte(word & 255), 0xde, 0xad, 0xbe, 0xef}
}

var ip6Tests = []decodeTest{
	{name: "ipv6 chain", link: LinkRaw,
		data: udpBehind(nextHopByHop, extension(nextDestOptions, 0), extension(nextRouting, 1), extension(nextMobility, 2),
			extension(nextHIP, 0), extension(nextShim6, 0), extension(ProtoUDP, 0)),
		h: wantBehind(8*9, Headers{})},
	{name: "ipv6 ah counts in units of 4", link: LinkRaw, data: udpBehind(nextAH, []byte{ProtoUDP, 4}, make([]byte, 22)), h: wantBehind(24, Headers{})},
	{name: "ipv6 first fragment", link: LinkRaw, data: udpBehind(nextFragment, fragment6(ProtoUDP, 1)),
		h: wantBehind(8, Headers{Layers: HasFragment, FragID: 0xdeadbeef, MoreFragments: true})},
	{name: "ipv6 first fragment, more headers behind it", link: LinkRaw, data: udpBehind(nextFragment, fragment6(nextDestOptions, 1), extension(ProtoUDP, 0)),
		h: wantBehind(16, Headers{Layers: HasFragment, FragID: 0xdeadbeef, MoreFragments: true})},
	{name: "ipv6 later fragment", link: LinkRaw, data: udpBehind(nextFragment, fragment6(ProtoUDP, 185<<3)),
		h: want6(Headers{Layers: HasFragment, Proto: ProtoUDP, TotalLen: 60, FragID: 0xdeadbeef, FragOffset: 185})},
	{name: "ipv6 atomic fragment", link: LinkRaw, data: udpBehind(nextFragment, fragment6(ProtoUDP, 0)), h: wantBehind(8, Headers{})},
	{name: "ipv6 esp ends the chain", link: LinkRaw, data: ip6Packet(nextDestOptions, extension(50, 0), make([]byte, 16)),
		h: want6(Headers{Layers: HasPayload, Proto: 50, TotalLen: 64, PayloadOff: 48, PayloadLen: 16})},
	{name: "ipv6 no next header", link: LinkRaw, data: ip6Packet(nextNone, []byte{1, 2, 3}), h: want6(Headers{Proto: nextNone, TotalLen: 43})},
	{name: "ipv6 no next header and no payload, in a padded frame", link: LinkRaw, data: cat(ip6Packet(nextNone), make([]byte, 6)),
		h: want6(Headers{Proto: nextNone, TotalLen: 40})},
	{name: "ipv6 chain that the capture ends in", link: LinkRaw, wire: 68, data: udpBehind(nextHopByHop, extension(nextRouting, 0), extension(ProtoUDP, 0))[:55],
		h: want6(Headers{Layers: ShortTransport, Proto: nextRouting, TotalLen: 68})},
	{name: "ipv6 header that the capture ends in, its first 8 octets there", link: LinkRaw, wire: 68, data: udpBehind(nextHopByHop, extension(ProtoUDP, 1))[:48],
		h: want6(Headers{Layers: ShortTransport, Proto: ProtoUDP, TotalLen: 68})},
	{name: "ipv6 chain that the packet ends in", link: LinkRaw, data: cat(ip6Header(nextHopByHop, 8), extension(nextRouting, 0), extension(ProtoUDP, 0), udpBytes),
		h: want6(Headers{Proto: nextRouting, TotalLen: 48})},
	{name: "ipv6 header longer than the packet", link: LinkRaw, data: cat(ip6Header(nextHopByHop, 8), []byte{ProtoUDP, 9, 0, 0, 0, 0, 0, 0}, make([]byte, 90)),
		h: want6(Headers{Proto: ProtoUDP, TotalLen: 48})},
	{name: "ipv6 chain without an end", link: LinkRaw, data: ip6Packet(nextDestOptions, extensions(nextDestOptions, 20)),
		h: want6(Headers{Proto: nextDestOptions, TotalLen: 200})},
	{name: "ipv6 chain of as many headers as are read", link: LinkRaw, data: udpBehind(nextDestOptions, extensions(nextDestOptions, 15), extension(ProtoUDP, 0)),
		h: wantBehind(128, Headers{})},
	{name: "ipv6 jumbogram", link: LinkRaw, wire: 70000, data: cat(ip6Header(nextHopByHop, 0), []byte{
		ProtoUDP, 0, 0xc2, 4, 0x00, 0x01, 0x11, 0x48, // jumbo payload 69960
		0x14, 0xe9, 0x00, 0x35, 0x00, 0x00, 0x00, 0x00, // UDP, length 0
	}), h: want6(Headers{Layers: HasPorts | HasUDP | HasPayload, Proto: ProtoUDP, TotalLen: 70000, SrcPort: 5353, DstPort: 53, PayloadOff: 56, PayloadLen: 69944})},
	{name: "ipv6 of another version", link: LinkIPv6, data: cat([]byte{0x50}, udp6[1:]), want: Malformed},
	{name: "ipv6 header cut", link: LinkRaw, data: udp6[:39], wire: 52, want: Truncated},
	{name: "ipv6 header short", link: LinkRaw, data: udp6[:39], want: Malformed},
	{name: "ipv6 with padding behind", link: LinkRaw, data: cat(udp6, make([]byte, 9)), h: wantUDP6(0, Headers{})},
}

// extensions is n extension headers of 8 octets that each name the next.
func extensions(next byte, n int) []byte {
	var b []byte
	for range n {
		b = append(b, extension(next, 0)...)
	}
	return b
}
