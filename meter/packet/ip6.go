package packet

const (
	minIPv6      = 40 // octets of the fixed IPv6 header
	minExtension = 8  // octets of the smallest extension header

	// maxExtensions bounds the extension headers read of one packet. RFC 8200
	// §4.1 has each at most once, destination options twice.
	maxExtensions = 16
)

// Next-header numbers of the extension headers that are walked over
// (https://www.iana.org/assignments/ipv6-parameters), and of none. ESP is not
// here: nothing behind it can be read, so it counts as the transport.
const (
	nextHopByHop    = 0
	nextRouting     = 43
	nextFragment    = 44
	nextAH          = 51
	nextNone        = 59
	nextDestOptions = 60
	nextMobility    = 135
	nextHIP         = 139
	nextShim6       = 140
)

// readIPv6 reads an IPv6 packet at off (RFC 8200).
func readIPv6(h *Headers, data []byte, off int) Outcome {
	if len(data)-off < minIPv6 {
		return h.cut()
	}
	b := (*[minIPv6]byte)(data[off:])
	word := be32(b[0:4])
	if word>>28 != 6 {
		return Malformed
	}
	wire := h.wireEnd()
	total := minIPv6 + int(be16(b[4:6]))
	if total == minIPv6 && b[6] != nextNone {
		total = wire - off
	}
	h.Layers |= HasIPv6
	h.NetworkOff = uint32(off)
	h.Version = 6
	h.TClass = uint8(word >> 20)
	h.FlowLabel = word & 0xfffff
	h.TotalLen = uint32(total)
	h.Proto = b[6]
	h.TTL = b[7]
	h.Src = [16]byte(b[8:24])
	h.Dst = [16]byte(b[24:40])
	next, end := off+minIPv6, min(off+total, wire)
	if isExtension(h.Proto) {
		var whole bool
		if next, whole = readExtensions(h, data, next, end); !whole {
			return OK
		}
	}
	readTransport(h, data, next, end)
	return OK
}

// isExtension reports whether next is an extension header to walk over.
func isExtension(next uint8) bool {
	switch next {
	case nextHopByHop, nextRouting, nextFragment, nextAH, nextDestOptions,
		nextMobility, nextHIP, nextShim6:
		return true
	}
	return false
}

// readExtensions walks the extension headers from off to the end of the packet
// and returns where the transport header begins. Proto becomes the last next
// header number that could be read: a chain that is cut, by the capture or by
// the packet, leaves it at the number of the header that is not there, and
// returns false, as does a fragment other than the first.
func readExtensions(h *Headers, data []byte, off, end int) (int, bool) {
	for range maxExtensions {
		if !isExtension(h.Proto) {
			return off, true
		}
		if off+minExtension > end {
			return off, false
		}
		if off+minExtension > len(data) {
			h.Layers |= ShortTransport
			return off, false
		}
		b := (*[minExtension]byte)(data[off:])
		this := h.Proto
		h.Proto = b[0]
		if this == nextFragment && !readFragment(h, b) {
			return off, false
		}
		off += extensionLen(this, b[1])
	}
	return off, !isExtension(h.Proto)
}

// extensionLen returns the octets of an extension header from its length
// field. That of AH counts units of 4 octets less 2 (RFC 4302 §2.2), all
// others units of 8 less 1 (RFC 8200 §4); the fragment header has none.
func extensionLen(next, length uint8) int {
	switch next {
	case nextFragment:
		return minExtension
	case nextAH:
		return (int(length) + 2) * 4
	}
	return (int(length) + 1) * 8
}

// readFragment reads a fragment header (RFC 8200 §4.5) and reports whether the
// headers go on behind it. An atomic fragment (RFC 6946: the first and the
// last) is no part of a fragmented packet, so HasFragment is not set for it.
func readFragment(h *Headers, b *[minExtension]byte) bool {
	offset, more := be16(b[2:4])>>3, b[3]&1 != 0
	if offset == 0 && !more {
		return true
	}
	h.FragID = be32(b[4:8])
	h.setFragment(offset, more)
	return offset == 0
}
