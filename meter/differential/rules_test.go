//go:build integration

package differential

import "slices"

// A rule is a kind of frame of which the first occurrences of tshark's fields
// are not what is to be counted. Whether it applies is judged by what tshark
// says, never by what the meter says; what is counted instead follows from
// that. All else must be the same on both sides.
type rule struct {
	name    string
	applies func(x *reading, r row, s *sighting) bool
	amend   func(x *reading, r row, s *sighting)
}

// ruleBook is gone through for each row with an IP header, in this order; a
// rule sees what those before it left.
var ruleBook = []rule{
	{"link type that the meter does not read", foreignLink, leaveOut},
	{"IP behind a link header that the meter does not open", closedLink, leaveOut},
	{"malformed: IP version other than the link header says", otherVersion, leaveOut},
	{"malformed: IPv4 header length below 20, or total length below that", badLength, leaveOut},
	{"truncated or malformed: IP header not whole", cutHeader, leaveOut},
	{"jumbogram: the octets are the rest of the frame on the wire", noLength, restOfFrame},
	{"jumbogram without jumbo option: tshark does not read on", noJumboOption, readOn},
	{"IPv6 extension headers: the last next header is the protocol", extended, lastProtocol},
	{"ICMP error: the ports are those of the packet that it quotes", quoted, withoutPorts},
	{"tunnel: the ports are those of the packet inside", carried, withoutPorts},
	{"later fragment: the ports are those of its first fragment", laterFragment, portsOfFirst},
}

func leaveOut(_ *reading, _ row, s *sighting)     { s.counted = false }
func withoutPorts(_ *reading, _ row, s *sighting) { s.ports, s.src.port, s.dst.port = false, 0, 0 }

// linkHeaders are tshark's names of the headers that the meter reads in front
// of IP, and their octets; unfixed if these differ from frame to frame. Those
// that the trace format adds, and those that tshark makes up, have none.
var linkHeaders = map[string]int{
	"eth": 14, "ethertype": 0, "vlan": 4, "ieee8021ad": 4, "mpls": 4, "pppoes": 6,
	"null": 4, "raw": 0, "erf": 0,
	"sll": unfixed, "llc": unfixed, "ppp": unfixed, "radiotap": unfixed, "wlan_radio": 0, "wlan": unfixed,
}

const unfixed = -1

// linkTypes are the names of what frames of the link types begin with that the
// meter reads (the constants Link… of its package packet).
var linkTypes = []string{"eth", "sll", "null", "ppp", "pppoes", "raw", "ip", "ipv6", "radiotap", "wlan", "erf"}

func foreignLink(_ *reading, r row, _ *sighting) bool {
	return !slices.Contains(linkTypes, r.layers()[0])
}

func closedLink(_ *reading, r row, _ *sighting) bool {
	return slices.ContainsFunc(r.link(), func(name string) bool {
		_, opened := linkHeaders[name]
		return !opened
	})
}

// linkLen returns the octets in front of the first IP header, if they can be
// told.
func linkLen(r row) (octets uint64, ok bool) {
	for _, name := range r.link() {
		if linkHeaders[name] == unfixed {
			return 0, false
		}
		octets += uint64(linkHeaders[name])
	}
	return octets, true
}

// otherVersion: tshark goes by the packet's first four bits, whatever the
// EtherType or the link type says.
func otherVersion(_ *reading, r row, s *sighting) bool {
	return r.has("ip.version") && r.number("ip.version") != uint64(s.version)
}

// badLength: a header is at least 20 octets and part of the total length
// (RFC 791 §3.1). tshark calls it bogus and reads no further.
func badLength(_ *reading, r row, s *sighting) bool {
	const least = 20
	size := r.number("ip.hdr_len")
	return s.version == 4 && (r.has("ip.hdr_len") && size < least || r.has("ip.len") && r.number("ip.len") < size)
}

// cutHeader: tshark gives the fields that were captured. The destination is the
// last that every header has; options follow it in IPv4.
func cutHeader(_ *reading, r row, s *sighting) bool {
	if !s.dst.addr.IsValid() {
		return true
	}
	link, ok := linkLen(r)
	return ok && s.version == 4 && r.number("frame.cap_len") < link+r.number("ip.hdr_len")
}

// noLength: tshark fills in a payload length of 0, but where a hop-by-hop
// header comes first it may hold the length (RFC 2675 §2).
func noLength(_ *reading, r row, s *sighting) bool {
	_, ok := linkLen(r)
	return ok && s.version == 6 && r.number("ipv6.plen") == 0 && s.proto == nextHopByHop
}

func restOfFrame(_ *reading, r row, s *sighting) {
	link, _ := linkLen(r)
	s.octets = r.number("frame.len") - link
}

// noJumboOption: such a packet is in error (RFC 2675 §3), and tshark takes the
// length at its word. To the meter it is one that a network card was to
// segment, so hop-by-hop headers are walked over in the octets of the frame.
func noJumboOption(x *reading, r row, s *sighting) bool {
	return noLength(x, r, s) && !r.has("ipv6.opt.jumbo") && !r.has("ipv6.hopopts.nxt")
}

func readOn(x *reading, r row, s *sighting) {
	link, _ := linkLen(r)
	frame := x.octets(r.number("frame.number"))
	for at := int(link + ipv6Header); s.proto == nextHopByHop && at+1 < len(frame); {
		s.proto, at = frame[at], at+8*(1+int(frame[at+1]))
	}
}

// extended: where less than 8 octets of an extension header were captured, and
// none is shorter (RFC 8200 §4), its own number is the last.
func extended(_ *reading, r row, s *sighting) bool {
	return s.version == 6 && lastHeader(r) != uint8(r.number("ipv6.nxt"))
}

func lastProtocol(_ *reading, r row, s *sighting) { s.proto = lastHeader(r) }

func quoted(_ *reading, _ row, s *sighting) bool {
	const icmp, icmpv6 = 1, 58
	return s.ports && (s.proto == icmp || s.proto == icmpv6)
}

func carried(_ *reading, _ row, s *sighting) bool {
	return s.ports && !slices.Contains(protocolsWithPorts, s.proto)
}

// protocolsWithPorts are TCP, UDP, DCCP, SCTP and UDP-Lite.
var protocolsWithPorts = []uint8{6, 17, 33, 132, 136}

func laterFragment(x *reading, r row, s *sighting) bool {
	_, found := x.fragments.first(r, s)
	return found
}

func portsOfFirst(x *reading, r row, s *sighting) {
	f, _ := x.fragments.first(r, s)
	s.proto, s.ports, s.src.port, s.dst.port = f.proto, true, f.src, f.dst
}
