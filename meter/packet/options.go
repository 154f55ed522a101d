package packet

import "math"

// This file finds what Decode walks over: options, extension headers and the
// labels below the top one. Whoever asks hands in the frame that the headers
// were decoded from; who does not ask pays nothing.

// behind returns what was captured of the frame from off on.
func behind(data []byte, off uint32) []byte {
	if uint64(off) >= uint64(len(data)) {
		return nil
	}
	return data[off:]
}

// IPHeader returns what was captured of the frame from its IP header on; nil
// without IP.
func (h *Headers) IPHeader(data []byte) []byte {
	if h.Layers&HasIP == 0 {
		return nil
	}
	return behind(data, h.NetworkOff)
}

// hasTransport are the layers of which one is there if a transport header is.
const hasTransport = HasTCP | HasUDP | HasSCTP | HasDCCP | HasICMP | HasICMPv6

// Transport returns what was captured of the frame from its transport header on;
// nil if its fields are not there.
func (h *Headers) Transport(data []byte) []byte {
	if h.Layers&hasTransport == 0 {
		return nil
	}
	return behind(data, h.TransportOff)
}

// Options are the options of a TCP or IPv4 header that are still to be read.
type Options struct {
	rest []byte
	cut  bool // the capture ends before they do
}

// TCPOptions returns what was captured of the options of a TCP header.
func (h *Headers) TCPOptions(data []byte) Options {
	b := h.Transport(data)
	if h.Layers&HasTCP == 0 || len(b) < minTCP {
		return Options{}
	}
	return optionsOf(b, minTCP, int(b[12]>>4)*4)
}

// IPv4Options returns what was captured of the options of an IPv4 header.
func (h *Headers) IPv4Options(data []byte) Options {
	b := h.IPHeader(data)
	if h.Layers&HasIPv4 == 0 || len(b) < minIPv4 {
		return Options{}
	}
	return optionsOf(b, minIPv4, int(b[0]&0x0f)*4)
}

// optionsOf returns the octets of a header between its fixed part and its end.
func optionsOf(b []byte, from, to int) Options {
	end := min(to, len(b))
	if end <= from {
		return Options{}
	}
	return Options{b[from:end], end < to}
}

// Option kinds of one octet, the same in TCP and IPv4.
const (
	optionEnd  = 0
	optionNone = 1
)

// Next returns the kind of the next option, what was captured of its octets
// behind the length, and what follows. It is false at the end of the list, and at
// an option that goes beyond it.
func (o Options) Next() (kind uint8, body []byte, rest Options, ok bool) {
	b := o.rest
	switch {
	case len(b) == 0:
		return 0, nil, Options{}, false
	case b[0] == optionEnd:
		return optionEnd, nil, Options{}, true
	case b[0] == optionNone:
		return optionNone, nil, Options{b[1:], o.cut}, true
	case len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) && !o.cut:
		return 0, nil, Options{}, false
	}
	size := min(int(b[1]), len(b))
	return b[0], b[2:size], Options{b[size:], o.cut}, true
}

// Extensions are the IPv6 extension headers that are still to be read.
type Extensions struct {
	rest []byte
	next uint8
	left int
}

// Extensions returns the extension headers of an IPv6 packet, as far as they
// were captured.
func (h *Headers) Extensions(data []byte) Extensions {
	b := h.IPHeader(data)
	if h.Layers&HasIPv6 == 0 || len(b) < minIPv6 {
		return Extensions{}
	}
	end := min(len(b), max(minIPv6, int(min(h.TotalLen, math.MaxInt32))))
	return Extensions{b[minIPv6:end], b[6], maxExtensions}
}

// Next returns the number of the next extension header, its octets as far as
// they were captured (at least the first eight), and what follows.
func (e Extensions) Next() (header uint8, b []byte, rest Extensions, ok bool) {
	if e.left == 0 || len(e.rest) < minExtension || !isExtension(e.next) {
		return 0, nil, Extensions{}, false
	}
	header, b = e.next, e.rest
	size := min(extensionLen(header, b[1]), len(b))
	rest = Extensions{b[size:], b[0], e.left - 1}
	if header == nextFragment && be16(b[2:4])>>3 != 0 {
		rest = Extensions{} // what follows is the middle of something
	}
	return header, b[:size], rest, true
}

// Labels are the entries of an MPLS label stack that are still to be read.
type Labels struct {
	rest []byte
	left int
}

// Labels returns the label stack of a frame, the top first.
func (h *Headers) Labels(data []byte) Labels {
	if h.Layers&HasMPLS == 0 {
		return Labels{}
	}
	return Labels{behind(data, h.MPLSOff), maxLinkHeaders}
}

// Next returns the next entry (label, 20 bits; traffic class, 3; bottom of stack,
// 1; time to live, 8), and what follows.
func (l Labels) Next() (entry uint32, rest Labels, ok bool) {
	if l.left == 0 || len(l.rest) < labelLen {
		return 0, Labels{}, false
	}
	entry = be32(l.rest)
	if entry&0x100 != 0 {
		return entry, Labels{}, true
	}
	return entry, Labels{l.rest[labelLen:], l.left - 1}, true
}
