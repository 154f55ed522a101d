//go:build integration

package differential

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// fields are asked of tshark for each frame. It gives all occurrences of each;
// the first is the outermost header's, the one that occurrence=f would leave.
// The others serve to walk chains of IPv6 extension headers.
var fields = []string{
	"frame.number", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.encap_type", "frame.protocols",
	"ip.version", "ip.hdr_len", "ip.len", "ip.id", "ip.flags.mf", "ip.frag_offset", "ip.proto", "ip.src", "ip.dst",
	"ipv6.src", "ipv6.dst", "ipv6.plen", "ipv6.nxt", "ipv6.opt.jumbo",
	"ipv6.hopopts.nxt", "ipv6.routing.nxt", "ipv6.dstopts.nxt", "ah.next_header", "mip6.proto", "hip.proto", "shim6.nxt",
	"ipv6.hopopts.len", "ipv6.routing.len", "ipv6.dstopts.len", "ah.length", "mip6.hlen", "hip.hdr_len", "shim6.len",
	"ipv6.fraghdr.nxt", "ipv6.fraghdr.offset", "ipv6.fraghdr.more", "ipv6.fraghdr.ident",
	"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
	"sctp.srcport", "sctp.dstport", "dccp.srcport", "dccp.dstport",
}

// row is what tshark says of one frame: a column for each of fields.
type row []string

// all returns the occurrences of a field, the outermost header's first.
func (r row) all(field string) []string {
	s := r[slices.Index(fields, field)]
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// first returns the first occurrence of a field, or nothing.
func (r row) first(field string) string {
	s, _, _ := strings.Cut(r[slices.Index(fields, field)], ",")
	return s
}

func (r row) has(field string) bool { return r.first(field) != "" }

// number returns the first occurrence of a field, or 0.
func (r row) number(field string) uint64 { return number(r.first(field)) }

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 0, 64) // what is not there is 0
	return n
}

// time returns when the frame was captured, in ns since 1970.
func (r row) time() int64 {
	s, fraction, _ := strings.Cut(r.first("frame.time_epoch"), ".")
	n, _ := strconv.ParseInt(s+(fraction + "000000000")[:9], 10, 64)
	return n
}

// layers returns tshark's names of the frame's headers, the outermost first.
func (r row) layers() []string { return strings.Split(r.first("frame.protocols"), ":") }

// link returns the names of the headers in front of the first IP header.
func (r row) link() []string {
	layers := r.layers()
	if i := slices.IndexFunc(layers, isIP); i >= 0 {
		return layers[:i]
	}
	return layers
}

func isIP(layer string) bool { return layer == "ip" || layer == "ipv6" }

// sighting is what a row says of a packet.
type sighting struct {
	counted bool // as an IP packet
	way
	octets uint64 // IP header and payload
}

const ipv6Header = 40 // octets (RFC 8200 §3)

// plain reads a row as it stands: the first occurrence of each field.
func plain(r row) (s sighting) {
	layers := r.layers()
	i := slices.IndexFunc(layers, isIP)
	if i < 0 {
		return s
	}
	if s.counted = true; layers[i] == "ip" {
		s.version, s.proto, s.octets = 4, uint8(r.number("ip.proto")), r.number("ip.len")
		s.src.addr, s.dst.addr = address(r.first("ip.src")), address(r.first("ip.dst"))
	} else {
		s.version, s.proto, s.octets = 6, uint8(r.number("ipv6.nxt")), ipv6Header+r.number("ipv6.plen")
		s.src.addr, s.dst.addr = address(r.first("ipv6.src")), address(r.first("ipv6.dst"))
	}
	for _, name := range layers[i:] {
		prefix := portFields[name]
		if prefix != "" && r.has(prefix+".srcport") && r.has(prefix+".dstport") {
			s.ports = true
			s.src.port, s.dst.port = uint16(r.number(prefix+".srcport")), uint16(r.number(prefix+".dstport"))
			break
		}
	}
	return s
}

// portFields is what the fields begin with that hold the ports of a layer.
var portFields = map[string]string{"tcp": "tcp", "udp": "udp", "udplite": "udp", "sctp": "sctp", "dccp": "dccp"}

// address returns the address that s is; the zero Addr if it is none.
func address(s string) netip.Addr {
	a, _ := netip.ParseAddr(s)
	return a
}
