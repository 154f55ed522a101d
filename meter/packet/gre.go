package packet

// Bits of the first word of a GRE header (RFC 2784, RFC 2890, RFC 2637).
const (
	greChecksum = 0x8000
	greRouting  = 0x4000 // RFC 1701; such packets are not opened
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080 // version 1
	greVersion  = 0x0007

	greLen = 4
)

// Protocols that GRE carries, besides EtherTypes of IP and MPLS.
const (
	etherBridged = 0x6558 // Ethernet: transparent bridging, NVGRE
	etherPPP     = 0x880b // PPTP
	etherERSPAN  = 0x88be // types I and II
	etherERSPAN3 = 0x22eb
)

// gre reads a GRE header, and that of ERSPAN behind it.
func (t *Tunnel) gre(b []byte) carried {
	if len(b) < greLen {
		return carried{}
	}
	flags, typ := be16(b), be16(b[2:])
	size := greSize(flags)
	if size == 0 || len(b) < size {
		return carried{}
	}
	if t.note(HasGRE) && flags&(greKey|greVersion) == greKey {
		t.Has |= HasGREKey
		t.GREKey = be32(b[greKeyAt(flags):])
	}
	switch {
	case flags&greVersion == 1:
		return pptp(b, flags, typ, size)
	case typ == etherBridged:
		return carried{as: ethernet, off: size, end: noEnd}
	case typ == etherERSPAN:
		return t.erspan(b, size, flags&greSequence != 0)
	case typ == etherERSPAN3:
		return t.erspan3(b, size)
	}
	return carried{as: etherType, typ: typ, off: size, end: noEnd}
}

// greKeyAt returns where the key stands, if there is one.
func greKeyAt(flags uint16) int {
	if flags&greChecksum != 0 && flags&greVersion == 0 {
		return 8
	}
	return 4
}

// greSize returns the octets of a header; 0 for one that cannot be read.
func greSize(flags uint16) int {
	version := flags & greVersion
	if version > 1 || flags&greRouting != 0 || version == 1 && flags&(greKey|greChecksum) != greKey {
		return 0
	}
	size := greKeyAt(flags)
	if flags&greKey != 0 {
		size += 4
	}
	if flags&greSequence != 0 {
		size += 4
	}
	if flags&greAck != 0 && version == 1 {
		size += 4
	}
	return size
}

// pptp is the enhanced header of PPTP (RFC 2637 §4.1), whose key is the
// payload's length and the call. Without a sequence number it carries nothing.
func pptp(b []byte, flags, typ uint16, size int) carried {
	if typ != etherPPP || flags&greSequence == 0 {
		return carried{}
	}
	return carried{as: ppp, off: size, end: size + int(be16(b[4:]))}
}

// Octets of the headers of ERSPAN behind that of GRE
// (draft-foschiano-erspan-03 §4).
const (
	erspan2Len   = 8
	erspan3Len   = 12
	erspanSubLen = 8 // platform specific subheader

	erspanHasSub = 1      // the O bit of the last word
	erspanType   = 0x7c00 // of type III: what is mirrored, in the upper half of that word
)

// erspan reads the header of type II; type I, which has neither a sequence
// number nor a header, is Ethernet at once.
func (t *Tunnel) erspan(b []byte, off int, sequence bool) carried {
	if !sequence {
		t.note(HasERSPAN)
		return carried{as: ethernet, off: off, end: noEnd}
	}
	if len(b) < off+erspan2Len {
		return carried{}
	}
	t.noteSpan(b[off:])
	return carried{as: ethernet, off: off + erspan2Len, end: noEnd}
}

// erspan3 reads the header of type III. What it mirrors is Ethernet (frame type
// 0) or IP (2).
func (t *Tunnel) erspan3(b []byte, off int) carried {
	if len(b) < off+erspan3Len {
		return carried{}
	}
	t.noteSpan(b[off:])
	last := be16(b[off+erspan3Len-2:])
	off += erspan3Len
	if last&erspanHasSub != 0 {
		off += erspanSubLen
	}
	switch (last & erspanType) >> 10 {
	case 0:
		return carried{as: ethernet, off: off, end: noEnd}
	case 2:
		return carried{as: anyIP, off: off, end: noEnd}
	}
	return carried{}
}

func (t *Tunnel) noteSpan(b []byte) {
	if t.note(HasERSPAN) {
		t.Has |= HasSpanID
		t.SpanID = be16(b[2:]) & 0x3ff
	}
}
