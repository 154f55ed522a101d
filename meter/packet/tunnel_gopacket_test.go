package packet

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// TestTunnelGopacket compares Tunnel.Open with gopacket's layers over every
// frame of every trace: the addresses of the innermost packet, where both find
// as many IP headers. gopacket lacks L2TP, ERSPAN but II and old ports, so that it
// may find fewer; that it finds more must have its reason.
func TestTunnelGopacket(t *testing.T) {
	same, fewer, more := 0, 0, 0
	for _, path := range traceFiles(t) {
		_ = readTrace(path, func(f frame) {
			if gopacketLinks[f.link] == nil {
				return
			}
			var h Headers
			var tunnel Tunnel
			if Decode(&h, f.link, f.data, f.wire) != OK || !tunnel.Open(&h, f.data) || tunnel.Inner.Layers&HasIP == 0 {
				return
			}
			in := &tunnel.Inner
			src, dst, n := innermost(f)
			switch {
			case n < int(tunnel.Depth)+1:
				fewer++
			case n > int(tunnel.Depth)+1:
				more++
				t.Errorf("%s: gopacket finds %d IP headers, Open opened %d: %x", path, n, tunnel.Depth, f.data)
			case src != netip.AddrFrom16(in.Src).Unmap() || dst != netip.AddrFrom16(in.Dst).Unmap():
				t.Errorf("%s: gopacket says %v %v, Open %v %v", path, src, dst, in.Src, in.Dst)
			default:
				same++
			}
		})
	}
	t.Logf("%d innermost packets are the same, of %d gopacket finds fewer headers, of %d more", same, fewer, more)
}

// innermost returns the last pair of addresses that gopacket finds, and how
// many.
func innermost(f frame) (src, dst netip.Addr, n int) {
	for _, l := range gopacket.NewPacket(f.data, gopacketLinks[f.link], gopacket.DecodeOptions{NoCopy: true}).Layers() {
		var s, d []byte
		switch l := l.(type) {
		case *layers.IPv4:
			s, d = l.SrcIP, l.DstIP
		case *layers.IPv6:
			s, d = l.SrcIP, l.DstIP
		default:
			continue
		}
		n++
		src, _ = netip.AddrFromSlice(s)
		dst, _ = netip.AddrFromSlice(d)
		src, dst = src.Unmap(), dst.Unmap()
	}
	return src, dst, n
}
