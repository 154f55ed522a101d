package packet

import "encoding/binary"

// Octets of IEEE 802.11 headers (IEEE 802.11-2020 §9.2.3, §9.3.2).
const (
	wifiLen     = 24
	wifiAddr1   = 4
	wifiAddr2   = 10
	wifiAddr3   = 16
	wifiAddr4   = 24 // only if to and from the distribution system
	macLen      = 6
	qosLen      = 2
	htLen       = 4
	qosAMSDU    = 0x80 // QoS control: the body is an aggregate of frames
	radiotapMin = 8
)

// Bits of the frame control field's two octets.
const (
	wifiTypeMask  = 0x0f // type and version
	wifiData      = 0x08 // version 0, type data
	wifiNoData    = 0x40 // a subtype without a body
	wifiQoS       = 0x80 // a subtype with QoS control
	wifiToDS      = 0x01
	wifiFromDS    = 0x02
	wifiProtected = 0x40
	wifiOrder     = 0x80 // with QoS: an HT control field is there
)

// Radiotap (https://www.radiotap.org): the present bits read here.
const (
	radiotapTSFT  = 1 << 0 // 8 octets, aligned to 8
	radiotapFlags = 1 << 1
	radiotapMore  = 1 << 31 // another word of present bits follows
	radiotapPad   = 0x20    // flags: the 802.11 header is padded to 4 octets
)

// readWiFi reads an 802.11 frame at off. Data frames in the clear go on with
// LLC; encrypted and aggregated ones, later fragments, and all of management
// and control carry no IP header that can be read.
func readWiFi(h *Headers, data []byte, off int, padded bool) (int, network) {
	if off+2 > len(data) {
		return off, netCut
	}
	kind, flags := data[off], data[off+1]
	if kind&wifiTypeMask != wifiData || kind&wifiNoData != 0 {
		return off, netNone
	}
	if off+wifiLen > len(data) {
		return off, netCut
	}
	size := wifiDataLen(kind, flags)
	if off+size > len(data) {
		return off, netCut
	}
	b := data[off : off+size]
	setWiFiMACs(h, b, flags)
	aggregate := kind&wifiQoS != 0 && b[wifiQoSOff(flags)]&qosAMSDU != 0
	laterFragment := b[22]&0x0f != 0
	if flags&wifiProtected != 0 || aggregate || laterFragment {
		return off, netNone
	}
	if padded {
		size = (size + 3) &^ 3
	}
	return readEtherType(h, data, off+size, 0) // 0: an LLC header follows
}

// wifiQoSOff returns where QoS control begins: behind the last address.
func wifiQoSOff(flags byte) int {
	if flags&(wifiToDS|wifiFromDS) == wifiToDS|wifiFromDS {
		return wifiAddr4 + macLen
	}
	return wifiLen
}

// wifiDataLen returns the octets of a data frame's header.
func wifiDataLen(kind, flags byte) int {
	size := wifiQoSOff(flags)
	if kind&wifiQoS != 0 {
		size += qosLen
		if flags&wifiOrder != 0 {
			size += htLen
		}
	}
	return size
}

// setWiFiMACs notes destination and source, whose places depend on the way to
// and from the distribution system (IEEE 802.11-2020 table 9-30).
func setWiFiMACs(h *Headers, b []byte, flags byte) {
	dst, src := wifiAddr1, wifiAddr2
	switch flags & (wifiToDS | wifiFromDS) {
	case wifiFromDS:
		src = wifiAddr3
	case wifiToDS:
		dst = wifiAddr3
	case wifiToDS | wifiFromDS:
		dst, src = wifiAddr3, wifiAddr4
	}
	h.Layers |= HasMAC
	h.DstMAC = [6]byte(b[dst : dst+macLen])
	h.SrcMAC = [6]byte(b[src : src+macLen])
}

// readRadiotap reads the header that a capture puts before an 802.11 frame:
// its length, and of its fields the one flag that moves the payload.
func readRadiotap(h *Headers, data []byte) (int, network) {
	if len(data) < radiotapMin {
		return 0, netCut
	}
	size := int(binary.LittleEndian.Uint16(data[2:]))
	if data[0] != 0 || size < radiotapMin {
		return 0, netNone
	}
	if size > len(data) {
		return 0, netCut
	}
	return readWiFi(h, data, size, radiotapPadded(data[:size]))
}

// radiotapPadded reports whether the flags field of a radiotap header says
// that the 802.11 header is followed by padding.
func radiotapPadded(b []byte) bool {
	present := binary.LittleEndian.Uint32(b[4:])
	off := radiotapMin
	for word := present; word&radiotapMore != 0; off += 4 {
		if off+4 > len(b) {
			return false
		}
		word = binary.LittleEndian.Uint32(b[off:])
	}
	if present&radiotapTSFT != 0 {
		off = (off+7)&^7 + 8
	}
	return present&radiotapFlags != 0 && off < len(b) && b[off]&radiotapPad != 0
}
