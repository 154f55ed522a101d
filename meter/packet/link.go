package packet

import "math/bits"

// network is what readLink found behind the link headers.
type network uint8

const (
	netNone        network = iota // nothing that is IP
	netIPv4                       // stated to be IPv4
	netIPv6                       // stated to be IPv6
	netIP                         // IP, the version by its first nibble
	netCut                        // the frame ends inside its link headers
	netUnsupported                // the link type is not known
)

// Raw IP as some systems write their own DLT number into files.
const (
	linkRawBSD   LinkType = 12 // DLT_RAW of most systems
	linkRawBSDOS LinkType = 14 // DLT_RAW of OpenBSD and BSD/OS
)

// EtherTypes that lead to IP (https://www.iana.org/assignments/ieee-802-numbers).
const (
	etherIPv4    = 0x0800
	etherIPv6    = 0x86dd
	etherMPLS    = 0x8847
	etherMPLSMul = 0x8848 // MPLS with upstream-assigned label, once multicast
	etherPPPoE   = 0x8864 // PPPoE session stage
	maxLength    = 1500   // a type field up to here is the length of an 802.3 frame
)

const (
	etherLen = 14
	tagLen   = 4
	labelLen = 4
	nullLen  = 4

	// maxLinkHeaders bounds the tags and LLC headers read of one frame, and
	// the labels of one stack. A frame with as many is NotIP.
	maxLinkHeaders = 16
)

// readLink walks the link headers of a frame, noting them in h, and returns
// where the network header begins and what it is. Shard walks with it too.
func readLink(h *Headers, link LinkType, data []byte) (int, network) {
	switch link {
	case LinkEthernet:
		return readEthernet(h, data)
	case LinkSLL:
		return readCooked(h, data, sllLen, sllProto)
	case LinkSLL2:
		return readCooked(h, data, sll2Len, sll2Proto)
	case LinkRaw, linkRawBSD, linkRawBSDOS:
		return 0, netIP
	case LinkIPv4:
		return 0, netIPv4
	case LinkIPv6:
		return 0, netIPv6
	case LinkNull, LinkLoop:
		return readNull(data)
	case LinkPPP, LinkPPPHDLC:
		return readPPP(h, data)
	case LinkPPPoE:
		return readPPPoE(h, data, 0)
	case LinkIEEE80211:
		return readWiFi(h, data, 0, false)
	case LinkRadiotap:
		return readRadiotap(h, data)
	}
	return 0, netUnsupported
}

// readEthernet reads an Ethernet II or IEEE 802.3 header.
func readEthernet(h *Headers, data []byte) (int, network) {
	if len(data) < etherLen {
		return 0, netCut
	}
	b := (*[etherLen]byte)(data)
	h.Layers |= HasMAC
	h.DstMAC = [6]byte(b[0:6])
	h.SrcMAC = [6]byte(b[6:12])
	return readEtherType(h, data, etherLen, be16(b[12:14]))
}

// readEtherType goes on at off, where a header of EtherType typ begins.
func readEtherType(h *Headers, data []byte, off int, typ uint16) (int, network) {
	for range maxLinkHeaders {
		var ok bool
		switch {
		case isTag(typ):
			if off+tagLen > len(data) {
				return off, netCut
			}
			h.pushVLAN(typ, be16(data[off:]))
			typ = be16(data[off+2:])
			off += tagLen
		case typ <= maxLength:
			var net network
			if off, typ, net, ok = readLLC(data, off); !ok {
				return off, net
			}
		default:
			h.Layers |= HasEtherType
			h.EtherType = typ
			return readNetwork(h, data, off, typ)
		}
	}
	return off, netNone
}

// readNetwork tells what the EtherType of a frame, tags taken off, leads to.
func readNetwork(h *Headers, data []byte, off int, typ uint16) (int, network) {
	switch typ {
	case etherIPv4:
		return off, netIPv4
	case etherIPv6:
		return off, netIPv6
	case etherMPLS, etherMPLSMul:
		return readMPLS(h, data, off)
	case etherPPPoE:
		return readPPPoE(h, data, off)
	}
	return off, netNone
}

// isTag reports whether typ is a tag protocol: IEEE 802.1Q, 802.1ad, and what
// switches used for the outer tag before that.
func isTag(typ uint16) bool {
	switch typ {
	case 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300:
		return true
	}
	return false
}

// pushVLAN keeps the first two tags of a frame.
func (h *Headers) pushVLAN(tpid, tci uint16) {
	switch {
	case h.Layers&HasVLAN == 0:
		h.Layers |= HasVLAN
		h.VLAN[0] = VLANTag{tpid, tci}
	case h.Layers&HasVLAN2 == 0:
		h.Layers |= HasVLAN2
		h.VLAN[1] = VLANTag{tpid, tci}
	}
}

// readMPLS reads a label stack (RFC 3032). A stack does not say what it
// carries: the first nibble tells IP (RFC 4928 §3), all else (0 is a
// pseudowire) is not.
func readMPLS(h *Headers, data []byte, off int) (int, network) {
	for range maxLinkHeaders {
		if off+labelLen > len(data) {
			return off, netCut
		}
		entry := be32(data[off:])
		if h.Layers&HasMPLS == 0 {
			h.Layers |= HasMPLS
			h.MPLSLabel, h.MPLSOff = entry>>12, uint32(off)
		}
		off += labelLen
		if entry&0x100 != 0 { // bottom of stack
			return off, guessIP(data, off)
		}
	}
	return off, netNone
}

// guessIP tells by its first nibble what follows a stack of labels.
func guessIP(data []byte, off int) network {
	if off >= len(data) {
		return netCut
	}
	switch data[off] >> 4 {
	case 4:
		return netIPv4
	case 6:
		return netIPv6
	}
	return netNone
}

// readNull reads the address family in front of loopback frames. LINKTYPE_NULL
// has it in the byte order of the capturing machine, LINKTYPE_LOOP in network
// order, but files mix them up: families are small, so the order shows.
func readNull(data []byte) (int, network) {
	if len(data) < nullLen {
		return 0, netCut
	}
	family := be32(data)
	if family > 0xffff {
		family = bits.ReverseBytes32(family)
	}
	switch family {
	case 2: // AF_INET everywhere
		return nullLen, netIPv4
	case 10, 23, 24, 28, 30: // AF_INET6: Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin
		return nullLen, netIPv6
	}
	return nullLen, netNone
}
