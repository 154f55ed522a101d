package rules

import (
	"encoding/binary"
	"slices"

	"flowmeter/meter/packet"
)

// region is where scanned values lie.
type region uint8

const (
	inIPHeader        region = iota
	inTransportHeader        // the transport header
	inTCPOptions             // behind kind and length of each option
	inIPOptions
	inExtensions // the octets of each IPv6 extension header
	inLabels     // each entry of the MPLS label stack
)

// anyKind stands for options of all kinds; the kind itself is the value.
const anyKind = -1

// A scan finds the values of a field in the octets of a frame, however many
// there are. It costs nothing where no test asks for it.
type scan struct {
	in    region
	kind  int // of option or extension header
	at    int // offset of the value
	size  int // octets, 1 to 4; 0: being there is all there is to say
	shift uint32
	mask  uint64 // after the shift; 0 for all
	times uint64 // the value is so many times what stands there
	count int    // the value is how many times so many octets there are
}

// maxScanned is the most values that a scan finds: 40 octets of options.
const maxScanned = 40

// scanned appends the values of a scan to out, which has room for maxScanned.
func (s *state) scanned(v *scan, out []uint64) []uint64 {
	switch v.in {
	case inIPHeader:
		out = v.value(out, s.h.IPHeader(s.data))
	case inTransportHeader:
		out = v.value(out, s.h.Transport(s.data))
	case inTCPOptions:
		out = v.options(out, s.h.TCPOptions(s.data))
	case inIPOptions:
		out = v.options(out, s.h.IPv4Options(s.data))
	case inExtensions:
		for header, b, rest, ok := s.h.Extensions(s.data).Next(); ok; header, b, rest, ok = rest.Next() {
			if int(header) == v.kind {
				out = v.value(out, b)
			}
		}
	case inLabels:
		for entry, rest, ok := s.h.Labels(s.data).Next(); ok; entry, rest, ok = rest.Next() {
			out = append(out, v.cut(uint64(entry)))
		}
	}
	return out
}

func (v *scan) options(out []uint64, o packet.Options) []uint64 {
	for kind, body, rest, ok := o.Next(); ok; kind, body, rest, ok = rest.Next() {
		switch {
		case v.kind == anyKind:
			out = append(out, uint64(kind))
		case v.kind == int(kind):
			out = v.value(out, body)
		}
	}
	return out
}

// value appends the value that lies in b, if b is long enough.
func (v *scan) value(out []uint64, b []byte) []uint64 {
	switch {
	case len(b) < v.at+v.size:
		return out
	case v.count != 0 && len(b)%v.count != 0: // cut
		return out
	case v.count != 0:
		return append(out, uint64(len(b)/v.count))
	}
	b = b[v.at:]
	switch v.size {
	case 0:
		return append(out, 1)
	case 1:
		return append(out, v.cut(uint64(b[0])))
	case 2:
		return append(out, v.cut(uint64(binary.BigEndian.Uint16(b))))
	}
	return append(out, v.cut(uint64(binary.BigEndian.Uint32(b))))
}

func (v *scan) cut(n uint64) uint64 {
	if n >>= v.shift; v.mask != 0 {
		n &= v.mask
	}
	return n * max(v.times, 1)
}

// A scanTest is a test of scanned values.
type scanTest struct {
	scan  *scan
	spans []span
	mask  uint64
	all   bool // all values are to fit, and there is one
	not   bool // values fit that are in no span
}

func (t *scanTest) equal(o *scanTest) bool {
	return *t.scan == *o.scan && slices.Equal(t.spans, o.spans) && t.mask == o.mask && t.all == o.all && t.not == o.not
}

// holds is the test; it allocates nothing.
func (t *scanTest) holds(s *state) bool {
	var buf [maxScanned]uint64
	values := s.scanned(t.scan, buf[:0])
	for _, n := range values {
		if fits := inSpans(t.spans, n&t.mask) != t.not; fits != t.all {
			return fits
		}
	}
	return t.all && len(values) > 0
}
