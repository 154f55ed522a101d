package packet

import (
	"bytes"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// tunnelFields are asked of tshark for each frame, all occurrences of each.
var tunnelFields = []string{
	"ip.src", "ip.dst", "ip.len", "ipv6.src", "ipv6.dst", "eth.src", "eth.dst",
	"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport", "sctp.srcport", "sctp.dstport",
	"gre.key", "erspan.spanid", "vxlan.vni", "geneve.vni", "gtp.teid", "l2tp.tunnel", "l2tp.session", "l2tp.sid",
	"frame.protocols",
}

// TestTunnelTshark compares Tunnel.Open with tshark over every packet of every
// trace and of TestOpen: how many IP headers there are within each other, the addresses and
// ports of the innermost, the numbers of the tunnels.
func TestTunnelTshark(t *testing.T) {
	lab.Tool(t, "tshark")
	if testing.Short() {
		t.Skip("tshark takes its time")
	}
	byLink := map[LinkType][]frame{}
	for _, path := range traceFiles(t) {
		// Traces that end early are TestGopacket's to report.
		_ = readTrace(path, func(f frame) {
			var h Headers
			if f.link <= LinkSLL2 && len(f.data) <= 262144 && Decode(&h, f.link, f.data, f.wire) == OK {
				byLink[f.link] = append(byLink[f.link], f)
			}
		})
	}
	for _, test := range tunnelTests {
		byLink[LinkRaw] = append(byLink[LinkRaw], frame{LinkRaw, test.data, test.wireLen()})
	}
	explained, kinds := map[string]int{}, map[string]int{}
	for _, link := range slices.Sorted(maps.Keys(byLink)) {
		compareTunnels(t, link, byLink[link], explained, kinds)
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		t.Logf("%5d packets %s", kinds[name], name)
	}
	for _, rule := range slices.Sorted(maps.Keys(explained)) {
		t.Logf("%5d facts differ by rule %q", explained[rule], rule)
	}
}

func compareTunnels(t *testing.T, link LinkType, frames []frame, explained, kinds map[string]int) {
	lines := askTshark(t, link, frames, tunnelFields, "a")
	if len(lines) != len(frames) {
		t.Fatalf("link type %d: tshark says %d frames, want %d", link, len(lines), len(frames))
	}
	for i, f := range frames {
		c := tunnelComparison{frame: f}
		Decode(&c.h, f.link, f.data, f.wire)
		opened := c.tunnel.Open(&c.h, f.data)
		ours := tunnelFacts(&c.tunnel, &c.h)
		c.protocols, c.theirs = parseTunnels(lines[i])
		if opened {
			kinds["opened: "+c.tunnel.names()]++
		} else if c.tunnel.Has != 0 {
			kinds["not opened: "+c.tunnel.names()]++
		}
		names := map[string]bool{}
		for _, facts := range []facts{ours, c.theirs} {
			for name := range facts {
				if ours[name] != c.theirs[name] {
					names[name] = true
				}
			}
		}
		for _, fact := range slices.Sorted(maps.Keys(names)) {
			rule := c.explain(fact)
			explained[rule]++
			if rule == "" {
				t.Errorf("link type %d: %s is %q, tshark says %q (%s)\n%x", link, fact, ours[fact], c.theirs[fact], lines[i], f.data[:min(len(f.data), 150)])
			}
		}
	}
}

// names returns the tunnels' headers.
func (t *Tunnel) names() string {
	var names []string
	for i, name := range []string{"IPIP", "GRE", "", "ERSPAN", "", "VXLAN", "Geneve", "GTP-U", "L2TP", "L2TPv3"} {
		if name != "" && t.Has>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

type tunnelComparison struct {
	frame
	h         Headers
	tunnel    Tunnel
	theirs    facts
	protocols []string // as parseTunnels returns them
}

// tunnelFacts returns what Open found.
func tunnelFacts(t *Tunnel, h *Headers) facts {
	f, in, ips := facts{}, h, 1
	if t.Depth > 0 {
		in = &t.Inner
		ips += int(t.Depth)
	}
	if in.Layers&HasIP == 0 {
		ips--
		f.set("frame", "%s %s", macText(in.SrcMAC), macText(in.DstMAC))
	} else {
		f.set("inner", "%v %v", netip.AddrFrom16(in.Src).Unmap(), netip.AddrFrom16(in.Dst).Unmap())
	}
	f.set("ips", "%d", ips)
	if in.Layers&HasPorts != 0 && in.Proto != ProtoDCCP && in.Proto != ProtoUDPLite {
		f.set("ports", "%d %d", in.SrcPort, in.DstPort)
	}
	for _, id := range []struct {
		has    TunnelSet
		name   string
		format string
		n      uint32
	}{
		{HasGREKey, "gre.key", "0x%08x", t.GREKey},
		{HasSpanID, "erspan.spanid", "%d", uint32(t.SpanID)},
		{HasVXLAN, "vxlan.vni", "%d", t.VXLANVNI},
		{HasGeneve, "geneve.vni", "0x%06x", t.GeneveVNI},
		{HasGTP, "gtp.teid", "0x%08x", t.TEID},
		{HasL2TP, "l2tp.tunnel", "%d", uint32(t.L2TPTunnel)},
		{HasL2TP, "l2tp.session", "%d", uint32(t.L2TPSession)},
		{HasL2TPv3, "l2tp.sid", "%d", t.L2TPSID},
	} {
		if t.Has&id.has != 0 {
			f.set(id.name, id.format, id.n)
		}
	}
	return f
}

func macText(m [6]byte) string {
	var f facts = facts{}
	f.set("mac", "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
	return f["mac"]
}

// within are tshark's names of the headers that may lead to the innermost
// packet, from the outermost IP header on. Others quote packets, or have them
// in streams.
var within = []string{
	"ip", "ipv6", "ipv6.hopopts", "ipv6.routing", "ipv6.fraghdr", "ipv6.dstopts", "eth", "ethertype", "vlan", "ieee8021ad",
	"mpls", "ppp", "pppoes", "udp", "tcp", "sctp", "gre", "erspan", "vxlan", "vxlan_gpe", "geneve", "gtp",
	"l2tp",
}

// parseTunnels returns tshark's protocols of a frame, up to the first that is
// not within, and the facts about it.
func parseTunnels(line string) ([]string, facts) {
	v := map[string][]string{}
	for i, s := range strings.Split(line, "|") {
		if s != "" {
			v[tunnelFields[i]] = strings.Split(s, ",")
		}
	}
	protocols := strings.Split(v["frame.protocols"][0], ":")
	ip := slices.IndexFunc(protocols, func(p string) bool { return p == "ip" || p == "ipv6" })
	if i := slices.IndexFunc(protocols[max(ip, 0):], func(p string) bool { return !slices.Contains(within, p) }); i >= 0 {
		protocols = protocols[:max(ip, 0)+i]
	}
	f, count := facts{}, map[string]int{}
	last := ""
	for _, p := range protocols {
		count[p]++
		switch p {
		case "ip", "ipv6":
			last = p
		case "eth":
			last = ""
		}
	}
	nth := func(field string, n int) string {
		if n < 1 || n > len(v[field]) {
			return ""
		}
		return v[field][n-1]
	}
	f.set("ips", "%d", count["ip"]+count["ipv6"])
	switch last {
	case "":
		f.set("frame", "%s %s", nth("eth.src", count["eth"]), nth("eth.dst", count["eth"]))
	default:
		src, _ := netip.ParseAddr(nth(last+".src", count[last]))
		dst, _ := netip.ParseAddr(nth(last+".dst", count[last]))
		f.set("inner", "%v %v", src.Unmap(), dst.Unmap())
	}
	from := 0
	for i, p := range protocols {
		if p == "ip" || p == "ipv6" || p == "eth" {
			from = i
		}
	}
	for _, p := range protocols[from:] {
		if p == "tcp" || p == "udp" || p == "sctp" {
			f.set("ports", "%s %s", nth(p+".srcport", count[p]), nth(p+".dstport", count[p]))
			break
		}
	}
	for _, id := range tunnelFields[13:21] {
		if all := v[id]; all != nil {
			f[id] = all[0]
		}
	}
	return protocols, f
}

func (c *tunnelComparison) explain(fact string) string {
	for i := range tunnelTests {
		if test := &tunnelTests[i]; c.link == LinkRaw && bytes.Equal(test.data, c.data) && slices.Contains(strings.Fields(test.not), fact) {
			return "a test of its own"
		}
	}
	for _, r := range tunnelRules {
		if (r.facts == "" || slices.Contains(strings.Fields(r.facts), fact)) && r.applies(c) {
			return r.name
		}
	}
	return ""
}

func (c *tunnelComparison) has(protocols ...string) bool {
	return slices.ContainsFunc(c.protocols, func(p string) bool { return slices.Contains(protocols, p) })
}

// statesNoLength tells whether the outer packet has 0 for its length.
func (c *tunnelComparison) statesNoLength() bool {
	if c.link != LinkEthernet || len(c.data) < etherLen+minIPv4 {
		return false
	}
	ip := c.data[etherLen:]
	return c.h.Version == 4 && be16(ip[2:]) == 0 || c.h.Version == 6 && be16(ip[4:]) == 0
}

// udpPorts tells whether the outer packet is UDP of one of these ports.
func (c *tunnelComparison) udpPorts(ports ...uint16) bool {
	return c.h.Proto == ProtoUDP && (slices.Contains(ports, c.h.SrcPort) || slices.Contains(ports, c.h.DstPort))
}

// tunnelRules are the differences between Open and tshark that are known and
// meant.
var tunnelRules = []struct {
	name, facts string
	applies     func(c *tunnelComparison) bool
}{
	{"protocol 4 is IPv4; tshark takes IPv6 in it, too", "ips inner ports",
		func(c *tunnelComparison) bool { return c.tunnel.Has&HasIPIP != 0 && c.has("ipv6") }},
	{"a stated length of 0 is the rest of the frame on the wire; tshark does not open such packets", "",
		func(c *tunnelComparison) bool { return c.statesNoLength() }},
	{"tshark does not know Linux's old port of VXLAN", "ips inner ports vxlan.vni frame",
		func(c *tunnelComparison) bool { return c.udpPorts(portVXLANOld) }},
	{"tshark takes a tunnel by the source port, too", "ips inner ports frame vxlan.vni geneve.vni",
		func(c *tunnelComparison) bool {
			return c.h.Proto == ProtoUDP && slices.Contains([]uint16{portVXLAN, portVXLANGPE, portGeneve}, c.h.SrcPort)
		}},
	{"without its flag, there is no next protocol in VXLAN-GPE; tshark takes it nonetheless", "ips inner ports frame",
		func(c *tunnelComparison) bool { return c.udpPorts(portVXLANGPE) }},
	{"no L2TP: octets that must be 0 are not", "l2tp.tunnel l2tp.session",
		func(c *tunnelComparison) bool { return c.tunnel.Has == 0 && c.udpPorts(portL2TP) }},
	{"WCCP, MPLS in UDP, Ethernet in IPv6 (SRv6) are not opened", "ips inner ports frame",
		func(c *tunnelComparison) bool {
			return c.has("ipv6.routing") || c.tunnel.Has == 0 && c.has("mpls") || bytes.Contains(c.data, []byte{0, 0, 0x88, 0x3e})
		}},
	{"tshark keeps ports of a header that is not whole", "ports",
		func(c *tunnelComparison) bool { return c.theirs["ports"] == " " }},
}
