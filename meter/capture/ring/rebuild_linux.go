package ring

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
)

// putTag puts the VLAN tag that the kernel, or the NIC, took off back behind
// the addresses, which move into the headroom.
func putTag(block []byte, h *[frameHeader]byte, f *capture.Frame) {
	tpid, tci, ok := tagOf(h)
	if !ok {
		return
	}
	f.WireLen += tagLen
	if f.CapLen < addressesLen {
		return // the rule sets ignore it: all that is there is its length
	}
	f.Off -= tagLen
	f.CapLen += tagLen
	b := block[f.Off : f.Off+addressesLen+tagLen]
	copy(b, b[tagLen:])
	binary.BigEndian.PutUint16(b[addressesLen:], tpid)
	binary.BigEndian.PutUint16(b[addressesLen+2:], tci)
}

// tagOf returns the VLAN tag that came beside the frame. Kernels before 3.14
// do not say of which protocol it was.
func tagOf(h *[frameHeader]byte) (tpid, tci uint16, ok bool) {
	flags := u32(h, frameStatus)
	if flags&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0, 0, false
	}
	if flags&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		return defaultTPID, uint16(u32(h, frameTCI)), true
	}
	return u16(h, frameTPID), uint16(u32(h, frameTCI)), true
}

// skipLink leaves a link header of n octets out.
func skipLink(f *capture.Frame, n uint64) {
	if n > uint64(f.CapLen) { // also where the network header is said to lie before it
		n = 0
	}
	f.Off += uint32(n)
	f.CapLen -= uint32(n)
	f.WireLen -= uint32(n)
}

// cook puts a header of LINKTYPE_LINUX_SLL in place of a link header of n
// octets, with a tag behind it where one was taken off. The kernel leaves 16
// octets and the headroom for that.
func cook(block []byte, off uint64, f *capture.Frame, n uint64) bool {
	h := (*[frameHeader]byte)(block[off:])
	tpid, tci, tagged := tagOf(h)
	size := uint32(cookedLen)
	if tagged {
		size += tagLen
	}
	skipped := min(n, uint64(f.CapLen))
	start := uint64(f.Off) + n
	if n > 1<<15 || start < off+frameHeader+uint64(size) || start > uint64(len(block)) {
		return false
	}
	f.Off = uint32(start) - size
	f.CapLen += size - uint32(skipped)
	f.WireLen = max(f.WireLen-min(uint32(n), f.WireLen)+size, f.CapLen)
	b := block[f.Off : f.Off+size]
	binary.BigEndian.PutUint16(b[0:], uint16(h[addrKind]))
	binary.BigEndian.PutUint16(b[2:], u16(h, addrHardware))
	binary.BigEndian.PutUint16(b[4:], uint16(h[addrLen]))
	copy(b[6:14], h[addrAddress:])
	copy(b[14:16], h[addrProtocol:])
	if tagged {
		binary.BigEndian.PutUint16(b[14:], tpid)
		binary.BigEndian.PutUint16(b[16:], tci)
		copy(b[18:20], h[addrProtocol:])
	}
	return true
}

// cutFrame says of a frame that the kernel cut to one octet what the octets
// that are missing would tell: whether it is IP, and where that begins.
func cutFrame(h *[frameHeader]byte, kind linkKind, f *capture.Frame) {
	f.Flags |= capture.Cut
	switch binary.BigEndian.Uint16(h[addrProtocol:]) {
	case etherIPv4, etherIPv6:
		f.Flags |= capture.CutIP
	}
	switch kind {
	case kindEthernet:
		f.LinkLen = etherLen
	case kindCooked:
		f.LinkLen = cookedLen
	default:
		return
	}
	if _, _, ok := tagOf(h); ok {
		f.LinkLen += tagLen
	}
}
