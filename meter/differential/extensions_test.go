//go:build integration

package differential

// extension says where tshark has what one kind of IPv6 extension header holds.
type extension struct {
	next, length string // fields; no length where it is fixed
	unit, add    uint64 // octets = (length + add) * unit
}

// extensions are those that the meter walks over, by their number. Their
// lengths count units of 8 octets beyond the first 8 (RFC 8200 §4), that of AH
// units of 4 octets less 2 (RFC 4302 §2.2).
var extensions = map[uint8]extension{
	nextHopByHop: {"ipv6.hopopts.nxt", "ipv6.hopopts.len", 8, 1},
	43:           {"ipv6.routing.nxt", "ipv6.routing.len", 8, 1},
	nextFragment: {"ipv6.fraghdr.nxt", "", 8, 1},
	51:           {"ah.next_header", "ah.length", 4, 2},
	60:           {"ipv6.dstopts.nxt", "ipv6.dstopts.len", 8, 1},
	135:          {"mip6.proto", "mip6.hlen", 8, 1},
	139:          {"hip.proto", "hip.hdr_len", 8, 1},
	140:          {"shim6.nxt", "shim6.len", 8, 1},
}

const (
	nextHopByHop = 0
	nextFragment = 44

	minExtension = 8 // octets
)

// step is one extension header of a packet.
type step struct {
	kind, next uint8
	at         uint64 // octets from the start of the IPv6 header
}

// chain returns the outermost IPv6 header's extension headers, as far as tshark
// shows them. A fragment other than the first ends it: no header follows there
// (RFC 8200 §4.5).
func chain(r row) (steps []step) {
	kind, at := uint8(r.number("ipv6.nxt")), uint64(ipv6Header)
	seen := map[uint8]int{}
	for {
		e, known := extensions[kind]
		if !known {
			return steps
		}
		found := r.all(e.next)
		if seen[kind] == len(found) {
			return steps
		}
		next := uint8(number(found[seen[kind]]))
		steps = append(steps, step{kind, next, at})
		if kind == nextFragment && r.number("ipv6.fraghdr.offset") > 0 {
			return steps
		}
		at += e.octets(r, seen[kind])
		seen[kind]++
		kind = next
	}
}

// octets returns the length of the n-th header of its kind.
func (e extension) octets(r row, n int) uint64 {
	if e.length == "" {
		return e.unit * e.add
	}
	if found := r.all(e.length); n < len(found) {
		return (number(found[n]) + e.add) * e.unit
	}
	return 0
}

// lastHeader returns the protocol at the end of the chain: the last next header
// of those whose first octets were captured.
func lastHeader(r row) uint8 {
	last := uint8(r.number("ipv6.nxt"))
	link, ok := linkLen(r)
	for _, step := range chain(r) {
		if ok && r.number("frame.cap_len") < link+step.at+minExtension {
			break
		}
		last = step.next
	}
	return last
}
