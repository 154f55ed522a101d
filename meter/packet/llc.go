package packet

// IEEE 802.2 logical link control.
const (
	llcLen  = 3 // DSAP, SSAP and the control octet of unnumbered information
	snapLen = 8 // with the OUI and protocol of SNAP

	llcSNAP = 0xaaaa03 // SNAP in an unnumbered information frame
	llcIP   = 0x060603 // the SAP of IP, as little used as it is old

	ouiEtherType = 0x000000 // SNAP protocol is an EtherType (RFC 1042)
	ouiBridge    = 0x0000f8 // the same, tunnelled over IEEE 802.11 (IEEE 802.1H)
)

// readLLC reads an LLC header and, with SNAP, returns the EtherType of what
// follows. Where no EtherType follows it returns false, and what does.
func readLLC(data []byte, off int) (next int, typ uint16, net network, ok bool) {
	if off+llcLen > len(data) {
		return off, 0, netCut, false
	}
	switch be24(data[off:]) {
	case llcIP:
		return off + llcLen, 0, netIPv4, false
	case llcSNAP:
	default:
		return off, 0, netNone, false
	}
	if off+snapLen > len(data) {
		return off, 0, netCut, false
	}
	typ = be16(data[off+6:])
	switch be24(data[off+3:]) {
	case ouiEtherType, ouiBridge:
		return off + snapLen, typ, netNone, typ > maxLength
	}
	return off, 0, netNone, false
}

func be24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
