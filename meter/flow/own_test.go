package flow

import (
	"net/netip"
	"testing"

	"flowmeter/meter/packet"
)

// between makes a packet from one end to the other.
func between(from, to string, proto uint8, seed *Seed) *Packet {
	src, dst := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	p := &Packet{}
	p.Layers, p.Version, p.Proto = packet.HasIPv4|packet.HasPorts, 4, proto
	if src.Addr().Is6() {
		p.Layers, p.Version = packet.HasIPv6|packet.HasPorts, 6
	}
	p.Src, p.Dst = src.Addr().As16(), dst.Addr().As16()
	p.SrcPort, p.DstPort = src.Port(), dst.Port()
	p.Prepare(seed)
	return p
}

func TestOwnTraffic(t *testing.T) {
	seed := &Seed{1, 2, 3, 4}
	socket := func(proto uint8, local, remote string) Socket {
		return Socket{proto, netip.MustParseAddrPort(local), netip.MustParseAddrPort(remote)}
	}
	o := NewOwnTraffic(seed)
	first := []Socket{
		socket(packet.ProtoTCP, "192.0.2.1:40000", "192.0.2.9:4739"),
		socket(packet.ProtoUDP, "[2001:db8::1]:40001", "[2001:db8::9]:4739"),
	}
	o.Tell(first, 100e9)
	for _, c := range []struct {
		from, to string
		proto    uint8
		want     bool
	}{
		{"192.0.2.1:40000", "192.0.2.9:4739", packet.ProtoTCP, true},
		{"192.0.2.9:4739", "192.0.2.1:40000", packet.ProtoTCP, true},
		{"192.0.2.1:40000", "192.0.2.9:4739", packet.ProtoUDP, false},
		{"192.0.2.1:40001", "192.0.2.9:4739", packet.ProtoTCP, false},
		{"192.0.2.2:40000", "192.0.2.9:4739", packet.ProtoTCP, false},
		{"[2001:db8::9]:4739", "[2001:db8::1]:40001", packet.ProtoUDP, true},
	} {
		if got := o.Has(between(c.from, c.to, c.proto, seed)); got != c.want {
			t.Errorf("%s to %s, protocol %d: %v", c.from, c.to, c.proto, got)
		}
	}
	p := between("192.0.2.1:40000", "192.0.2.9:4739", packet.ProtoTCP, seed)
	second := []Socket{socket(packet.ProtoTCP, "192.0.2.1:50000", "192.0.2.9:4739")}
	o.Tell(second, 200e9)
	if !o.Has(p) {
		t.Error("the last segments of a closed connection are not known")
	}
	o.Tell(first[:1], 300e9) // again at once, and gone again
	o.Tell(second, 400e9)
	o.Tell(nil, 400e9+ownLinger-1)
	if !o.Has(p) {
		t.Error("forgotten early")
	}
	p.Clock = 400e9 + ownLinger
	if o.Has(p) {
		t.Error("known for ever, where nothing changes any more")
	}
	p.Clock = 0
	o.Tell(second, 400e9+ownLinger)
	if o.Has(p) {
		t.Error("never forgotten")
	}
	var none *OwnTraffic
	if none.Has(p) {
		t.Error("a nil one knows packets")
	}
}
