package rules

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowmeter/meter/packet"
)

// refTunnels says how each field of tunnel headers is read; nil means absent.
var refTunnels = map[string]func(t *packet.Tunnel) any{
	"tunnel":        func(t *packet.Tunnel) any { return when(t.Depth > 0, 1) },
	"tunnel.depth":  func(t *packet.Tunnel) any { return uint64(t.Depth) },
	"gre":           func(t *packet.Tunnel) any { return when(t.Has&packet.HasGRE != 0, 1) },
	"gre.key":       func(t *packet.Tunnel) any { return when(t.Has&packet.HasGREKey != 0, t.GREKey) },
	"erspan":        func(t *packet.Tunnel) any { return when(t.Has&packet.HasERSPAN != 0, 1) },
	"erspan.spanid": func(t *packet.Tunnel) any { return when(t.Has&packet.HasSpanID != 0, uint32(t.SpanID)) },
	"vxlan":         func(t *packet.Tunnel) any { return when(t.Has&packet.HasVXLAN != 0, 1) },
	"vxlan.vni":     func(t *packet.Tunnel) any { return when(t.Has&packet.HasVXLAN != 0, t.VXLANVNI) },
	"geneve":        func(t *packet.Tunnel) any { return when(t.Has&packet.HasGeneve != 0, 1) },
	"geneve.vni":    func(t *packet.Tunnel) any { return when(t.Has&packet.HasGeneve != 0, t.GeneveVNI) },
	"gtp":           func(t *packet.Tunnel) any { return when(t.Has&packet.HasGTP != 0, 1) },
	"gtp.teid":      func(t *packet.Tunnel) any { return when(t.Has&packet.HasGTP != 0, t.TEID) },
	"l2tp":          func(t *packet.Tunnel) any { return when(t.Has&(packet.HasL2TP|packet.HasL2TPv3) != 0, 1) },
	"l2tp.tunnel":   func(t *packet.Tunnel) any { return when(t.Has&packet.HasL2TP != 0, uint32(t.L2TPTunnel)) },
	"l2tp.session":  func(t *packet.Tunnel) any { return when(t.Has&packet.HasL2TP != 0, uint32(t.L2TPSession)) },
	"l2tp.sid":      func(t *packet.Tunnel) any { return when(t.Has&packet.HasL2TPv3 != 0, t.L2TPSID) },
}

func when(there bool, n uint32) any {
	if !there {
		return nil
	}
	return uint64(n)
}

// readNested reads a field of another packet than the one at hand, or of the
// tunnels; false if it is neither.
func (s *refState) readNested(name string) ([]any, bool) {
	if get := refTunnels[name]; get != nil {
		if s.nest == nil {
			return nil, true
		}
		if v := get(s.nest.Tunnel); v != nil {
			return []any{v}, true
		}
		return nil, true
	}
	which, plain, _ := strings.Cut(name, ".")
	if refFields[plain] == nil || which != "outer" && which != "inner" {
		return nil, false
	}
	switch {
	case s.nest == nil:
		return nil, true
	case which == "outer":
		return refFields[plain](s.nest.Outer), true
	case s.nest.Tunnel.Depth == 0:
		return nil, true
	}
	return refFields[plain](s.nest.Inner), true
}

// found reads a field that is saved.
func (s *refState) found(name string) []any {
	if get := refFields[name]; get != nil {
		return get(&s.h)
	}
	v, _ := s.readNested(name)
	return v
}

// nestedField chooses a field of a nest.
func (m *maker) nestedField() *field {
	if m.IntN(2) == 0 {
		return &tunnelFields[m.IntN(len(tunnelFields))]
	}
	for {
		if f := fieldByName(pick(m, "inner.", "outer.") + fields[m.IntN(len(fields))].name); f != nil {
			return f
		}
	}
}

// nest makes a packet with another one in it, or perhaps not. They are of one
// frame: what frameOf makes it of is the same in both.
func (m *maker) nest() *Nest {
	outer, inner := m.packet(), m.packet()
	for (outer.Layers^inner.Layers)&packet.HasIPv6 != 0 {
		inner = m.packet()
	}
	inner.Seq, inner.FragID, inner.WireLen, inner.TotalLen = outer.Seq, outer.FragID, outer.WireLen, outer.TotalLen
	inner.TTL, inner.MPLSLabel = outer.TTL, outer.MPLSLabel
	return &Nest{Outer: outer, Inner: inner, Tunnel: &packet.Tunnel{
		Depth: uint8(m.IntN(3)), Has: packet.TunnelSet(m.IntN(1 << 10)),
		GREKey: uint32(m.number()), VXLANVNI: uint32(m.number()), GeneveVNI: uint32(m.number()), TEID: uint32(m.number()),
		L2TPSID: uint32(m.number()), L2TPTunnel: uint16(m.number()), L2TPSession: uint16(m.number()), SpanID: uint16(m.number()) % 1024,
	}}
}

// reversedNest is a nest whose packets are seen the other way round.
func reversedNest(n *Nest) *Nest {
	return &Nest{Outer: reversed(n.Outer), Inner: reversed(n.Inner), Tunnel: n.Tunnel}
}

// Rules that look at packets within packets do what the reference does, with
// plain names of either packet.
func TestNests(t *testing.T) {
	counted, looked, files := 0, 0, uint64(1000)
	if testing.Short() {
		files = 100
	}
	for seed := range files {
		m := newMaker(seed)
		m.plain, m.nested = false, true
		text := m.file()
		rs, ref := readBoth(t, text)
		looked += bool2int(rs.Program.LooksInside())
		for range 30 {
			n := m.nest()
			h := n.Outer
			if n.Tunnel.Depth > 0 && m.IntN(2) == 0 {
				h = n.Inner
			}
			var got Match
			rs.Program.MatchNest(h, frameOf(h), n, &got)
			got.Rule, got.Turned = 0, 0 // as in compare
			ref.nest = n
			want := ref.match(h)
			if got.Verdict != Counted {
				got.Key, want.Key = Key{}, Key{}
			}
			want.Constant = want.Constant || got.Constant // as in compare
			if got != want {
				t.Fatalf("-reference +Program:\n%s\npacket %+v\nin %+v %+v %+v\nrules\n%s", cmp.Diff(want, got), h, n.Outer, n.Inner, n.Tunnel, text)
			}
			counted += bool2int(got.Verdict == Counted)
		}
	}
	t.Logf("of %d rule sets %d look inside; %d of %d packets are counted", files, looked, counted, 30*files)
	if least := int(files) / 3; looked < least || counted < least {
		t.Error("too few to mean anything")
	}
}

// Match of a packet that is in no nest finds neither tunnel nor other packet.
func TestNoNest(t *testing.T) {
	rs := testSet(t, "rulesets:\n- rules:\n  - {if: 'inner.tcp || outer.tcp || gre || tunnel.depth == 0', do: ignore}\n  - do: count\n")
	if m := match(rs, tcpPacket("10.1.2.3", 1, "10.1.2.4", 2, 0)); m.Verdict != Counted {
		t.Errorf("verdict %v", m.Verdict)
	}
}

func TestNestAllocatesNothing(t *testing.T) {
	rs := testSet(t, "rulesets:\n- rules:\n  - {if: 'inner.src.addr in $home && outer.dst.port == 9 && vxlan.vni in {1, 5..9, 11}', do: ignore}\n  - do: count\n")
	m := newMaker(1)
	n := m.nest()
	var got Match
	if a := testing.AllocsPerRun(100, func() { rs.Program.MatchNest(n.Outer, nil, n, &got) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// TestFieldsOfPackets: every field of a packet can be tested of the outer and
// of the inner one, none of which is saved.
func TestFieldsOfPackets(t *testing.T) {
	for i := range fields {
		for _, which := range []string{"outer.", "inner."} {
			f := fieldByName(which + fields[i].name)
			if (f != nil) != fields[i].ofPacket() {
				t.Errorf("%s%s: %v", which, fields[i].name, f)
			} else if f != nil && (f.attr != 0 || !f.varies || f.typ != fields[i].typ || f.max != fields[i].max) {
				t.Errorf("%s: %+v", f.name, f)
			}
		}
	}
	for _, name := range []string{"outer", "inner", "inner.", "inner.class", "inner.inner.tcp", "outer.gre.key", "middle.tcp"} {
		if f := fieldByName(name); f != nil {
			t.Errorf("%s is a field: %+v", name, f)
		}
	}
}
