package packet

// Bits of the first word of L2TP over UDP (RFC 2661 §3.1, RFC 3931 §4.1.2.1).
const (
	l2tpControl  = 0x8000
	l2tpLength   = 0x4000
	l2tpSequence = 0x0800
	l2tpOffset   = 0x0200
	l2tpVersion  = 0x000f
	l2tpZero     = 0x34f0 // to be 0
)

// l2tp reads the header of L2TP over UDP. Control messages carry no packet.
func (t *Tunnel) l2tp(b []byte) carried {
	if len(b) < 2 {
		return carried{}
	}
	switch flags := be16(b); {
	case flags&(l2tpVersion|l2tpZero) == 2:
		return t.l2tp2(b, flags)
	case flags == 3 && len(b) >= 8:
		return t.l2tp3(be32(b[4:]), 8)
	}
	return carried{}
}

// l2tp2 reads a header of version 2, whose content is PPP.
func (t *Tunnel) l2tp2(b []byte, flags uint16) carried {
	c, off := carried{as: ppp, end: noEnd}, 2
	if flags&l2tpLength != 0 {
		if off += 2; len(b) < off {
			return carried{}
		}
		c.end = int(be16(b[2:]))
	}
	if len(b) < off+4 {
		return carried{}
	}
	if t.note(HasL2TP) {
		t.L2TPTunnel, t.L2TPSession = be16(b[off:]), be16(b[off+2:])
	}
	off += 4
	if flags&l2tpSequence != 0 {
		off += 4
	}
	if flags&l2tpOffset != 0 {
		if off += 2; len(b) < off {
			return carried{}
		}
		off += int(be16(b[off-2:]))
	}
	if flags&l2tpControl != 0 {
		return carried{}
	}
	c.off = off
	return c
}

// l2tpIP reads the header of version 3 over IP (RFC 3931 §4.1.1): session 0 is
// for control messages.
func (t *Tunnel) l2tpIP(b []byte) carried {
	if len(b) < 4 || be32(b) == 0 {
		return carried{}
	}
	return t.l2tp3(be32(b), 4)
}

func (t *Tunnel) l2tp3(session uint32, off int) carried {
	if t.note(HasL2TPv3) {
		t.L2TPSID = session
	}
	return carried{as: guessed, off: off, end: noEnd}
}

// l2tp3Gaps are the octets that may stand between session and content: a
// cookie of 0, 4 or 8 and a sublayer of 0 or 4, the usual ones first. Which
// they are was agreed when the session began, and the packets do not say.
var l2tp3Gaps = [...]int{4, 0, 8, 12}

// openGuessed looks for an Ethernet frame or an IP packet behind each of the
// gaps, and takes the first that is nothing else, surely: one that carries IP
// which agrees with itself and fills no more than there is, or ARP.
func openGuessed(h *Headers, b []byte, size, off int) bool {
	for _, gap := range l2tp3Gaps {
		if len(b) < gap || size < gap {
			continue
		}
		for _, as := range [...]content{ethernet, anyIP} {
			c := carried{as: as}
			if c.decode(h, b[gap:], size-gap) && h.surely(size-gap) {
				h.shift(uint32(off + gap))
				return true
			}
		}
	}
	return false
}

// surely tells whether a frame of size octets that h was read from is what it
// was taken for.
func (h *Headers) surely(size int) bool {
	if h.Layers&HasIP != 0 {
		return h.TotalLen >= minIPv4 && int(h.TotalLen) <= size && h.TTL != 0
	}
	return h.Layers&HasARP != 0
}
