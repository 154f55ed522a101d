package rules

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"

	"flowmeter/meter/conf"
	"flowmeter/meter/packet"
)

// homeList is the list that classes are computed against.
const homeList = "home"

// defaultHome is what counts as home where the configuration names no home:
// the ranges of RFC 1918, RFC 4193, RFC 3927 and RFC 4291 §2.5.6.
var defaultHome = []string{
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
	"169.254.0.0/16", "fe80::/10",
}

// A prefixList is a list of IPv4 and IPv6 prefixes. It never changes once built.
type prefixList struct {
	prefixes []netip.Prefix
	table    bart.Lite
}

func newPrefixList(prefixes []netip.Prefix) *prefixList {
	l := &prefixList{prefixes: prefixes}
	for _, p := range prefixes {
		l.table.Insert(p)
	}
	return l
}

// contains tells whether a prefix of the list covers the address of a packet,
// which holds IPv4 as IPv4-mapped IPv6. The IP version decides, not the look of
// the address: ::ffff:10.0.0.1 in an IPv6 header is an IPv6 address.
func (l *prefixList) contains(addr *[16]byte, v4 bool) bool {
	if v4 {
		return l.table.Contains(netip.AddrFrom4([4]byte(addr[12:])))
	}
	return l.table.Contains(netip.AddrFrom16(*addr))
}

// longest returns the length of the longest prefix of the list that covers an
// address.
func (l *prefixList) longest(addr *[16]byte, v4 bool) uint8 {
	a := netip.AddrFrom16(*addr)
	if v4 {
		a = a.Unmap()
	}
	p, _ := l.table.LookupPrefixLPM(netip.PrefixFrom(a, a.BitLen()))
	return uint8(p.Bits())
}

// Networks holds the named prefix lists of a configuration; `home` is always
// there. It is safe for concurrent use once it is set up.
type Networks struct {
	lists map[string]*prefixList
	home  *prefixList

	// fixed keeps a home that was given on the command line from being
	// replaced by that of a file.
	fixed bool
}

// DefaultNetworks knows only home: the private and link-local ranges.
func DefaultNetworks() *Networks {
	n := &Networks{lists: map[string]*prefixList{}}
	prefixes := make([]netip.Prefix, len(defaultHome))
	for i, s := range defaultHome {
		prefixes[i] = netip.MustParsePrefix(s)
	}
	n.add(homeList, prefixes)
	return n
}

func (n *Networks) add(name string, prefixes []netip.Prefix) {
	n.lists[name] = newPrefixList(prefixes)
	n.home = n.lists[homeList]
}

// ParseNetworks reads the value of `networks:`, a mapping of names to lists of
// prefixes and addresses. Without home, the default home stays.
func ParseNetworks(v conf.Value) *Networks { return DefaultNetworks().With(v) }

// With returns n and the lists of v; those of v replace lists of the same name.
func (n *Networks) With(v conf.Value) *Networks {
	both := &Networks{lists: map[string]*prefixList{}, home: n.home, fixed: n.fixed}
	for name, l := range n.lists {
		both.lists[name] = l
	}
	if v.Node == nil || v.IsNull() {
		return both
	}
	seen := map[string]bool{}
	v.Pairs(func(key, val conf.Value) {
		if listName(key, seen) {
			prefixes := parsePrefixes(val)
			if key.Value != homeList || !both.fixed {
				both.add(key.Value, prefixes)
			}
		}
	})
	return both
}

// listName checks the name of a list of `networks:` or `sets:`.
func listName(key conf.Value, seen map[string]bool) bool {
	switch name := key.Value; {
	case name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isNameRune(r) }):
		key.Errorf("use letters, digits, _ and -", "%q cannot be the name of a list", name)
	case seen[name]:
		key.Errorf("remove one of the two", "list %q stands here twice", name)
	default:
		seen[name] = true
		return true
	}
	return false
}

func parsePrefixes(v conf.Value) []netip.Prefix {
	var prefixes []netip.Prefix
	one := func(item conf.Value) {
		p, ok := parsePrefix(item.Value)
		if !ok {
			item.Errorf("write an address or address/length: 192.168.0.0/16, fd00::/8",
				"%q is no prefix", item.Value)
			return
		}
		if p != p.Masked() {
			item.Warnf("", "%s has bits behind its mask; it is taken as %s", p, p.Masked())
		}
		prefixes = append(prefixes, p.Masked())
	}
	eachItem(v, one)
	return prefixes
}

// parsePrefix reads an address or a prefix, without a zone.
func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// ParseHome returns the default networks with the given home.
func ParseHome(cidrs []string) (*Networks, error) {
	n := DefaultNetworks()
	return n, n.SetHome(cidrs)
}

// SetHome makes the given prefixes and addresses home, in place of what a
// file says or will say. The error names every one that is no prefix.
func (n *Networks) SetHome(cidrs []string) error {
	var prefixes []netip.Prefix
	var errs conf.Errors
	for _, s := range cidrs {
		p, ok := parsePrefix(strings.TrimSpace(s))
		if !ok {
			errs = append(errs, conf.Error{File: "home", Msg: quote(s) + " is no prefix",
				Hint: "write address/length, several with commas: 192.168.0.0/16,fd00::/8"})
			continue
		}
		prefixes = append(prefixes, p.Masked())
	}
	if errs != nil {
		return errs
	}
	n.add(homeList, prefixes)
	n.fixed = true
	return nil
}

// Home returns the prefixes that are home.
func (n *Networks) Home() []netip.Prefix { return slices.Clone(n.home.prefixes) }

// classes holds the class by whether source and destination are home.
var classes = [2][2]Class{{Transit, In}, {Out, Internal}}

// Class returns the class of a packet as it was sent. Multicast and broadcast
// destinations count as where the sender stands, so that what stays on the
// link never looks as if it crossed the border; as a source, which no valid
// packet has, they count as where the destination stands.
func (n *Networks) Class(h *packet.Headers) Class {
	if h.Layers&packet.HasIP == 0 {
		return NoClass
	}
	v4 := h.Layers&packet.HasIPv4 != 0
	src, dst := n.isHome(&h.Src, v4), n.isHome(&h.Dst, v4)
	if isGroup(&h.Dst, v4) {
		dst = src
	} else if isGroup(&h.Src, v4) {
		src = dst
	}
	return classes[src][dst]
}

func (n *Networks) isHome(addr *[16]byte, v4 bool) uint64 { return bit(n.home.contains(addr, v4)) }

// isGroup tells whether an address is multicast or the IPv4 limited broadcast.
// Directed broadcasts look like any other address of their network.
func isGroup(addr *[16]byte, v4 bool) bool {
	if v4 {
		return addr[12]>>4 == 0xe || [4]byte(addr[12:]) == [4]byte{255, 255, 255, 255}
	}
	return addr[0] == 0xff
}
