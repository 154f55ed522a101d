package packet

// VXLAN (RFC 7348) and VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
const (
	vxlanLen  = 8
	vxlanVNI  = 0x08 // the VNI is valid
	vxlanNext = 0x04 // GPE: a next protocol stands in the last reserved octet

	// vxlanGroup is of the group policy extension, which fills the octets up to
	// the VNI (draft-smith-vxlan-group-policy).
	vxlanGroup = 0x80
)

// gpeNext are the next protocols of VXLAN-GPE that are read.
var gpeNext = [4]carried{
	1: {as: etherType, typ: etherIPv4, off: vxlanLen, end: noEnd},
	2: {as: etherType, typ: etherIPv6, off: vxlanLen, end: noEnd},
	3: {as: ethernet, off: vxlanLen, end: noEnd},
}

// vxlan reads a VXLAN header; gpe has a next protocol that may be something
// other than Ethernet. Plain VXLAN is known by bits that are to be 0, too: the
// port alone may be anybody's.
func (t *Tunnel) vxlan(b []byte, gpe bool) carried {
	if len(b) < vxlanLen || b[0]&vxlanVNI == 0 || !gpe && (b[0]&^(vxlanVNI|vxlanGroup) != 0 || b[7] != 0) {
		return carried{}
	}
	if t.note(HasVXLAN) {
		t.VXLANVNI = be24(b[4:])
	}
	switch {
	case !gpe || b[0]&vxlanNext == 0:
		return gpeNext[3]
	case int(b[3]) < len(gpeNext):
		return gpeNext[b[3]]
	}
	return carried{}
}

// Geneve (RFC 8926 §3.4).
const (
	geneveLen     = 8
	geneveOptions = 0x3f // their length in units of 4 octets
	geneveControl = 0x80 // in the second octet
	geneveZero    = 0x3f // likewise: to be 0
)

func (t *Tunnel) geneve(b []byte) carried {
	if len(b) < geneveLen || b[0]>>6 != 0 || b[1]&geneveZero != 0 || b[7] != 0 {
		return carried{}
	}
	if t.note(HasGeneve) {
		t.GeneveVNI = be24(b[4:])
	}
	if b[1]&geneveControl != 0 {
		return carried{}
	}
	off := geneveLen + 4*int(b[0]&geneveOptions)
	if typ := be16(b[2:]); typ != etherBridged {
		return carried{as: etherType, typ: typ, off: off, end: noEnd}
	}
	return carried{as: ethernet, off: off, end: noEnd}
}

// GTP-U (3GPP TS 29.281 §5.1).
const (
	gtpLen     = 8
	gtpMore    = 4    // sequence, N-PDU number and next extension header, if any is there
	gtpVersion = 0xf0 // with the protocol type and the spare bit
	gtpV1      = 0x30
	gtpNext    = 0x04 // there is an extension header
	gtpAny     = 0x07
	gtpTPDU    = 255

	maxGTPExtensions = 16
)

// gtp reads a GTP-U header. Only a T-PDU carries a packet.
func (t *Tunnel) gtp(b []byte) carried {
	if len(b) < gtpLen || b[0]&gtpVersion != gtpV1 {
		return carried{}
	}
	if t.note(HasGTP) {
		t.TEID = be32(b[4:])
	}
	if b[1] != gtpTPDU {
		return carried{}
	}
	c := carried{as: anyIP, off: gtpLen, end: gtpLen + int(be16(b[2:]))}
	if b[0]&gtpAny != 0 {
		c.off = gtpExtensions(b)
	}
	if c.off == 0 {
		return carried{}
	}
	return c
}

// gtpExtensions returns where the extension headers end; 0 where that cannot be
// told. Each has its length, in units of 4 octets, in its first octet, and the
// type of the next one in its last.
func gtpExtensions(b []byte) int {
	off := gtpLen + gtpMore
	if len(b) < off {
		return 0
	}
	if b[0]&gtpNext == 0 {
		return off
	}
	for range maxGTPExtensions {
		if b[off-1] == 0 {
			return off
		}
		if len(b) <= off || b[off] == 0 {
			return 0
		}
		if off += 4 * int(b[off]); len(b) < off {
			return 0
		}
	}
	return 0
}
