package packet

// Octets of the fixed headers that a group of fields needs whole.
const (
	portsLen   = 4  // both ports: the first octets of TCP, UDP, SCTP and DCCP
	tcpFields  = 16 // up to and with the window (RFC 9293 §3.1)
	minTCP     = 20
	udpLen     = 8  // RFC 768, RFC 3828
	sctpLen    = 12 // common header (RFC 9260 §3.1)
	dccpLen    = 12 // generic header with short sequence numbers (RFC 4340 §5.1)
	dccpLongX  = 16 // with long ones (X = 1)
	icmpFields = 2  // type and code
	icmpLen    = 8  // RFC 792
	icmpv6Len  = 4  // RFC 4443 §2.1
)

// readTransport reads the transport header at off of a packet that ends at end
// on the wire, which may lie before or behind the end of data. For a protocol
// that it does not know, the payload is all that follows the IP header.
//
// The readers of each protocol get in b what was captured of header and
// payload, in off where that begins, and in size its octets on the wire.
func readTransport(h *Headers, data []byte, off, end int) {
	if off > end {
		return
	}
	h.TransportOff = uint32(off)
	b := data[min(off, len(data)):min(end, len(data))]
	size := end - off
	switch h.Proto {
	case ProtoTCP:
		readTCP(h, b, off, size)
	case ProtoUDP, ProtoUDPLite:
		readUDP(h, b, off, size)
	case ProtoICMP, ProtoICMPv6:
		readICMP(h, b, off, size)
	case ProtoSCTP:
		readSCTP(h, b, off, size)
	case ProtoDCCP:
		readDCCP(h, b, off, size)
	case nextNone:
	default:
		h.setPayload(off, size)
	}
}

// readTCP reads a TCP header (RFC 9293 §3.1). A data offset below 5 or beyond
// the packet leaves out the payload alone.
func readTCP(h *Headers, b []byte, off, size int) {
	if len(b) < tcpFields {
		readPorts(h, b, size)
		return
	}
	f := (*[tcpFields]byte)(b)
	h.Layers |= HasPorts | HasTCP
	h.SrcPort, h.DstPort = be16(f[0:2]), be16(f[2:4])
	h.Seq, h.Ack = be32(f[4:8]), be32(f[8:12])
	word := be16(f[12:14])
	h.TCPFlags = word & 0x0fff
	h.Window = be16(f[14:16])
	if header := int(word>>12) * 4; header >= minTCP && header <= size {
		h.setPayload(off+header, size-header)
	}
}

// readPorts reads what there is of a header that begins with two ports and is
// not whole.
func readPorts(h *Headers, b []byte, size int) {
	if len(b) < size {
		h.Layers |= ShortTransport
	}
	if len(b) >= portsLen {
		h.Layers |= HasPorts
		h.SrcPort, h.DstPort = be16(b[0:2]), be16(b[2:4])
	}
}

// readUDP reads a UDP (RFC 768) or UDP-Lite (RFC 3828) header. The payload of
// UDP ends where its length says, if that is within the packet; a length of 0
// is a jumbogram (RFC 2675 §4). UDP-Lite has the checksum coverage in place
// of the length.
func readUDP(h *Headers, b []byte, off, size int) {
	if len(b) < udpLen {
		readPorts(h, b, size)
		return
	}
	f := (*[udpLen]byte)(b)
	h.Layers |= HasPorts | HasUDP
	h.SrcPort, h.DstPort = be16(f[0:2]), be16(f[2:4])
	stated := int(be16(f[4:6]))
	if stated == 0 || stated > size || h.Proto == ProtoUDPLite {
		stated = size
	}
	if stated >= udpLen {
		h.setPayload(off+udpLen, stated-udpLen)
	}
}

// readICMP reads type and code of ICMP (RFC 792) and ICMPv6 (RFC 4443). Which
// of the two is the protocol number's to say, not the IP version's.
func readICMP(h *Headers, b []byte, off, size int) {
	if len(b) < icmpFields {
		if len(b) < size {
			h.Layers |= ShortTransport
		}
		return
	}
	has, header := HasICMP, icmpLen
	if h.Proto == ProtoICMPv6 {
		has, header = HasICMPv6, icmpv6Len
	}
	h.Layers |= has
	h.ICMPType, h.ICMPCode = b[0], b[1]
	if size >= header {
		h.setPayload(off+header, size-header)
	}
}

// readSCTP reads an SCTP common header; its chunks are the payload.
func readSCTP(h *Headers, b []byte, off, size int) {
	readPorts(h, b, min(size, sctpLen))
	if len(b) < sctpLen {
		return
	}
	h.Layers |= HasSCTP
	h.setPayload(off+sctpLen, size-sctpLen)
}

// readDCCP reads a DCCP generic header. A data offset that points into the
// header or beyond the packet leaves out the payload alone.
func readDCCP(h *Headers, b []byte, off, size int) {
	readPorts(h, b, min(size, dccpLen))
	if len(b) < dccpLen {
		return
	}
	need := dccpLen
	if b[8]&1 != 0 {
		need = dccpLongX
	}
	if len(b) < need {
		if len(b) < size {
			h.Layers |= ShortTransport
		}
		return
	}
	h.Layers |= HasDCCP
	if header := int(b[4]) * 4; header >= need && header <= size {
		h.setPayload(off+header, size-header)
	}
}
