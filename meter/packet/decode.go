package packet

import (
	"encoding/binary"
	"math"
)

// Decode reads the headers of one frame into h. data is what was captured of
// it, wireLen its length on the wire in octets; a wireLen below len(data) is
// taken as len(data). It allocates nothing, keeps no reference to data and
// leaves h.Time and h.Iface alone.
//
// The outcome is OK when the IP header (options included) was captured whole
// and agrees with itself: its version, a header length of at least 20 octets,
// a total length of at least the header's. What such a packet says about
// itself is believed:
//
//   - A total length beyond the end of the frame stays in TotalLen as stated.
//   - An IPv4 total length of 0, or an IPv6 payload length of 0 (unless the next
//     header is 59, none), is a packet longer than the field can say: a
//     jumbogram (RFC 2675) or one that the network card was to segment.
//     TotalLen is then the rest of the frame on the wire.
//   - A transport header that is bad or cut leaves out the groups of fields
//     that are not wholly there. ShortTransport says that the capture did it.
//
// Of several IP headers (tunnels) the outermost is read; Tunnel.Open reads the
// innermost. One whose version is not what the EtherType or the link type says
// is Malformed.
//
// A frame that ends inside its link headers or its IP header is Truncated if
// more of it was on the wire, otherwise Malformed.
func Decode(h *Headers, link LinkType, data []byte, wireLen uint32) Outcome {
	h.CapLen = uint32(len(data))
	h.WireLen = max(wireLen, h.CapLen)
	if link == LinkEthernet && len(data) >= etherLen {
		switch typ := be16(data[12:14]); typ {
		case etherIPv4:
			setEthernet(h, (*[etherLen]byte)(data), typ)
			return readIPv4(h, data, etherLen)
		case etherIPv6:
			setEthernet(h, (*[etherLen]byte)(data), typ)
			return readIPv6(h, data, etherLen)
		}
	}
	return decodeAny(h, link, data)
}

// setEthernet notes an Ethernet header that IP follows without a tag.
func setEthernet(h *Headers, b *[etherLen]byte, typ uint16) {
	h.Layers = HasMAC | HasEtherType
	h.DstMAC = [6]byte(b[0:6])
	h.SrcMAC = [6]byte(b[6:12])
	h.EtherType = typ
}

// decodeAny is Decode for every link type and link header.
func decodeAny(h *Headers, link LinkType, data []byte) Outcome {
	h.Layers = 0
	off, net := readLink(h, link, data)
	return decodeNetwork(h, data, off, net)
}

// decodeNetwork goes on at off, behind the link headers, with what they led to.
func decodeNetwork(h *Headers, data []byte, off int, net network) Outcome {
	switch net {
	case netIPv4:
		return readIPv4(h, data, off)
	case netIPv6:
		return readIPv6(h, data, off)
	case netIP:
		return readIP(h, data, off)
	case netNone:
		readARP(h, data, off)
		return NotIP
	case netCut:
		return h.cut()
	}
	return Unsupported
}

// cut is the outcome of a frame that ends inside a header that must be whole.
func (h *Headers) cut() Outcome {
	if h.CapLen < h.WireLen {
		return Truncated
	}
	return Malformed
}

// wireEnd returns where the frame ended on the wire, as an offset that fits
// an int of 32 bits too.
func (h *Headers) wireEnd() int { return int(min(h.WireLen, math.MaxInt32)) }

// readIP reads an IP packet whose link layer does not tell its version.
func readIP(h *Headers, data []byte, off int) Outcome {
	if len(data) <= off {
		return h.cut()
	}
	switch data[off] >> 4 {
	case 4:
		return readIPv4(h, data, off)
	case 6:
		return readIPv6(h, data, off)
	}
	return Malformed
}

// Payload returns what was captured of the transport payload of the frame that
// h was decoded from; nil if there is none or the capture ends before it.
func (h *Headers) Payload(data []byte) []byte {
	if h.Layers&HasPayload == 0 || uint64(h.PayloadOff) >= uint64(len(data)) {
		return nil
	}
	b := data[h.PayloadOff:]
	return b[:min(uint64(len(b)), uint64(h.PayloadLen))]
}

// setPayload notes a payload of size octets at off.
func (h *Headers) setPayload(off, size int) {
	h.Layers |= HasPayload
	h.PayloadOff, h.PayloadLen = uint32(off), uint32(size)
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
