package packet

// over4 is an IPv4 packet of a protocol, wantOver4 what is to be found in it
// besides.
func over4(proto byte, b ...byte) []byte { return ip4Packet(proto, b) }

func wantOver4(proto uint8, size uint32, h Headers) Headers {
	h.Proto, h.TotalLen, h.DontFragment = proto, minIPv4+size, true
	return want4(h)
}

func wantTCP4(size uint32, h Headers) Headers {
	h.Layers |= HasPorts | HasTCP
	h.SrcPort, h.DstPort = 49152, 443
	h.TCPFlags, h.Window, h.Seq, h.Ack = AE|PSH|ACK, 64240, 0x01020304, 0x05060708
	return wantOver4(ProtoTCP, size, h)
}

// tcpOffset is tcpBytes with another data offset.
func tcpOffset(words byte) []byte {
	b := cat(tcpBytes)
	b[12] = words<<4 | b[12]&0x0f
	return b
}

// udpLength is udpBytes with another length.
func udpLength(n byte) []byte {
	b := cat(udpBytes)
	b[5] = n
	return b
}

// dccpBytes is a DCCP generic header with a data offset and its X bit.
func dccpBytes(words, x byte) []byte {
	return []byte{0x14, 0xe9, 0x00, 0x35, words, 0, 0, 0, x, 0, 0, 1, 0, 0, 0, 2}
}

var transportTests = []decodeTest{
	{name: "tcp", link: LinkRaw, data: over4(ProtoTCP, cat(tcpBytes, []byte("GET"))...), h: wantTCP4(23, Headers{Layers: HasPayload, PayloadOff: 40, PayloadLen: 3})},
	{name: "tcp options", link: LinkRaw, data: over4(ProtoTCP, cat(tcpOffset(6), []byte{1, 1, 1, 0, 'x'})...),
		h: wantTCP4(25, Headers{Layers: HasPayload, PayloadOff: 44, PayloadLen: 1})},
	{name: "tcp payload that was not captured", link: LinkRaw, wire: 1500, data: cat(ip4Header(ProtoTCP, 1500, 0x4000), tcpBytes),
		h: wantTCP4(1480, Headers{Layers: HasPayload, PayloadOff: 40, PayloadLen: 1460})},
	{name: "tcp options that the capture ends in", link: LinkRaw, wire: 1500, data: cat(ip4Header(ProtoTCP, 1500, 0x4000), tcpOffset(10)),
		h: wantTCP4(1480, Headers{Layers: HasPayload, PayloadOff: 60, PayloadLen: 1440})},
	{name: "tcp data offset below 5", link: LinkRaw, data: over4(ProtoTCP, tcpOffset(4)...), h: wantTCP4(20, Headers{})},
	{name: "tcp data offset beyond the packet", link: LinkRaw, data: over4(ProtoTCP, tcpOffset(6)...), h: wantTCP4(20, Headers{})},
	{name: "tcp cut behind the window", link: LinkRaw, wire: 40, data: over4(ProtoTCP, tcpBytes...)[:36], h: wantTCP4(20, Headers{Layers: HasPayload, PayloadOff: 40})},
	{name: "tcp cut before the window", link: LinkRaw, wire: 40, data: over4(ProtoTCP, tcpBytes...)[:35],
		h: wantOver4(ProtoTCP, 20, Headers{Layers: HasPorts | ShortTransport, SrcPort: 49152, DstPort: 443})},
	{name: "tcp cut within the ports", link: LinkRaw, wire: 40, data: over4(ProtoTCP, tcpBytes...)[:23], h: wantOver4(ProtoTCP, 20, Headers{Layers: ShortTransport})},
	{name: "tcp cut before the ports", link: LinkRaw, wire: 40, data: over4(ProtoTCP, tcpBytes...)[:20], h: wantOver4(ProtoTCP, 20, Headers{Layers: ShortTransport})},
	{name: "tcp of a short packet", link: LinkRaw, data: over4(ProtoTCP, tcpBytes[:12]...), h: wantOver4(ProtoTCP, 12, Headers{Layers: HasPorts, SrcPort: 49152, DstPort: 443})},
	{name: "tcp of a shorter packet", link: LinkRaw, data: over4(ProtoTCP, tcpBytes[:3]...), h: wantOver4(ProtoTCP, 3, Headers{})},
	{name: "tcp of a short packet in a padded frame", link: LinkRaw, data: cat(over4(ProtoTCP, tcpBytes[:3]...), make([]byte, 30)), h: wantOver4(ProtoTCP, 3, Headers{})},
	{name: "tcp of a frame shorter than the packet", link: LinkRaw, data: over4(ProtoTCP, tcpBytes...)[:26],
		h: wantOver4(ProtoTCP, 20, Headers{Layers: HasPorts, SrcPort: 49152, DstPort: 443})},

	{name: "udp length shorter than the packet", link: LinkRaw, data: over4(ProtoUDP, udpLength(10)...),
		h: wantOver4(ProtoUDP, 12, Headers{Layers: HasPorts | HasUDP | HasPayload, SrcPort: 5353, DstPort: 53, PayloadOff: 28, PayloadLen: 2})},
	{name: "udp length longer than the packet", link: LinkRaw, data: over4(ProtoUDP, udpLength(99)...), h: wantUDP4(0, Headers{})},
	{name: "udp length below 8", link: LinkRaw, data: over4(ProtoUDP, udpLength(7)...), h: wantOver4(ProtoUDP, 12, Headers{Layers: HasPorts | HasUDP, SrcPort: 5353, DstPort: 53})},
	{name: "udp cut behind the ports", link: LinkRaw, wire: 32, data: udp4[:26], h: wantOver4(ProtoUDP, 12, Headers{Layers: HasPorts | ShortTransport, SrcPort: 5353, DstPort: 53})},
	{name: "udp-lite has coverage for length", link: LinkRaw, data: over4(ProtoUDPLite, udpLength(8)...),
		h: wantOver4(ProtoUDPLite, 12, Headers{Layers: HasPorts | HasUDP | HasPayload, SrcPort: 5353, DstPort: 53, PayloadOff: 28, PayloadLen: 4})},

	{name: "icmp", link: LinkRaw, data: over4(ProtoICMP, 3, 13, 0, 0, 0, 0, 0, 0, 'x'),
		h: wantOver4(ProtoICMP, 9, Headers{Layers: HasICMP | HasPayload, ICMPType: 3, ICMPCode: 13, PayloadOff: 28, PayloadLen: 1})},
	{name: "icmp of a short packet", link: LinkRaw, data: over4(ProtoICMP, 8, 0), h: wantOver4(ProtoICMP, 2, Headers{Layers: HasICMP, ICMPType: 8})},
	{name: "icmp cut", link: LinkRaw, wire: 28, data: over4(ProtoICMP, 8, 0, 0, 0, 0, 0, 0, 0)[:21], h: wantOver4(ProtoICMP, 8, Headers{Layers: ShortTransport})},
	{name: "icmpv6", link: LinkRaw, data: ip6Packet(ProtoICMPv6, []byte{128, 0, 0, 0, 0, 1, 0, 2}),
		h: want6(Headers{Layers: HasICMPv6 | HasPayload, Proto: ProtoICMPv6, TotalLen: 48, ICMPType: 128, PayloadOff: 44, PayloadLen: 4})},

	{name: "sctp", link: LinkRaw, data: over4(ProtoSCTP, 0x14, 0xe9, 0x00, 0x35, 0, 0, 0, 1, 0, 0, 0, 0, 'c', 'h', 'u', 'n'),
		h: wantOver4(ProtoSCTP, 16, Headers{Layers: HasPorts | HasSCTP | HasPayload, SrcPort: 5353, DstPort: 53, PayloadOff: 32, PayloadLen: 4})},
	{name: "sctp whole, chunks cut", link: LinkRaw, wire: 36, data: over4(ProtoSCTP, 0x14, 0xe9, 0x00, 0x35, 0, 0, 0, 1, 0, 0, 0, 0, 'c', 'h', 'u', 'n')[:32],
		h: wantOver4(ProtoSCTP, 16, Headers{Layers: HasPorts | HasSCTP | HasPayload, SrcPort: 5353, DstPort: 53, PayloadOff: 32, PayloadLen: 4})},
	{name: "sctp cut", link: LinkRaw, wire: 36, data: over4(ProtoSCTP, 0x14, 0xe9, 0x00, 0x35, 0, 0, 0, 1, 0, 0, 0, 0, 'c', 'h', 'u', 'n')[:31],
		h: wantOver4(ProtoSCTP, 16, Headers{Layers: HasPorts | ShortTransport, SrcPort: 5353, DstPort: 53})},

	{name: "dccp", link: LinkRaw, data: over4(ProtoDCCP, dccpBytes(3, 0)...),
		h: wantOver4(ProtoDCCP, 16, Headers{Layers: HasPorts | HasDCCP | HasPayload, SrcPort: 5353, DstPort: 53, PayloadOff: 32, PayloadLen: 4})},
	{name: "dccp with long sequence numbers", link: LinkRaw, data: over4(ProtoDCCP, dccpBytes(4, 1)...),
		h: wantOver4(ProtoDCCP, 16, Headers{Layers: HasPorts | HasDCCP | HasPayload, SrcPort: 5353, DstPort: 53, PayloadOff: 36})},
	{name: "dccp data offset within the header", link: LinkRaw, data: over4(ProtoDCCP, dccpBytes(3, 1)...),
		h: wantOver4(ProtoDCCP, 16, Headers{Layers: HasPorts | HasDCCP, SrcPort: 5353, DstPort: 53})},
	{name: "dccp cut in long sequence numbers", link: LinkRaw, wire: 36, data: over4(ProtoDCCP, dccpBytes(4, 1)...)[:33],
		h: wantOver4(ProtoDCCP, 16, Headers{Layers: HasPorts | ShortTransport, SrcPort: 5353, DstPort: 53})},
	{name: "dccp of a short packet", link: LinkRaw, data: over4(ProtoDCCP, dccpBytes(4, 1)[:12]...), h: wantOver4(ProtoDCCP, 12, Headers{Layers: HasPorts, SrcPort: 5353, DstPort: 53})},
}
