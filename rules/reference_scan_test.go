package rules

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"flowmeter/meter/packet"
)

// This file is the reference's reading of what stands in the octets of frames,
// and of tests of octets, masks and texts.

// refOption is an option or an extension header, with its octets behind kind
// and length, or all of them.
type refOption struct {
	kind int
	body []byte
}

func refOptions(b []byte, cut bool) (list []refOption) {
	for len(b) > 0 {
		if b[0] == 0 {
			return append(list, refOption{0, nil})
		}
		if b[0] == 1 {
			list, b = append(list, refOption{1, nil}), b[1:]
			continue
		}
		if len(b) == 1 || b[1] < 2 || int(b[1]) > len(b) && !cut {
			return list
		}
		size := min(int(b[1]), len(b))
		list, b = append(list, refOption{int(b[0]), b[2:size]}), b[size:]
	}
	return list
}

// refHeader returns the octets from a header on, and those behind its fixed
// part up to where the length in one of its octets says that it ends.
func refHeader(h *packet.Headers, need packet.Layer, off uint32, fixed int, words func([]byte) int) (all, options []byte, cut bool) {
	data := frameOf(h)
	if h.Layers&need == 0 || int(off) >= len(data) {
		return nil, nil, false
	}
	if all = data[off:]; len(all) < fixed {
		return all, nil, true
	}
	if end := min(4*words(all), len(all)); end > fixed {
		options = all[fixed:end]
	}
	return all, options, 4*words(all) > len(all)
}

func refTCP(h *packet.Headers) ([]byte, []byte, bool) {
	return refHeader(h, packet.HasTCP, h.TransportOff, 20, func(b []byte) int { return int(b[12] / 16) })
}

func refIPv4(h *packet.Headers) ([]byte, []byte, bool) {
	return refHeader(h, packet.HasIPv4, h.NetworkOff, 20, func(b []byte) int { return int(b[0] % 16) })
}

func refExtensions(h *packet.Headers) (list []refOption) {
	b, _, _ := refHeader(h, packet.HasIPv6, h.NetworkOff, 40, func([]byte) int { return 0 })
	if len(b) < 40 {
		return nil
	}
	next := int(b[6])
	if b = b[:min(len(b), int(h.TotalLen))]; len(b) < 40 {
		return nil
	}
	for b = b[40:]; len(b) >= 8 && len(list) < 16; {
		size := 8 * (int(b[1]) + 1)
		switch next {
		case 44:
			size = 8
		case 51:
			size = 4 * (int(b[1]) + 2)
		case 0, 43, 60, 135, 139, 140:
		default:
			return list
		}
		whole := b[:min(size, len(b))]
		list = append(list, refOption{next, whole})
		if next == 44 && int(b[2])*256+int(b[3]) > 7 {
			return list
		}
		next, b = int(b[0]), b[len(whole):]
	}
	return list
}

// octetsAt returns the number of size octets at an offset, if they are there.
func octetsAt(b []byte, at, size int) []any {
	if len(b) < at+size {
		return nil
	}
	n := uint64(0)
	for _, o := range b[at : at+size] {
		n = n<<8 | uint64(o)
	}
	return []any{n}
}

// ofOptions reads each option of a kind; -1 are all.
func ofOptions(list func(*packet.Headers) []refOption, kind int, read func(refOption) []any) func(*packet.Headers) []any {
	return func(h *packet.Headers) (out []any) {
		for _, o := range list(h) {
			if kind == -1 || o.kind == kind {
				out = append(out, read(o)...)
			}
		}
		return out
	}
}

func there(refOption) []any { return []any{uint64(1)} }

func kindOf(o refOption) []any { return []any{uint64(o.kind)} }

func octetsOf(at, size int) func(refOption) []any {
	return func(o refOption) []any { return octetsAt(o.body, at, size) }
}

// changed applies f to what get finds.
func changed(get func(*packet.Headers) []any, f func(uint64) uint64) func(*packet.Headers) []any {
	return func(h *packet.Headers) []any {
		out := get(h)
		for i := range out {
			out[i] = f(out[i].(uint64))
		}
		return out
	}
}

func refLabels(h *packet.Headers) (out []any) {
	data := frameOf(h)
	if h.Layers&packet.HasMPLS == 0 {
		return nil
	}
	for at := int(h.MPLSOff); at+4 <= len(data) && len(out) < 16; at += 4 {
		out = append(out, octetsAt(data, at, 4)...)
		if data[at+2]%2 == 1 {
			break
		}
	}
	return out
}

func addScanned(m map[string]func(*packet.Headers) []any) {
	tcpOptions := func(h *packet.Headers) []refOption { _, o, cut := refTCP(h); return refOptions(o, cut) }
	ipOptions := func(h *packet.Headers) []refOption { _, o, cut := refIPv4(h); return refOptions(o, cut) }
	ofTCP := func(at, size int) func(*packet.Headers) []any {
		return func(h *packet.Headers) []any { b, _, _ := refTCP(h); return octetsAt(b, at, size) }
	}
	ofIP := func(at, size int) func(*packet.Headers) []any {
		return func(h *packet.Headers) []any { b, _, _ := refIPv4(h); return octetsAt(b, at, size) }
	}
	m["tcp.hdr_len"] = changed(ofTCP(12, 1), func(n uint64) uint64 { return n / 16 * 4 })
	m["tcp.checksum"], m["tcp.urgent_pointer"] = ofTCP(16, 2), ofTCP(18, 2)
	m["ip.hdr_len"] = changed(ofIP(0, 1), func(n uint64) uint64 { return n % 16 * 4 })
	m["ip.flags"] = changed(ofIP(6, 1), func(n uint64) uint64 { return n / 32 })
	m["ip.checksum"] = ofIP(10, 2)
	m["ip.opt.type"], m["tcp.option_kind"] = ofOptions(ipOptions, -1, kindOf), ofOptions(tcpOptions, -1, kindOf)
	m["udp.length"] = func(h *packet.Headers) []any {
		if h.Layers&packet.HasPorts == 0 || h.Proto != packet.ProtoUDP {
			return nil
		}
		b, _, _ := refHeader(h, packet.HasUDP, h.TransportOff, 8, func([]byte) int { return 0 })
		return octetsAt(b, 4, 2)
	}
	for name, kind := range map[string]int{"mss": 2, "wscale": 3, "sack_perm": 4, "sack": 5, "timestamp": 8} {
		m["tcp.options."+name] = ofOptions(tcpOptions, kind, there)
	}
	m["tcp.options.mss_val"] = ofOptions(tcpOptions, 2, octetsOf(0, 2))
	m["tcp.options.wscale.shift"] = ofOptions(tcpOptions, 3, octetsOf(0, 1))
	m["tcp.options.timestamp.tsval"] = ofOptions(tcpOptions, 8, octetsOf(0, 4))
	m["tcp.options.timestamp.tsecr"] = ofOptions(tcpOptions, 8, octetsOf(4, 4))
	m["tcp.options.sack.count"] = ofOptions(tcpOptions, 5, func(o refOption) []any {
		if len(o.body)%8 != 0 {
			return nil
		}
		return []any{uint64(len(o.body) / 8)}
	})
	for name, header := range map[string]int{"hopopts": 0, "routing": 43, "fraghdr": 44, "dstopts": 60} {
		m["ipv6."+name] = ofOptions(refExtensions, header, there)
	}
	m["extensions"] = func(h *packet.Headers) []any {
		set := uint64(0)
		for i, header := range []int{0, 43, 44, 51, 60, 135, 139, 140} {
			if len(ofOptions(refExtensions, header, there)(h)) > 0 {
				set |= 1 << i
			}
		}
		if h.Layers&packet.HasIPv6 == 0 {
			return nil
		}
		return []any{set}
	}
	m["ipv6.routing.type"] = ofOptions(refExtensions, 43, octetsOf(2, 1))
	m["ipv6.routing.segleft"] = ofOptions(refExtensions, 43, octetsOf(3, 1))
	m["ipv6.fraghdr.offset"] = changed(ofOptions(refExtensions, 44, octetsOf(2, 2)), func(n uint64) uint64 { return n / 8 })
	m["ipv6.fraghdr.more"] = changed(ofOptions(refExtensions, 44, octetsOf(3, 1)), func(n uint64) uint64 { return n % 2 })
	m["ipv6.fraghdr.ident"] = ofOptions(refExtensions, 44, octetsOf(4, 4))
	m["mpls.label"] = changed(refLabels, func(n uint64) uint64 { return n / 4096 })
	m["mpls.exp"] = changed(refLabels, func(n uint64) uint64 { return n / 512 % 8 })
	m["mpls.bottom"] = changed(refLabels, func(n uint64) uint64 { return n / 256 % 2 })
	m["mpls.ttl"] = changed(refLabels, func(n uint64) uint64 { return n % 256 })
}

func refTime(h *packet.Headers) time.Time { return time.Unix(0, max(h.Time, 0)).UTC() }

// refBytes returns the octets of a value.
func refBytes(v any) []byte {
	if a, ok := v.(netip.Addr); ok {
		return a.AsSlice()
	}
	n, b := v.(uint64), make([]byte, 6)
	for i := range b {
		b[i] = byte(n >> (8 * (5 - i)))
	}
	return b
}

// refSlice takes what a slice takes.
func refSlice(b []byte, slice []octetRange) (out []byte) {
	if slice == nil {
		return bytes.Clone(b)
	}
	for _, r := range slice {
		from := (r.off + len(b)) % len(b)
		if r.toEnd {
			out = append(out, b[from:]...)
		} else {
			out = append(out, b[from:from+r.size]...)
		}
	}
	return out
}

// refLiteralBytes returns the octets that a literal stands for.
func refLiteralBytes(l literal) []byte {
	if l.kind == litAddr {
		return l.prefix.Addr().AsSlice()
	}
	return []byte(l.octets)
}

// refOctets compares octets; v is the value of a field.
func (s *refState) refOctets(e *expr, v any) bool {
	b := refSlice(refBytes(v), e.slice)
	if e.mask != nil {
		for i, m := range refLiteralBytes(*e.mask) {
			b[i] &= m
		}
	}
	if e.kind == exprHas {
		return len(bytes.Trim(b, "\x00")) > 0
	}
	for _, it := range e.items {
		lo := refLiteralBytes(it.lo)
		c := bytes.Compare(b, lo)
		fits := map[string]bool{"==": c == 0, "!=": c == 0, "in": c == 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0,
			"contains": strings.Contains(string(b), string(lo))}[e.op]
		if it.ranged {
			fits = c >= 0 && bytes.Compare(b, refLiteralBytes(it.hi)) <= 0
		}
		if fits {
			return true
		}
	}
	return false
}

// refOrder compares a number or an address with the value of an item.
func (s *refState) refOrder(e *expr, v any) bool {
	var below, equal bool
	if a, ok := v.(netip.Addr); ok {
		p := e.items[0].lo.prefix
		if a.BitLen() != p.Addr().BitLen() {
			return false
		}
		below, equal = a.Less(p.Masked().Addr()), p.Contains(a)
	} else {
		n, want := s.refMasked(e, v.(uint64)), s.literal(s.meaning(e.name), e.items[0].lo)
		below, equal = n < want, n == want
	}
	switch e.op {
	case "<":
		return below
	case "<=":
		return below || equal
	case ">":
		return !below && !equal
	}
	return !below
}

func (s *refState) refMasked(e *expr, n uint64) uint64 {
	if e.mask == nil {
		return n
	}
	return n & s.literal(s.meaning(e.name), *e.mask)
}

func refIsOctets(e *expr, f *field) bool {
	return f != nil && (e.slice != nil || e.op == "contains" && f.typ == typeMAC || e.mask != nil && f.isAddr())
}

// refText finds the name that a number stands for and looks at it.
func (s *refState) refText(e *expr, n uint64) bool {
	for _, name := range s.names.known(s.meaning(e.name)) {
		if num, _ := s.names.lookup(s.meaning(e.name), name); uint64(num) != n {
			continue
		}
		text := e.items[0].lo.text
		if e.op == "contains" && strings.Contains(name, text) {
			return true
		}
		if e.op == "~" && regexp.MustCompile("(?i)"+text).MatchString(name) {
			return true
		}
	}
	return false
}
