package rules

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
)

// tsharkExprs mean the same here and in display filters.
var tsharkExprs = []string{
	"ip", "ipv6", "tcp", "udp", "sctp", "arp", "vlan", "!ip", "not (ip or ipv6)",
	"ip.src == 192.168.0.0/16", "ip.addr == 192.168.0.0/16 && !tcp", "ip.addr != 192.168.0.0/16", "ipv6.src == fe80::/10",
	"ipv6.dst == ff00::/8 || ip.dst == 224.0.0.0/4", "ip.src in {192.168.0.0 .. 192.168.255.255}",
	"ip.proto == 17", "ip.ttl < 64", "ip.ttl >= 64", "ip.len > 500", "ip.flags.df == 1", "ip.flags.mf == 1",
	"ip.frag_offset > 0", "ip.frag_offset == 185", "ip.id == 0", "ip.dsfield.dscp != 0", "ip.dsfield.ecn == 2", "ip.version == 6",
	"ipv6.hlim == 255", "ipv6.plen > 100", "ipv6.flow != 0",
	"tcp.port == 443", "tcp.port != 443", "!(tcp.port == 443)", "tcp.srcport in {80, 443, 5000..6000}", "tcp.dstport > 1024",
	"tcp.flags.syn == 1 && tcp.flags.ack == 0", "tcp.flags.reset == 1", "tcp.flags.fin == 1 or tcp.flags.reset == True",
	"tcp.flags == 0x012", "tcp.window_size_value < 1000", "tcp.len == 0", "tcp.len > 1000", "tcp.ack_raw == 0",
	"tcp and not tcp.flags.push == 1", "tcp.flags.push != 1 && tcp.flags.ack eq 1",
	"udp.port == 53", "udp.dstport == 53 and frame.len gt 80", "udp.length > 100", "udp.srcport ne 53", "udp.port in {53, 5060}",
	"sctp.port == 5001", "icmp.type == 8", "icmp.type in {0, 8} && icmp.code == 0", "icmpv6.type == 135",
	"frame.len <= 60", "frame.len > 1000 && ip", "eth.type == 0x0806", "eth.type == 0x8100", "eth.dst == ff:ff:ff:ff:ff:ff", "eth.addr != ff:ff:ff:ff:ff:ff",
	"vlan.id == 10", "vlan.id != 99", "vlan.id > 0 && tcp", "vlan.priority == 0", "ip && (udp || tcp) && !vlan",
}

// tsharkDiffers are expressions whose meaning differs, for the packets of the
// rule beside them: there the two must disagree, elsewhere agree.
var tsharkDiffers = []struct {
	expr, rule string
	differs    func(h *packet.Headers, frame []byte) bool
}{
	{"icmpv6", "later fragments are of the protocol too", laterFragment(packet.ProtoICMPv6)},
	{"icmp", "later fragments are of the protocol too", laterFragment(packet.ProtoICMP)},
	{"ipv6.nxt == 58 && !mpls", "the protocol behind the extension headers is meant", func(h *packet.Headers, frame []byte) bool {
		nextHeader := 14 + 6
		for _, tag := range []packet.Layer{packet.HasVLAN, packet.HasVLAN2} {
			if h.Layers&tag != 0 {
				nextHeader += 4
			}
		}
		return h.Layers&(packet.HasIPv6|packet.HasMPLS) == packet.HasIPv6 && h.Proto == packet.ProtoICMPv6 && frame[nextHeader] != h.Proto
	}},
}

func laterFragment(proto uint8) func(*packet.Headers, []byte) bool {
	return func(h *packet.Headers, _ []byte) bool {
		return h.Layers&packet.HasFragment != 0 && h.FragOffset > 0 && h.Proto == proto
	}
}

func agree(*packet.Headers, []byte) bool { return false }

type ethernetFrame struct {
	data []byte
	wire uint32
}

// ethernetFrames returns the Ethernet frames of a trace; none of what cannot
// be read.
func ethernetFrames(t *testing.T, path string) (frames []ethernetFrame) {
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Frames {
			if f := &b.Frames[i]; packet.LinkType(f.Link) == packet.LinkEthernet {
				frames = append(frames, ethernetFrame{append([]byte(nil), b.Data(f)...), f.WireLen})
			}
		}
		b.Release()
	}
}

func writePcap(t *testing.T, path string, frames []ethernetFrame) {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xa1b2c3d4)
	b = le.AppendUint32(b, 4<<16|2)
	b = append(b, make([]byte, 8)...)
	b = le.AppendUint32(b, 262144)
	b = le.AppendUint32(b, uint32(packet.LinkEthernet))
	for i, f := range frames {
		b = le.AppendUint32(b, uint32(i))
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, uint32(len(f.data)))
		b = append(le.AppendUint32(b, f.wire), f.data...)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tshark prints the given fields of each frame, or, with a filter, of those
// that it matches.
func tshark(t *testing.T, path, filter string, fields ...string) []string {
	args := []string{"-n", "-r", path, "-T", "fields", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
		"-o", "tcp.desegment_tcp_streams:FALSE", "-Y", filter}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.Command("tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark -Y %q: %v", filter, err)
	}
	return strings.Fields(string(out))
}

// nested tells whether a frame carries a packet within a packet, of which
// display filters look at all and rules at the outermost.
func nested(protocols string) bool {
	n := map[string]int{}
	for p := range strings.SplitSeq(protocols, ":") {
		n[p]++
	}
	return n["ip"]+n["ipv6"] > 1 || n["eth"] > 1
}

// TestTshark compares filters with those of tshark, packet by packet.
func TestTshark(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skip("tshark is not on the PATH")
	}
	if testing.Short() {
		t.Skip("tshark takes its time")
	}
	traces, _ := filepath.Glob("../testdata/*.pcap*")
	var frames []ethernetFrame
	for _, path := range traces {
		if ext := filepath.Ext(path); ext == ".pcap" || ext == ".pcapng" {
			frames = append(frames, ethernetFrames(t, path)...)
		}
	}
	if len(frames) == 0 {
		t.Skip("no traces in ../testdata")
	}
	path := filepath.Join(t.TempDir(), "all.pcap")
	writePcap(t, path, frames)
	skip := make([]bool, len(frames))
	for i, protocols := range tshark(t, path, "frame", "frame.protocols") {
		skip[i] = nested(protocols)
	}
	c := tsharkComparison{path, frames, skip}
	for _, expr := range tsharkExprs {
		c.compare(t, expr, agree)
	}
	for _, d := range tsharkDiffers {
		c.compare(t, d.expr, d.differs)
	}
	t.Logf("%d expressions over %d frames", len(tsharkExprs)+len(tsharkDiffers), len(frames))
}

// A tsharkComparison holds the frames, also as a trace, and which of them to
// leave out.
type tsharkComparison struct {
	path   string
	frames []ethernetFrame
	skip   []bool
}

func (c *tsharkComparison) compare(t *testing.T, expr string, differs func(*packet.Headers, []byte) bool) {
	f, err := ParseFilter("filter", expr, DefaultNetworks(), nil)
	if err != nil {
		t.Error(err)
		return
	}
	theirs := map[string]bool{}
	for _, n := range tshark(t, c.path, expr, "frame.number") {
		theirs[n] = true
	}
	if len(theirs) == 0 {
		t.Errorf("%s matches nothing in these traces", expr)
	}
	for i, frame := range c.frames {
		var h packet.Headers
		if o := packet.Decode(&h, packet.LinkEthernet, frame.data, frame.wire); o > packet.Truncated || c.skip[i] {
			continue
		}
		want := theirs[u(uint16(i+1))] != differs(&h, frame.data)
		if f.MatchNest(&h, frame.data, nestOf(&h, frame.data)) != want {
			t.Fatalf("%s: frame %d: want %v\n%x", expr, i+1, want, frame.data[:min(len(frame.data), 80)])
		}
	}
}
