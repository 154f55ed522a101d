package packet

// Protocol numbers of PPP (https://www.iana.org/assignments/ppp-numbers).
const (
	pppIPv4    = 0x0021
	pppIPv6    = 0x0057
	pppMPLS    = 0x0281
	pppMPLSMul = 0x0283
)

// The address octet of HDLC-like framing, which tells PPP from Cisco's HDLC.
const (
	hdlcAllStations    = 0xff // PPP (RFC 1662 §3.1)
	hdlcControl        = 0x03
	hdlcCiscoUnicast   = 0x0f // RFC 1547 §4.3.1
	hdlcCiscoBroadcast = 0x8f
	hdlcLen            = 4 // Cisco: address, control, EtherType

	pppoeLen     = 6
	pppoeVersion = 0x11 // version 1, type 1 (RFC 2516 §4)
)

// readPPP reads a PPP frame, whose address and control octets may be left out
// (RFC 1661 §6.6), or a Cisco HDLC frame.
func readPPP(h *Headers, data []byte) (int, network) {
	if len(data) < 2 {
		return 0, netCut
	}
	switch data[0] {
	case hdlcAllStations:
		if data[1] == hdlcControl {
			return readPPPProtocol(h, data, 2)
		}
	case hdlcCiscoUnicast, hdlcCiscoBroadcast:
		if len(data) < hdlcLen {
			return 0, netCut
		}
		return readEtherType(h, data, hdlcLen, be16(data[2:]))
	}
	return readPPPProtocol(h, data, 0)
}

// readPPPProtocol reads the protocol field: two octets, or one if that is odd
// (RFC 1661 §2, §6.5).
func readPPPProtocol(h *Headers, data []byte, off int) (int, network) {
	if off >= len(data) {
		return off, netCut
	}
	proto := uint16(data[off])
	off++
	if proto&1 == 0 {
		if off >= len(data) {
			return off, netCut
		}
		proto = proto<<8 | uint16(data[off])
		off++
	}
	switch proto {
	case pppIPv4:
		return off, netIPv4
	case pppIPv6:
		return off, netIPv6
	case pppMPLS, pppMPLSMul:
		return readMPLS(h, data, off)
	}
	return off, netNone
}

// readPPPoE reads a PPPoE session header (RFC 2516 §4) and the PPP protocol
// behind it. Frames with a code are of the discovery stage.
func readPPPoE(h *Headers, data []byte, off int) (int, network) {
	if off+pppoeLen > len(data) {
		return off, netCut
	}
	if data[off] != pppoeVersion || data[off+1] != 0 {
		return off, netNone
	}
	h.Layers |= HasPPPoE
	return readPPPProtocol(h, data, off+pppoeLen)
}
