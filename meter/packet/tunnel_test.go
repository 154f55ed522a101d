package packet

import (
	"slices"
	"testing"
)

// tunnelTest is a raw IPv4 or IPv6 packet and what Open must find in it: want,
// with Inner as far as it is valid.
type tunnelTest struct {
	name string
	data []byte
	wire uint32 // 0: as captured
	want Tunnel
	not  string // why tshark differs; "" where it does not
}

// udpTo is a UDP datagram in IPv4 to a port, off which the payload is 28.
func udpTo(port uint16, payload ...[]byte) []byte { return udpFrom(49152, port, payload...) }

func udpFrom(from, to uint16, payload ...[]byte) []byte {
	p := cat(payload...)
	n := uint16(len(p) + udpLen)
	return ip4Packet(ProtoUDP, []byte{byte(from >> 8), byte(from), byte(to >> 8), byte(to), byte(n >> 8), byte(n), 0, 0}, p)
}

// The three packets that the tunnels of the tests carry, and what is found in
// them at off.
var (
	etherUDP4 = cat(etherOf4, udp4)
	pppUDP6   = cat([]byte{0xff, 0x03, 0x00, 0x57}, udp6)
	etherARP4 = cat(macs, arpBytes)
)

func inEther(off uint32) Headers { return wantMAC(etherIPv4, wantUDP4(off+etherLen, Headers{})) }
func inARP() Headers             { return wantMAC(etherARP, wantARP) }

// inType is what GRE and others carry as an EtherType.
func inType(typ uint16, h Headers) Headers {
	h.Layers |= HasEtherType
	h.EtherType = typ
	return h
}

var (
	gtpUDP4 = cat([]byte{0x30, 0xff, 0, 32, 0, 0, 0, 9}, udp4)
	vxlan   = []byte{0x08, 0, 0, 0, 0, 0, 42, 0}
	geneve  = []byte{0x00, 0, 0x65, 0x58, 0, 0, 43, 0}
)

var tunnelTests = []tunnelTest{
	{name: "IPv4 in IPv4", data: ip4Packet(4, udp4), want: Tunnel{Has: HasIPIP, Depth: 1, Inner: wantUDP4(20, inType(etherIPv4, Headers{}))}},
	{name: "IPv6 in IPv4", data: ip4Packet(41, udp6), want: Tunnel{Has: HasIPIP, Depth: 1, Inner: wantUDP6(20, inType(etherIPv6, Headers{}))}},
	{name: "IPv4 in IPv6", data: ip6Packet(4, udp4), want: Tunnel{Has: HasIPIP, Depth: 1, Inner: wantUDP4(40, inType(etherIPv4, Headers{}))}},
	{name: "IPv6 in IPv6 behind an extension", data: ip6Packet(nextDestOptions, extension(41, 0), udp6),
		want: Tunnel{Has: HasIPIP, Depth: 1, Inner: wantUDP6(48, inType(etherIPv6, Headers{}))}},
	{name: "a first fragment", data: cat(ip4Header(4, 52, 0x2000), udp4), want: Tunnel{Has: HasIPIP, Depth: 1, Inner: wantUDP4(20, inType(etherIPv4, Headers{}))}},
	{name: "a later fragment", data: cat(ip4Header(4, 52, 0x0001), udp4)},
	{name: "another version than stated", data: ip4Packet(4, udp6), want: Tunnel{Has: HasIPIP}, not: "ips inner ports"},
	{name: "an inner header that is cut", data: ip4Packet(4, udp4)[:39], wire: 52, want: Tunnel{Has: HasIPIP}, not: "ips inner"},
	{name: "an inner header alone", data: ip4Packet(4, udp4)[:40], wire: 52,
		want: Tunnel{Has: HasIPIP, Depth: 1, Inner: inType(etherIPv4, want4(Headers{Layers: ShortTransport, Proto: ProtoUDP, TotalLen: 32, DontFragment: true}))}},

	{name: "GRE", data: ip4Packet(47, []byte{0, 0, 8, 0}, udp4), want: Tunnel{Has: HasGRE, Depth: 1, Inner: wantUDP4(24, inType(etherIPv4, Headers{}))}},
	{name: "GRE with all there is", data: ip4Packet(47, []byte{0xb0, 0, 0x86, 0xdd, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 3}, udp6),
		want: Tunnel{Has: HasGRE | HasGREKey, GREKey: 0x102, Depth: 1, Inner: wantUDP6(36, inType(etherIPv6, Headers{}))}},
	{name: "GRE with MPLS", data: ip4Packet(47, []byte{0, 0, 0x88, 0x47, 0, 1, 1, 64}, udp4),
		want: Tunnel{Has: HasGRE, Depth: 1, Inner: wantUDP4(28, inType(etherMPLS, Headers{Layers: HasMPLS, MPLSLabel: 16}))}},
	{name: "NVGRE", data: ip4Packet(47, []byte{0x20, 0, 0x65, 0x58, 0, 0, 42, 7}, etherUDP4),
		want: Tunnel{Has: HasGRE | HasGREKey, GREKey: 42<<8 | 7, Depth: 1, Inner: inEther(28)}},
	{name: "GRE with routes", data: ip4Packet(47, []byte{0x40, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}, udp4), not: "ips inner ports"},
	{name: "GRE keepalive", data: ip4Packet(47, []byte{0, 0, 0, 0}), want: Tunnel{Has: HasGRE}},
	{name: "PPTP", data: ip4Packet(47, []byte{0x30, 0x81, 0x88, 0x0b, 0, 84, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0}, pppUDP6),
		want: Tunnel{Has: HasGRE, Depth: 1, Inner: wantUDP6(40, Headers{})}},
	{name: "PPTP acknowledgement", data: ip4Packet(47, []byte{0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 5, 0, 0, 0, 1}), want: Tunnel{Has: HasGRE}},
	{name: "ERSPAN I", data: ip4Packet(47, []byte{0, 0, 0x88, 0xbe}, etherUDP4), want: Tunnel{Has: HasGRE | HasERSPAN, Depth: 1, Inner: inEther(24)}},
	{name: "ERSPAN II", data: ip4Packet(47, []byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0x08, 5, 0, 0, 0, 0}, etherUDP4),
		want: Tunnel{Has: HasGRE | HasERSPAN | HasSpanID, SpanID: 5, Depth: 1, Inner: inEther(36)}},
	{name: "ERSPAN III", data: ip4Packet(47, []byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0}, etherUDP4),
		want: Tunnel{Has: HasGRE | HasERSPAN | HasSpanID, SpanID: 6, Depth: 1, Inner: inEther(40)}},
	{name: "ERSPAN III with a subheader", data: ip4Packet(47, []byte{0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 1, 0x0c, 0, 0, 0, 0, 0, 0, 0}, etherUDP4),
		want: Tunnel{Has: HasGRE | HasERSPAN | HasSpanID, SpanID: 6, Depth: 1, Inner: inEther(48)}},

	{name: "VXLAN", data: udpTo(4789, vxlan, etherUDP4), want: Tunnel{Has: HasVXLAN, VXLANVNI: 42, Depth: 1, Inner: inEther(36)}},
	{name: "VXLAN of Linux", data: udpTo(8472, vxlan, etherUDP4), want: Tunnel{Has: HasVXLAN, VXLANVNI: 42, Depth: 1, Inner: inEther(36)}, not: "ips inner ports vxlan.vni"},
	{name: "VXLAN with ARP", data: udpTo(4789, vxlan, etherARP4), want: Tunnel{Has: HasVXLAN, VXLANVNI: 42, Depth: 1, Inner: inARP()}},
	{name: "VXLAN with a group", data: udpTo(4789, []byte{0x88, 0, 0, 9, 0, 0, 42, 0}, etherUDP4), want: Tunnel{Has: HasVXLAN, VXLANVNI: 42, Depth: 1, Inner: inEther(36)}},
	{name: "VXLAN without a VNI", data: udpTo(4789, []byte{0, 0, 0, 0, 0, 0, 42, 0}, etherUDP4), not: "ips inner ports vxlan.vni"},
	{name: "a port of VXLAN", data: udpTo(4789, []byte("\x08\x00domain name"), make([]byte, 9)), not: "frame ips inner ports vxlan.vni"},
	{name: "VXLAN-GPE with IPv6", data: udpTo(4790, []byte{0x0c, 0, 0, 2, 0, 0, 42, 0}, udp6),
		want: Tunnel{Has: HasVXLAN, VXLANVNI: 42, Depth: 1, Inner: wantUDP6(36, inType(etherIPv6, Headers{}))}},
	{name: "VXLAN-GPE with a service header", data: udpTo(4790, []byte{0x0c, 0, 0, 4, 0, 0, 42, 0}, make([]byte, 8)), want: Tunnel{Has: HasVXLAN, VXLANVNI: 42}},
	{name: "Geneve", data: udpTo(6081, geneve, etherUDP4), want: Tunnel{Has: HasGeneve, GeneveVNI: 43, Depth: 1, Inner: inEther(36)}},
	{name: "Geneve with options and IPv4", data: udpTo(6081, []byte{0x02, 0, 8, 0, 0, 0, 43, 0, 1, 2, 3, 1, 0, 0, 0, 0}, udp4),
		want: Tunnel{Has: HasGeneve, GeneveVNI: 43, Depth: 1, Inner: wantUDP4(44, inType(etherIPv4, Headers{}))}},
	{name: "Geneve of control", data: udpTo(6081, []byte{0, 0x80, 0x65, 0x58, 0, 0, 43, 0}, etherUDP4), want: Tunnel{Has: HasGeneve, GeneveVNI: 43}, not: "ips inner ports frame"},
	{name: "Geneve whose options do not end", data: udpTo(6081, []byte{0x3f, 0, 0x65, 0x58, 0, 0, 43, 0}, etherUDP4), want: Tunnel{Has: HasGeneve, GeneveVNI: 43}},
	{name: "GTP-U", data: udpTo(2152, gtpUDP4), want: Tunnel{Has: HasGTP, TEID: 9, Depth: 1, Inner: wantUDP4(36, Headers{})}},
	{name: "GTP-U with an extension", data: udpTo(2152, []byte{0x34, 0xff, 0, 40, 0, 0, 0, 9, 0, 0, 0, 0x85, 1, 0, 9, 0}, udp4),
		want: Tunnel{Has: HasGTP, TEID: 9, Depth: 1, Inner: wantUDP4(44, Headers{})}},
	{name: "GTP-U with a number", data: udpTo(2152, []byte{0x32, 0xff, 0, 36, 0, 0, 0, 9, 0, 1, 0, 0}, udp4), want: Tunnel{Has: HasGTP, TEID: 9, Depth: 1, Inner: wantUDP4(40, Headers{})}},
	{name: "GTP-U with an extension of no length", data: udpTo(2152, []byte{0x34, 0xff, 0, 40, 0, 0, 0, 9, 0, 0, 0, 0x85, 0, 0, 9, 0}, udp4), want: Tunnel{Has: HasGTP, TEID: 9}},
	{name: "GTP-U echo", data: udpTo(2152, []byte{0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0}), want: Tunnel{Has: HasGTP}},
	{name: "GTP-U of one octet", data: udpTo(2152, []byte{0x30, 0xff, 0, 1, 0, 0, 0, 9, 0x45}), want: Tunnel{Has: HasGTP, TEID: 9}, not: "ips inner ports"},

	{name: "L2TP", data: udpTo(1701, []byte{0, 2, 0, 7, 0, 8}, pppUDP6), want: Tunnel{Has: HasL2TP, L2TPTunnel: 7, L2TPSession: 8, Depth: 1, Inner: wantUDP6(38, Headers{})}},
	{name: "L2TP with all there is", data: udpTo(1701, []byte{0x4a, 2, 0, 72, 0, 7, 0, 8, 0, 1, 0, 2, 0, 2, 0, 0}, pppUDP6),
		want: Tunnel{Has: HasL2TP, L2TPTunnel: 7, L2TPSession: 8, Depth: 1, Inner: wantUDP6(48, Headers{})}},
	{name: "L2TP answer from its port", data: udpFrom(1701, 50000, []byte{0, 2, 0, 7, 0, 8, 0x21}, udp4), want: Tunnel{Has: HasL2TP, L2TPTunnel: 7, L2TPSession: 8, Depth: 1, Inner: wantUDP4(35, Headers{})}},
	{name: "L2TP control", data: udpTo(1701, []byte{0xc8, 2, 0, 12, 0, 7, 0, 0, 0, 1, 0, 2}), want: Tunnel{Has: HasL2TP, L2TPTunnel: 7}},
	{name: "L2TPv3 over UDP", data: udpTo(1701, []byte{0, 3, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0}, etherUDP4), want: Tunnel{Has: HasL2TPv3, L2TPSID: 8, Depth: 1, Inner: inEther(40)}, not: guess},
	{name: "L2TPv3 over IP", data: ip4Packet(115, []byte{0, 0, 0, 8, 0, 0, 0, 0}, etherUDP4), want: Tunnel{Has: HasL2TPv3, L2TPSID: 8, Depth: 1, Inner: inEther(28)}, not: guess},
	{name: "L2TPv3 without a sublayer", data: ip4Packet(115, []byte{0, 0, 0, 8}, etherUDP4), want: Tunnel{Has: HasL2TPv3, L2TPSID: 8, Depth: 1, Inner: inEther(24)}, not: guess},
	{name: "L2TPv3 with a cookie and a sublayer", data: ip4Packet(115, []byte{0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0}, etherARP4),
		want: Tunnel{Has: HasL2TPv3, L2TPSID: 8, Depth: 1, Inner: inARP()}, not: guess},
	{name: "L2TPv3 with IP", data: ip4Packet(115, []byte{0, 0, 0, 8, 1, 2, 3, 4}, udp6), want: Tunnel{Has: HasL2TPv3, L2TPSID: 8, Depth: 1, Inner: wantUDP6(28, Headers{})}, not: guess},
	{name: "L2TPv3 with something else", data: ip4Packet(115, []byte{0, 0, 0, 8}, make([]byte, 80)), want: Tunnel{Has: HasL2TPv3, L2TPSID: 8}, not: guess},
	{name: "L2TPv3 control", data: ip4Packet(115, make([]byte, 16)), not: guess},

	{name: "GRE in VXLAN, of one key each", data: udpTo(4789, vxlan, etherOf4, ip4Packet(47, []byte{0x20, 0, 8, 0, 0, 0, 0, 1}, ip4Packet(47, []byte{0x20, 0, 8, 0, 0, 0, 0, 2}, udp4))),
		want: Tunnel{Has: HasVXLAN | HasGRE | HasGREKey, VXLANVNI: 42, GREKey: 1, Depth: 3, Inner: wantUDP4(36+14+28+28, inType(etherIPv4, Headers{}))}},
	{name: "no more than eight", data: nested(10), want: Tunnel{Has: HasIPIP, Depth: 8,
		Inner: inType(etherIPv4, wantOver4(4, 20+32, Headers{Layers: HasPayload, PayloadOff: 9 * 20, PayloadLen: 52}))}, not: "ips ports"},
	{name: "no tunnel", data: udp4},
}

// guess is what tshark cannot tell of a session whose beginning it has not seen.
const guess = "frame ips inner ports l2tp.sid"

// nested is udp4 in n more IPv4 headers.
func nested(n int) []byte {
	b := udp4
	for range n {
		b = ip4Packet(4, b)
	}
	return b
}

func (d *tunnelTest) wireLen() uint32 { return max(d.wire, uint32(len(d.data))) }

func TestOpen(t *testing.T) {
	for _, test := range tunnelTests {
		t.Run(test.name, func(t *testing.T) {
			h, got := poisoned(), Tunnel{Inner: poisoned()}
			if out := Decode(&h, LinkRaw, test.data, test.wireLen()); out != OK {
				t.Fatalf("outcome %v", out)
			}
			opened := got.Open(&h, test.data)
			want := test.want
			if opened != (want.Depth > 0) || got.Has != want.Has || got.Depth != want.Depth {
				t.Fatalf("opened %v, headers %b, depth %d, want %b and %d", opened, got.Has, got.Depth, want.Has, want.Depth)
			}
			in := want.Inner
			in.Time, in.Iface, in.CapLen, in.WireLen = h.Time, h.Iface, uint32(len(test.data)), test.wireLen()
			if opened && valid(&got.Inner) != valid(&in) {
				t.Errorf("got  %+v\nwant %+v", valid(&got.Inner), valid(&in))
			}
			want.Inner, got.Inner = Headers{}, Headers{}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestOpenCut opens each packet of the tests cut at each length, as the capture
// and as the wire would.
func TestOpenCut(t *testing.T) {
	for _, test := range tunnelTests {
		for n := range test.data {
			checkTunnel(t, frame{LinkRaw, test.data[:n], test.wireLen()})
			checkTunnel(t, frame{LinkRaw, test.data[:n], uint32(n)})
		}
	}
}

func TestOpenDoesNotAllocate(t *testing.T) {
	var h Headers
	tunnel := new(Tunnel)
	for _, test := range tunnelTests {
		n := testing.AllocsPerRun(10, func() {
			Decode(&h, LinkRaw, test.data, test.wireLen())
			tunnel.Open(&h, test.data)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations, want 0", test.name, n)
		}
	}
}

// checkTunnel checks what Open promises of any frame.
func checkTunnel(t *testing.T, f frame) {
	t.Helper()
	var h Headers
	a, b := Tunnel{}, Tunnel{Inner: poisoned(), Has: 1<<16 - 1, Depth: 255}
	Decode(&h, f.link, f.data, f.wire)
	before := h
	opened := a.Open(&h, f.data)
	if again := b.Open(&h, f.data); again != opened || a.Has != b.Has || a.Depth != b.Depth || opened && valid(&a.Inner) != valid(&b.Inner) {
		t.Errorf("an earlier packet shows: %+v, then %+v", a, b)
	}
	if h != before {
		t.Errorf("the outer packet is not what it was: %+v, before %+v", h, before)
	}
	in := &a.Inner
	switch {
	case !opened:
		return
	case in.WireLen != h.WireLen || in.CapLen != h.CapLen:
		t.Errorf("the frame has %d octets, %d captured: inside %d, %d", h.WireLen, h.CapLen, in.WireLen, in.CapLen)
	case in.Layers&(HasIP|HasMAC) == 0:
		t.Errorf("neither IP nor a frame: %+v", in)
	case in.Layers&HasPayload != 0 && (in.PayloadOff < h.PayloadOff || in.PayloadOff+in.PayloadLen > h.PayloadOff+h.PayloadLen):
		t.Errorf("the payload at %d, %d octets, is not within that at %d, %d octets, of the tunnel", in.PayloadOff, in.PayloadLen, h.PayloadOff, h.PayloadLen)
	}
	out := NotIP
	if in.Layers&HasIP != 0 {
		out = OK
	}
	for _, promise := range promises {
		if !promise.holds(out, in) && promise.name != "a truncated frame was longer on the wire" {
			t.Errorf("%s: not so for %+v, frame %x", promise.name, in, f.data)
		}
	}
}

// FuzzOpen checks that Open panics on nothing and keeps its own promises.
func FuzzOpen(f *testing.F) {
	for _, test := range tunnelTests {
		f.Add(uint16(LinkRaw), test.data, test.wireLen())
	}
	for _, test := range slices.Concat(ip4Tests, ip6Tests) {
		f.Add(uint16(test.link), test.data, test.wireLen())
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, wire uint32) {
		checkTunnel(t, frame{LinkType(link), data, wire})
	})
}
