package packet

import "math"

// TunnelSet is a set of tunnel headers.
type TunnelSet uint16

const (
	HasIPIP   TunnelSet = 1 << iota // IPv4 or IPv6 straight in IP (RFC 2003, RFC 2473, RFC 4213)
	HasGRE                          // RFC 2784, NVGRE (RFC 7637) and PPTP (RFC 2637) among it
	HasGREKey                       // GREKey
	HasERSPAN                       // GRE of a switch that mirrors, types I to III
	HasSpanID                       // SpanID; not in type I
	HasVXLAN                        // VXLANVNI (RFC 7348), VXLAN-GPE among it
	HasGeneve                       // GeneveVNI (RFC 8926)
	HasGTP                          // TEID: GTP-U (3GPP TS 29.281)
	HasL2TP                         // L2TPTunnel, L2TPSession: version 2 (RFC 2661)
	HasL2TPv3                       // L2TPSID (RFC 3931)
)

// A Tunnel is what Open found within a packet. Of several headers of one kind
// the outermost is noted.
type Tunnel struct {
	Has         TunnelSet // headers that are whole, whether or not what they carry could be read
	Depth       uint8     // packets within packets that could be read
	GREKey      uint32
	VXLANVNI    uint32 // 24 bits
	GeneveVNI   uint32 // 24 bits
	TEID        uint32
	L2TPSID     uint32
	L2TPTunnel  uint16
	L2TPSession uint16
	SpanID      uint16 // 10 bits

	// Inner is the innermost packet; valid if Depth > 0. Time, Iface, WireLen
	// and CapLen are those of the frame, in which offsets count, too; its link
	// headers are those that the tunnel carries, if any.
	Inner Headers
}

// maxTunnels bounds the tunnels within tunnels that are opened.
const maxTunnels = 8

// Open looks for the innermost packet in a frame that h was decoded from, and
// tells whether there is one. A tunnel can be opened whose content is a packet
// with its whole IP header, as Decode wants it, or an Ethernet frame that holds
// no IP. Where one cannot (the capture ends before, an encrypted or unknown
// content, a later fragment), the packet that carries it is the innermost.
//
// It allocates nothing and keeps no reference to data.
func (t *Tunnel) Open(h *Headers, data []byte) bool {
	t.Has, t.Depth = 0, 0
	if h.Layers&HasPayload == 0 {
		return false
	}
	outer, next := h, Headers{}
	for t.Depth < maxTunnels {
		if !t.openOne(outer, data, &next) {
			break
		}
		next.shift(outer.PayloadOff)
		next.Time, next.Iface, next.WireLen, next.CapLen = h.Time, h.Iface, h.WireLen, h.CapLen
		t.Inner = next
		t.Depth++
		outer = &t.Inner
	}
	return t.Depth > 0
}

// openOne reads what the payload of outer carries into h, with offsets from
// the start of that payload.
func (t *Tunnel) openOne(outer *Headers, data []byte, h *Headers) bool {
	size := int(min(outer.PayloadLen, math.MaxInt32))
	b := outer.Payload(data)
	c := t.header(outer, b, size)
	end := min(c.end, size)
	if c.as == nothing || c.off > end {
		return false
	}
	b = b[min(c.off, len(b)):min(end, len(b))]
	if c.as == guessed {
		return openGuessed(h, b, end-c.off, c.off)
	}
	if !c.decode(h, b, end-c.off) {
		return false
	}
	h.shift(uint32(c.off))
	return true
}

// shift makes offsets those in a frame that the one at hand begins in at off.
func (h *Headers) shift(off uint32) {
	h.MPLSOff += off
	h.NetworkOff += off
	h.TransportOff += off
	h.PayloadOff += off
}

// content is what a tunnel carries.
type content uint8

const (
	nothing   content = iota // that could be read
	etherType                // what carried.typ says
	ethernet
	ppp
	anyIP
	guessed // Ethernet somewhere near
)

// carried is what a tunnel header says of its content.
type carried struct {
	as  content
	typ uint16 // EtherType
	off int    // from the start of the tunnel header
	end int    // likewise
}

// noEnd is the end of what ends with the packet around it.
const noEnd = math.MaxInt32

// decode reads the content, of which b was captured and size octets were on
// the wire, and tells whether it is a packet or frame that can be metered.
func (c *carried) decode(h *Headers, b []byte, size int) bool {
	out := NotIP
	switch c.as {
	case ethernet:
		out = Decode(h, LinkEthernet, b, uint32(size))
	case ppp:
		out = Decode(h, LinkPPP, b, uint32(size))
	case anyIP:
		out = Decode(h, LinkRaw, b, uint32(size))
	case etherType:
		h.CapLen, h.WireLen = uint32(len(b)), uint32(size)
		h.Layers, h.EtherType = HasEtherType, c.typ
		off, net := readNetwork(h, b, 0, c.typ)
		out = decodeNetwork(h, b, off, net)
	}
	return out == OK || out == NotIP && c.as == ethernet && h.Layers&HasMAC != 0
}

// header reads the tunnel header that the payload b of h begins with, which is
// of size octets on the wire.
func (t *Tunnel) header(h *Headers, b []byte, size int) carried {
	switch h.Proto {
	case protoIPv4:
		t.Has |= HasIPIP
		return carried{as: etherType, typ: etherIPv4, end: noEnd}
	case protoIPv6:
		t.Has |= HasIPIP
		return carried{as: etherType, typ: etherIPv6, end: noEnd}
	case protoGRE:
		return t.gre(b)
	case protoL2TP:
		return t.l2tpIP(b)
	case ProtoUDP:
		return t.udp(h, b)
	}
	return carried{}
}

// IP protocol numbers of tunnels.
const (
	protoIPv4 = 4
	protoIPv6 = 41
	protoGRE  = 47
	protoL2TP = 115
)

// UDP ports of tunnels (https://www.iana.org/assignments/service-names-port-numbers).
const (
	portL2TP     = 1701
	portGTPU     = 2152
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portGeneve   = 6081
	portVXLANOld = 8472 // of Linux, from before there was a number
)

// udp tells a tunnel by its port: the destination's, which is the only one that
// is fixed; of L2TP, whose ends may answer from any port, either.
func (t *Tunnel) udp(h *Headers, b []byte) carried {
	if h.Layers&(HasUDP|HasPorts) != HasUDP|HasPorts {
		return carried{}
	}
	switch h.DstPort {
	case portVXLAN, portVXLANOld, portVXLANGPE:
		return t.vxlan(b, h.DstPort == portVXLANGPE)
	case portGeneve:
		return t.geneve(b)
	case portGTPU:
		return t.gtp(b)
	case portL2TP:
		return t.l2tp(b)
	}
	if h.SrcPort == portL2TP {
		return t.l2tp(b)
	}
	return carried{}
}

// note adds a header to those found, and tells whether it is the first of its
// kind.
func (t *Tunnel) note(has TunnelSet) bool {
	first := t.Has&has == 0
	t.Has |= has
	return first
}
