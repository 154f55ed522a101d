package flow

import (
	"testing"

	"flowmeter/meter/packet"
)

// fragmentOf makes a fragment of a UDP packet; the first has ports.
func fragmentOf(id uint32, offset uint16, clock int64) *Packet {
	p := &Packet{Clock: clock}
	p.Layers = packet.HasIPv4 | packet.HasFragment
	p.Version, p.Proto = 4, packet.ProtoUDP
	p.Src, p.Dst = v4(10, 0, 0, 1), v4(10, 0, 0, 2)
	p.FragID, p.FragOffset, p.MoreFragments = id, offset, true
	if offset == 0 {
		p.Layers |= packet.HasPorts
		p.SrcPort, p.DstPort = uint16(id), uint16(id>>8)+1
	}
	return p
}

func TestFragmentsGetPorts(t *testing.T) {
	var f Fragments
	f.Resolve(fragmentOf(7, 0, 0))
	f.Resolve(fragmentOf(8, 0, 0))
	for _, c := range []struct {
		name   string
		change func(p *Packet)
		ports  bool
	}{
		{"the same packet", func(*Packet) {}, true},
		{"last of the packet", func(p *Packet) { p.MoreFragments = false }, true},
		{"another identification", func(p *Packet) { p.FragID = 9 }, false},
		{"another source", func(p *Packet) { p.Src = v4(10, 0, 0, 3) }, false},
		{"another destination", func(p *Packet) { p.Dst = v4(10, 0, 0, 3) }, false},
		{"the other way", func(p *Packet) { p.Src, p.Dst = p.Dst, p.Src }, false},
		{"another protocol", func(p *Packet) { p.Proto = packet.ProtoTCP }, false},
		{"another IP version", func(p *Packet) { p.Version = 6 }, false},
		{"just in time", func(p *Packet) { p.Clock = reassemblyTime - 1 }, true},
		{"too late", func(p *Packet) { p.Clock = reassemblyTime }, false},
	} {
		p := fragmentOf(7, 185, 0)
		c.change(p)
		before := f
		f.Resolve(p)
		if has := p.Layers&packet.HasPorts != 0; has != c.ports {
			t.Errorf("%s: got ports: %v", c.name, has)
		}
		if c.ports && (p.SrcPort != 7 || p.DstPort != 1) {
			t.Errorf("%s: ports %d, %d", c.name, p.SrcPort, p.DstPort)
		}
		if f.Filled-before.Filled+f.Orphans-before.Orphans != 1 || (f.Filled > before.Filled) != c.ports {
			t.Errorf("%s: counted as %d filled, %d orphans", c.name, f.Filled-before.Filled, f.Orphans-before.Orphans)
		}
	}
}

// TestFragmentsWithoutPorts: of a protocol that has none, nothing is missing.
func TestFragmentsWithoutPorts(t *testing.T) {
	var f Fragments
	p := fragmentOf(7, 185, 0)
	p.Proto = packet.ProtoICMP
	f.Resolve(p)
	if p.Layers&packet.HasPorts != 0 || f.Orphans != 0 || f.first != nil {
		t.Errorf("a fragment of ICMP: %+v", f)
	}
}

// TestFragmentsOfIPv6 get the protocol too: where destination options are part
// of what was fragmented, later fragments name these as their next header.
func TestFragmentsOfIPv6(t *testing.T) {
	const destinationOptions = 60
	var f Fragments
	for _, offset := range []uint16{0, 185} {
		p := fragmentOf(7, offset, 0)
		p.Layers ^= packet.HasIPv4 | packet.HasIPv6
		p.Version = 6
		if offset > 0 {
			p.Proto = destinationOptions
		}
		f.Resolve(p)
		if p.Proto != packet.ProtoUDP || p.SrcPort != 7 || p.DstPort != 1 {
			t.Errorf("offset %d: protocol %d, ports %d, %d", offset, p.Proto, p.SrcPort, p.DstPort)
		}
	}
	if f.Filled != 1 || f.Orphans != 0 {
		t.Errorf("%d filled, %d orphans", f.Filled, f.Orphans)
	}
}

// TestFragmentsAreBounded keeps the newest first fragments, each found by its
// own packet alone, and counts those forgotten before their time.
func TestFragmentsAreBounded(t *testing.T) {
	f := Fragments{Seed: Seed{1, 2, 3, 4}}
	const extra = 1000
	for id := range uint32(fragmentsKept + extra) {
		f.Resolve(fragmentOf(id, 0, int64(id)))
	}
	if f.Lost != extra {
		t.Errorf("%d first fragments are counted as lost, not %d", f.Lost, extra)
	}
	for id := range uint32(fragmentsKept + extra) {
		p := fragmentOf(id, 185, fragmentsKept+extra)
		f.Resolve(p)
		if has := p.Layers&packet.HasPorts != 0; has != (id >= extra) {
			t.Fatalf("fragment %d got ports: %v", id, has)
		}
		if id >= extra && p.SrcPort != uint16(id) {
			t.Fatalf("fragment %d got the ports of another packet", id)
		}
	}
	if f.Filled != fragmentsKept || f.Orphans != extra {
		t.Errorf("%d filled, %d orphans", f.Filled, f.Orphans)
	}
	for id := range uint32(fragmentsKept) { // by now all are old: forgetting them loses nothing
		f.Resolve(fragmentOf(1<<20+id, 0, 2*reassemblyTime))
	}
	if f.Lost != extra {
		t.Errorf("%d lost after their time", f.Lost-extra)
	}
}

// TestFragmentsOfARepeatedIdentification take the newest ports.
func TestFragmentsOfARepeatedIdentification(t *testing.T) {
	var f Fragments
	f.Resolve(fragmentOf(7, 0, 0))
	again := fragmentOf(7, 0, 1)
	again.SrcPort = 99
	f.Resolve(again)
	p := fragmentOf(7, 185, 2)
	f.Resolve(p)
	if p.SrcPort != 99 || f.next != 1 {
		t.Errorf("source port %d, %d places in use", p.SrcPort, f.next)
	}
}

func TestFragmentsAllocateOnce(t *testing.T) {
	var f Fragments
	f.Resolve(fragmentOf(0, 0, 0))
	id := uint32(0)
	first, later := fragmentOf(0, 0, 0), fragmentOf(0, 185, 0)
	if n := testing.AllocsPerRun(2*fragmentsKept, func() {
		id++
		first.FragID, later.FragID = id, id
		later.Layers &^= packet.HasPorts
		f.Resolve(first)
		f.Resolve(later)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
