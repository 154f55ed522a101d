//go:build integration

package rules

import (
	"path/filepath"
	"testing"

	"flowmeter/meter/packet"
)

// Expressions that mean the same here and in display filters: of tunnels, and of
// ARP.
var (
	tunnelExprs = []string{
		"gre", "gre.key == 7", "gre && !gre.key", "gre.key != 8", "vxlan", "vxlan.vni == 42", "!(vxlan.vni in {1..41, 43})", "vxlan.vni > 41",
		"geneve", "geneve.vni == 43", "!(gre || vxlan || geneve)", "erspan", "erspan.spanid == 100", "gtp", "gtp.teid == 1234", "gtp && gtp.teid != 1235",
	}
	arpExprs = []string{
		"arp", "arp.opcode == 1", "arp.opcode == 2", "arp.opcode > 1", "arp.src.proto_ipv4 == 192.168.30.2", "arp.src.proto_ipv4 == 192.168.0.0/16",
		"arp.dst.proto_ipv4 != 192.168.30.3", "arp.dst.proto_ipv4 in {192.168.30.0 .. 192.168.30.255}", "arp.src.proto_ipv4[3] == 2", "!arp.opcode",
	}
)

// TestDisplayFiltersOfTunnels compares filters of tunnels and of ARP with those
// of tshark, packet by packet.
func TestDisplayFiltersOfTunnels(t *testing.T) {
	compareOpened(t, tunnelExprs, "tunnel.pcap", "erspan-gtp.pcap")
	compareOpened(t, arpExprs, "vlan.pcap", "dns.pcap", "ssh.pcap", "office.pcapng")
}

func compareOpened(t *testing.T, exprs []string, traces ...string) {
	var frames []*traceFrame
	for _, name := range traces {
		frames = append(frames, framesOf("../testdata/"+name, 1<<30)...)
	}
	trace := filepath.Join(t.TempDir(), "all.pcapng")
	writePcapng(t, trace, frames)
	matches, refused := display(t, trace, exprs)
	for i, e := range exprs {
		f, err := ParseFilter("filter", e, DefaultNetworks(), nil)
		if err != nil || refused[i] != "" {
			t.Errorf("%s: %v, %s", e, err, refused[i])
			continue
		}
		found := 0
		for j, frame := range frames {
			n := Nest{Outer: &frame.h, Tunnel: &packet.Tunnel{}}
			n.Tunnel.Open(n.Outer, frame.data)
			n.Inner = &n.Tunnel.Inner
			want := j < len(matches[i]) && matches[i][j]
			found += bool2int(want)
			if got := f.MatchNest(&frame.h, frame.data, &n); got != want {
				t.Errorf("%s: frame %d: %v, want %v\n%x", e, j, got, want, frame.data[:min(len(frame.data), 80)])
				break
			}
		}
		if found == 0 {
			t.Errorf("%s matches nothing", e)
		}
	}
}
