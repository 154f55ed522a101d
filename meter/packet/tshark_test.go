package packet

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// tsharkFields are asked of tshark for each frame, the first occurrence of each.
var tsharkFields = []string{
	"ip.src", "ip.dst", "ip.len", "ip.proto", "ip.ttl",
	"ipv6.src", "ipv6.dst", "ipv6.plen", "ipv6.hlim",
	"tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport",
	"sctp.srcport", "sctp.dstport", "dccp.srcport", "dccp.dstport",
	"tcp.flags", "tcp.seq_raw", "frame.protocols",
}

var tsharkOptions = []string{
	"-n", "-T", "fields", "-E", "separator=|",
	"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE",
}

// TestTshark compares Decode with tshark over every frame of every trace, put
// together to one trace per link type. Each difference must have its rule.
func TestTshark(t *testing.T) {
	lab.Tool(t, "tshark")
	if testing.Short() {
		t.Skip("tshark takes its time")
	}
	byLink := map[LinkType][]frame{}
	for _, path := range traceFiles(t) {
		// Traces that end early are TestGopacket's to report.
		_ = readTrace(path, func(f frame) {
			if f.link <= LinkSLL2 && len(f.data) <= 262144 {
				byLink[f.link] = append(byLink[f.link], f)
			}
		})
	}
	explained := map[string]int{}
	for _, link := range slices.Sorted(maps.Keys(byLink)) {
		var h Headers
		if Decode(&h, link, nil, 0) == Unsupported {
			continue
		}
		packets := compareTshark(t, link, byLink[link], explained)
		t.Logf("link type %d: %d frames, %d IP packets", link, len(byLink[link]), packets)
	}
	for _, rule := range slices.Sorted(maps.Keys(explained)) {
		t.Logf("%5d facts differ by rule %q", explained[rule], rule)
	}
}

// compareTshark compares the frames of one link type, and returns how many are
// IP packets.
func compareTshark(t *testing.T, link LinkType, frames []frame, explained map[string]int) int {
	packets := 0
	lines := askTshark(t, link, frames, tsharkFields, "f")
	if len(lines) != len(frames) {
		t.Fatalf("link type %d: tshark says %d frames, want %d", link, len(lines), len(frames))
	}
	for i, f := range frames {
		var h Headers
		o := Decode(&h, f.link, f.data, f.wire)
		if o == OK {
			packets++
		}
		c := &tsharkComparison{frame: f, h: h, outcome: o, ours: tsharkFactsOf(o, &h)}
		c.fields, c.theirs = parseTshark(lines[i])
		for _, fact := range c.differences() {
			rule := c.explain(fact)
			explained[rule]++
			if rule == "" {
				t.Errorf("link type %d: %s is %q (%v), tshark says %q (%s)\n%x", link, fact, c.ours[fact], o, c.theirs[fact], lines[i], f.data[:min(len(f.data), 100)])
			}
		}
	}
	return packets
}

// askTshark returns tshark's line for each frame: these fields, of each the
// first occurrence (f) or all (a).
func askTshark(t *testing.T, link LinkType, frames []frame, fields []string, occurrence string) []string {
	path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.pcap", link))
	if err := os.WriteFile(path, pcapOf(link, frames), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-r", path, "-E", "occurrence=" + occurrence}, tsharkOptions...)
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var lines []string
	s := bufio.NewScanner(bytes.NewReader(out))
	for s.Scan() {
		lines = append(lines, s.Text())
	}
	return lines
}

// pcapOf returns frames as a pcap file.
func pcapOf(link LinkType, frames []frame) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xa1b2c3d4)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, 262144)
	b = le.AppendUint32(b, uint32(link))
	for i, f := range frames {
		b = le.AppendUint32(b, uint32(i))
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(len(f.data)))
		b = le.AppendUint32(b, max(f.wire, uint32(len(f.data))))
		b = append(b, f.data...)
	}
	return b
}

type tsharkComparison struct {
	frame
	h            Headers
	outcome      Outcome
	ours, theirs facts
	fields       map[string]string
}

// tsharkFactsOf returns what Decode found, as far as tshark is asked for it.
func tsharkFactsOf(o Outcome, h *Headers) facts {
	f := facts{}
	if o != OK {
		return f
	}
	f.set("ip", "%v %v", netip.AddrFrom16(h.Src).Unmap(), netip.AddrFrom16(h.Dst).Unmap())
	f.set("ttl", "%d", h.TTL)
	f.set("total", "%d", h.TotalLen)
	if h.Layers&HasIPv4 != 0 {
		f.set("proto", "%d", h.Proto)
	}
	if h.Layers&HasPorts != 0 {
		f.set("ports", "%d %d", h.SrcPort, h.DstPort)
	}
	if h.Layers&HasTCP != 0 {
		f.set("tcp", "0x%04x %d", h.TCPFlags, h.Seq)
	}
	return f
}

// parseTshark returns the fields of a line, and the facts that they are.
func parseTshark(line string) (map[string]string, facts) {
	v := map[string]string{}
	for i, s := range strings.Split(line, "|") {
		v[tsharkFields[i]] = s
	}
	f := facts{}
	protocols := strings.Split(v["frame.protocols"], ":")
	four, six := slices.Index(protocols, "ip"), slices.Index(protocols, "ipv6")
	if v["ip.src"] != "" && (six < 0 || four < six) {
		f.set("ip", "%s %s", v["ip.src"], v["ip.dst"])
		f["ttl"], f["total"], f["proto"] = v["ip.ttl"], v["ip.len"], v["ip.proto"]
	} else if v["ipv6.src"] != "" {
		src, _ := netip.ParseAddr(v["ipv6.src"])
		dst, _ := netip.ParseAddr(v["ipv6.dst"])
		f.set("ip", "%s %s", src.Unmap(), dst.Unmap())
		length, _ := strconv.Atoi(v["ipv6.plen"])
		f["ttl"] = v["ipv6.hlim"]
		f.set("total", "%d", minIPv6+length)
	}
	i := slices.IndexFunc(protocols, func(p string) bool { return v[p+".srcport"] != "" })
	if i >= 0 {
		f.set("ports", "%s %s", v[protocols[i]+".srcport"], v[protocols[i]+".dstport"])
	}
	if v["tcp.flags"] != "" {
		f.set("tcp", "%s %s", v["tcp.flags"], v["tcp.seq_raw"])
	}
	return v, f
}

// differences is as that of comparison.
func (c *tsharkComparison) differences() []string {
	if (c.ours["ip"] == "") != (c.theirs["ip"] == "") {
		return []string{"ip"}
	}
	if c.ours["ip"] == "" {
		return nil
	}
	names := map[string]bool{}
	for _, f := range []facts{c.ours, c.theirs} {
		for name := range f {
			if c.ours[name] != c.theirs[name] {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (c *tsharkComparison) explain(fact string) string {
	for _, r := range tsharkRules {
		if slices.Contains(strings.Fields(r.facts), fact) && r.applies(c) {
			return r.name
		}
	}
	return ""
}

// tsharkRules are the differences between Decode and tshark that are known and
// meant.
var tsharkRules = []struct {
	name, facts string
	applies     func(c *tsharkComparison) bool
}{
	{"tshark's field is of a packet that this one carries", "ports",
		func(c *tsharkComparison) bool { return !slices.Contains(portProtocols, c.h.Proto) }},
	{"tshark's field is of a packet that this one carries", "tcp",
		func(c *tsharkComparison) bool { return c.h.Proto != ProtoTCP }},
	{"tshark gives the fields of an IP header that is not whole", "ip",
		func(c *tsharkComparison) bool {
			short := c.fields["ip.dst"] == "" && c.fields["ipv6.dst"] == ""
			return c.outcome == Truncated || c.outcome == Malformed && short
		}},
	{"an EtherType or link type of IPv4 and a version of 6 is malformed; tshark reads it as IPv6", "ip",
		func(c *tsharkComparison) bool {
			return c.outcome == Malformed && strings.Contains(c.fields["frame.protocols"], "ip:ipv6")
		}},
	{"tshark reads on behind headers that are no tag, label or session", "ip",
		func(c *tsharkComparison) bool {
			return c.outcome == NotIP && slices.ContainsFunc(strings.Split(c.fields["frame.protocols"], ":"),
				func(p string) bool { return slices.Contains(unread, p) })
		}},
	{"an IPv6 payload length of 0 is the rest of the frame on the wire; tshark takes it as it is", "total ports tcp",
		func(c *tsharkComparison) bool { return c.fields["ipv6.plen"] == "0" }},
}

// unread are link-layer headers, by tshark's names, behind which Decode does
// not look: service function chaining, MACsec, metadata of Cisco and Arista
// switches, Ethernet in MPLS.
var unread = []string{"nsh", "macsec", "cmd", "avsp", "pwethcw"}

var portProtocols = []uint8{ProtoTCP, ProtoUDP, ProtoUDPLite, ProtoSCTP, ProtoDCCP}
