package packet

import "encoding/binary"

const minIPv4 = 20 // octets of an IPv4 header without options

// IPv4 flags and fragment offset, one 16-bit word (RFC 791 §3.1).
const (
	ip4DontFragment  = 0x4000
	ip4MoreFragments = 0x2000
	ip4FragOffset    = 0x1fff
)

// readIPv4 reads an IPv4 packet at off (RFC 791).
func readIPv4(h *Headers, data []byte, off int) Outcome {
	if len(data)-off < minIPv4 {
		return h.cut()
	}
	b := (*[minIPv4]byte)(data[off:])
	size := int(b[0]&0x0f) * 4
	total := int(be16(b[2:4]))
	wire := h.wireEnd()
	if total == 0 {
		total = wire - off
	}
	if b[0]>>4 != 4 || size < minIPv4 || total < size {
		return Malformed
	}
	if len(data)-off < size {
		return h.cut()
	}
	h.Layers |= HasIPv4
	h.NetworkOff = uint32(off)
	h.Version = 4
	h.TClass = b[1]
	h.TTL = b[8]
	h.Proto = b[9]
	h.TotalLen = uint32(total)
	h.FlowLabel = 0
	h.FragID = uint32(be16(b[4:6]))
	mapIPv4(&h.Src, b[12:16])
	mapIPv4(&h.Dst, b[16:20])
	frag := be16(b[6:8])
	h.DontFragment = frag&ip4DontFragment != 0
	if frag&(ip4MoreFragments|ip4FragOffset) != 0 {
		h.setFragment(frag&ip4FragOffset, frag&ip4MoreFragments != 0)
	}
	if frag&ip4FragOffset == 0 {
		readTransport(h, data, off+size, min(off+total, wire))
	}
	return OK
}

// setFragment notes a part of a fragmented packet; offset is in units of 8 octets.
func (h *Headers) setFragment(offset uint16, more bool) {
	h.Layers |= HasFragment
	h.FragOffset, h.MoreFragments = offset, more
}

// mapIPv4 writes an IPv4 address as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2). Two
// stores of 8 octets each, so that a load of 8 need not wait for several.
func mapIPv4(dst *[16]byte, addr []byte) {
	const prefix = 0xffff0000 // 0, 0, ff, ff in little-endian order
	binary.LittleEndian.PutUint64(dst[:8], 0)
	binary.LittleEndian.PutUint64(dst[8:], prefix|uint64(binary.LittleEndian.Uint32(addr))<<32)
}
