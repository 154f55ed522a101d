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

// segment is a transport header and payload within a frame.
type segment struct {
	b    []byte // what was captured of it
	off  int    // where it begins in the frame
	size int    // its octets on the wire
}

// readTransport reads the transport header at off of a packet that ends at end
// on the wire, which may lie before or behind the end of data. For a protocol
// that it does not know, the payload is all that follows the IP header.
func readTransport(h *Headers, data []byte, off, end int) {
	if off > end {
		return
	}
	s := segment{off: off, size: end - off}
	if off < len(data) {
		s.b = data[off:min(end, len(data))]
	}
	switch h.Proto {
	case ProtoTCP:
		readTCP(h, s)
	case ProtoUDP, ProtoUDPLite:
		readUDP(h, s)
	case ProtoICMP, ProtoICMPv6:
		readICMP(h, s)
	case ProtoSCTP:
		readSCTP(h, s)
	case ProtoDCCP:
		readDCCP(h, s)
	case nextNone:
	default:
		h.setPayload(s.off, s.size)
	}
}

// readTCP reads a TCP header (RFC 9293 §3.1). A data offset below 5 or beyond
// the packet leaves out the payload alone.
func readTCP(h *Headers, s segment) {
	if len(s.b) < tcpFields {
		readPorts(h, s)
		return
	}
	b := (*[tcpFields]byte)(s.b)
	h.Layers |= HasPorts | HasTCP
	h.SrcPort, h.DstPort = be16(b[0:2]), be16(b[2:4])
	h.Seq, h.Ack = be32(b[4:8]), be32(b[8:12])
	word := be16(b[12:14])
	h.TCPFlags = word & 0x0fff
	h.Window = be16(b[14:16])
	if size := int(word>>12) * 4; size >= minTCP && size <= s.size {
		h.setPayload(s.off+size, s.size-size)
	}
}

// readPorts reads what there is of a header that begins with two ports and is
// not whole.
func readPorts(h *Headers, s segment) {
	if len(s.b) < s.size {
		h.Layers |= ShortTransport
	}
	if len(s.b) >= portsLen {
		h.Layers |= HasPorts
		h.SrcPort, h.DstPort = be16(s.b[0:2]), be16(s.b[2:4])
	}
}

// readUDP reads a UDP (RFC 768) or UDP-Lite (RFC 3828) header. The payload of
// UDP ends where its length says, if that is within the packet; a length of 0
// is a jumbogram (RFC 2675 §4). UDP-Lite has the checksum coverage in place
// of the length.
func readUDP(h *Headers, s segment) {
	if len(s.b) < udpLen {
		readPorts(h, s)
		return
	}
	b := (*[udpLen]byte)(s.b)
	h.Layers |= HasPorts | HasUDP
	h.SrcPort, h.DstPort = be16(b[0:2]), be16(b[2:4])
	size := int(be16(b[4:6]))
	if size == 0 || size > s.size || h.Proto == ProtoUDPLite {
		size = s.size
	}
	if size >= udpLen {
		h.setPayload(s.off+udpLen, size-udpLen)
	}
}

// readICMP reads type and code of ICMP (RFC 792) and ICMPv6 (RFC 4443). Which
// of the two is the protocol number's to say, not the IP version's.
func readICMP(h *Headers, s segment) {
	if len(s.b) < icmpFields {
		if len(s.b) < s.size {
			h.Layers |= ShortTransport
		}
		return
	}
	has, size := HasICMP, icmpLen
	if h.Proto == ProtoICMPv6 {
		has, size = HasICMPv6, icmpv6Len
	}
	h.Layers |= has
	h.ICMPType, h.ICMPCode = s.b[0], s.b[1]
	if s.size >= size {
		h.setPayload(s.off+size, s.size-size)
	}
}

// readSCTP reads an SCTP common header; its chunks are the payload.
func readSCTP(h *Headers, s segment) {
	readPorts(h, segment{s.b, s.off, min(s.size, sctpLen)})
	if len(s.b) < sctpLen {
		return
	}
	h.Layers |= HasSCTP
	h.setPayload(s.off+sctpLen, s.size-sctpLen)
}

// readDCCP reads a DCCP generic header. A data offset that points into the
// header or beyond the packet leaves out the payload alone.
func readDCCP(h *Headers, s segment) {
	readPorts(h, segment{s.b, s.off, min(s.size, dccpLen)})
	if len(s.b) < dccpLen {
		return
	}
	need := dccpLen
	if s.b[8]&1 != 0 {
		need = dccpLongX
	}
	if len(s.b) < need {
		if len(s.b) < s.size {
			h.Layers |= ShortTransport
		}
		return
	}
	h.Layers |= HasDCCP
	if size := int(s.b[4]) * 4; size >= need && size <= s.size {
		h.setPayload(s.off+size, s.size-size)
	}
}
