package packet

// ARP for IPv4 over links with MAC addresses (RFC 826).
const (
	etherARP = 0x0806
	arpLen   = 28
	arpSizes = 0x0604 // of a MAC and an IPv4 address
)

// readARP reads an ARP packet at off, if it is one of IPv4 and was captured
// whole. A frame with anything else has no IP either.
func readARP(h *Headers, data []byte, off int) {
	if h.Layers&HasEtherType == 0 || h.EtherType != etherARP || len(data)-off < arpLen {
		return
	}
	b := (*[arpLen]byte)(data[off:])
	if be16(b[2:4]) != etherIPv4 || be16(b[4:6]) != arpSizes {
		return
	}
	h.Layers |= HasARP
	h.Version, h.ARPOp = 4, be16(b[6:8])
	mapIPv4(&h.Src, b[14:18])
	mapIPv4(&h.Dst, b[24:28])
}
