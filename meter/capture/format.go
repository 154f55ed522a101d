package capture

import "fmt"

// A format finds the packets in the octets of a trace.
type format interface {
	// scan appends to frames, within its capacity, the packets of the whole
	// records in data from off on. The error says how the record at
	// scanned.off contradicts the format.
	scan(data []byte, off int, frames []Frame) (scanned, error)
}

// scanned is how far a scan came.
type scanned struct {
	off    int // where the first record begins that was not taken
	frames []Frame
	need   int    // octets of it that must be there to go on, as far as known
	part   string // what those octets are, to describe a trace that ends there
}

// Bounds on what a length field may ask for.
const (
	maxSnaplen = 256 << 10 // libpcap's MAXIMUM_SNAPLEN; files that state more get more
	maxRecord  = 16 << 20  // nothing larger is buffered
)

// maxTime is the latest time of a frame, in the year 2261: later ones are
// set to it, and a timeout can still be added to it.
const maxTime = ((1<<63-1)/second - 366*86400) * second

// second is a second in nanoseconds.
const second = 1_000_000_000

// unknownLink is a link type that nobody has registered.
const unknownLink = 0xffff

// linkType returns the LINKTYPE_ number of a link type field. Its upper 16
// bits tell of the frame check sequence and are dropped.
func linkType(field uint32) uint16 {
	switch link := uint16(field); link {
	case 12, 14: // DLT_RAW of various systems, in files that should say 101
		return 101
	default:
		return link
	}
}

// cutDetail describes a trace that ends with have of need octets.
func cutDetail(have, need int, part string) string {
	return fmt.Sprintf("%d of %d octets of %s there", have, need, part)
}

// detect tells the format of a trace that begins with data. It returns nil
// and the number of octets needed to decide, or nil and 0 for no trace.
func detect(data []byte, ended bool, ifaces *interfaceList) (f format, need int) {
	if len(data) < 4 {
		return nil, 4
	}
	if f := newPcap(data, ifaces); f != nil {
		return f, 0
	}
	if looksPcapng(data) {
		if len(data) < ngBlockHead && !ended {
			return nil, ngBlockHead
		}
		return &pcapng{ifaces: ifaces}, 0
	}
	yes, need := looksERF(data, ended)
	if yes {
		return newERF(ifaces), 0
	}
	return nil, need
}
