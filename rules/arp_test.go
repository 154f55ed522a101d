package rules

import (
	"testing"

	"flowmeter/meter/packet"
)

func arpQuestion(src, dst string, op uint16) *packet.Headers {
	h := ipPacket(src, dst, 0)
	h.Layers, h.EtherType, h.ARPOp = packet.HasMAC|packet.HasEtherType|packet.HasARP, 0x0806, op
	return h
}

// A question and its answer are one flow, and no packet of IP is in it.
func TestARPKey(t *testing.T) {
	rs := testSet(t, "rulesets:\n- rules: [{if: arp, save: [arp.src.proto_ipv4, arp.dst.proto_ipv4/24], do: count}, {save: [src.addr, dst.addr/24], do: count}]\n")
	a := match(rs, arpQuestion("10.0.0.1", "10.0.1.2", 1))
	b := match(rs, arpQuestion("10.0.1.2", "10.0.0.1", 2))
	if a.Verdict != Counted || b.Verdict != Counted || show(&a.Key) != "10.0.0.1/32 > 10.0.1.0/24" || show(&b.Key) != "10.0.1.2/32 > 10.0.0.0/24" {
		t.Errorf("%v %s, %v %s", a.Verdict, show(&a.Key), b.Verdict, show(&b.Key))
	}
	if ip := match(rs, tcpPacket("10.0.0.1", 1, "10.0.1.2", 2, 0)); ip.Key == a.Key || ip.Key.Saved&^a.Key.Saved != Version {
		t.Errorf("ARP %+v, IP %+v", a.Key, ip.Key)
	}
	if rs.Program.Conversational() {
		t.Error("no worker is chosen by the addresses of ARP")
	}
}

// What a frame without IP lacks of an EtherType does not keep it from being
// counted by its MAC addresses.
func TestFramesWithoutType(t *testing.T) {
	rs := testSet(t, "rulesets:\n- rules: [{save: [src.mac, dst.mac, ethertype], do: count}]\n")
	stp := &packet.Headers{Layers: packet.HasMAC, DstMAC: [6]byte{1, 0x80, 0xc2}, WireLen: 60, CapLen: 60}
	if m := match(rs, stp); m.Verdict != Counted || m.Key.Saved != SrcMAC|DstMAC {
		t.Errorf("%v, saved %b", m.Verdict, m.Key.Saved)
	}
	if m := match(rs, arpPacket()); m.Verdict != Counted || m.Key.Saved != SrcMAC|DstMAC|EtherType {
		t.Errorf("%v, saved %b", m.Verdict, m.Key.Saved)
	}
}
