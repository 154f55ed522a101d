package packet

import (
	"reflect"
	"slices"
	"testing"
)

// decodeTest is one frame and what Decode must find in it. Of h only the
// fields that its Layers make valid are compared; WireLen and CapLen are
// known without.
type decodeTest struct {
	name string
	link LinkType
	data []byte
	wire uint32 // 0: as captured
	want Outcome
	h    Headers
}

func (d *decodeTest) wireLen() uint32 { return max(d.wire, uint32(len(d.data))) }

var decodeTests = slices.Concat(linkTests, wifiTests, ip4Tests, ip6Tests, transportTests)

func TestDecode(t *testing.T) {
	for _, test := range decodeTests {
		t.Run(test.name, func(t *testing.T) {
			h := poisoned()
			if got := Decode(&h, test.link, test.data, test.wireLen()); got != test.want {
				t.Fatalf("outcome %v, want %v", got, test.want)
			}
			want := test.h
			want.Time, want.Iface = h.Time, h.Iface
			want.CapLen, want.WireLen = uint32(len(test.data)), test.wireLen()
			if got := valid(&h); got != valid(&want) {
				t.Errorf("got  %+v\nwant %+v", got, valid(&want))
			}
			checkPromises(t, frame{test.link, test.data, test.wireLen()})
		})
	}
}

// TestDecodeCut decodes each frame of the tests cut at each length, as the
// capture and as the wire would.
func TestDecodeCut(t *testing.T) {
	for _, test := range decodeTests {
		for n := range test.data {
			checkPromises(t, frame{test.link, test.data[:n], test.wireLen()})
			checkPromises(t, frame{test.link, test.data[:n], uint32(n)})
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	var h Headers
	for _, test := range decodeTests {
		n := testing.AllocsPerRun(10, func() {
			Decode(&h, test.link, test.data, test.wireLen())
			Shard(test.link, test.data)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations, want 0", test.name, n)
		}
	}
}

func TestOutcomeNames(t *testing.T) {
	for o := range NumOutcomes {
		if o.String() == "" {
			t.Errorf("outcome %d has no name", uint8(o))
		}
	}
}

// poisoned returns Headers with all bits of all fields set.
func poisoned() Headers {
	var h Headers
	poison(reflect.ValueOf(&h).Elem())
	return h
}

func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(-1)
	case reflect.Array:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			poison(v.Field(i))
		}
	default:
		v.SetUint(1<<(8*v.Type().Size()) - 1)
	}
}

// valid returns h with every field zero that Layers does not make valid.
func valid(h *Headers) Headers {
	v := Headers{Time: h.Time, Iface: h.Iface, Layers: h.Layers, WireLen: h.WireLen, CapLen: h.CapLen}
	validLink(&v, h)
	if h.Layers&HasIP != 0 {
		v.Version, v.Proto, v.TClass, v.TTL = h.Version, h.Proto, h.TClass, h.TTL
		v.Src, v.Dst, v.TotalLen, v.FlowLabel = h.Src, h.Dst, h.TotalLen, h.FlowLabel
	}
	if h.Layers&HasIPv4 != 0 {
		v.FragID, v.DontFragment = h.FragID, h.DontFragment
	}
	if h.Layers&HasFragment != 0 {
		v.FragID, v.FragOffset, v.MoreFragments = h.FragID, h.FragOffset, h.MoreFragments
	}
	if h.Layers&HasARP != 0 {
		v.ARPOp, v.Version, v.Src, v.Dst = h.ARPOp, h.Version, h.Src, h.Dst
	}
	validTransport(&v, h)
	return v
}

func validLink(v, h *Headers) {
	if h.Layers&HasMAC != 0 {
		v.DstMAC, v.SrcMAC = h.DstMAC, h.SrcMAC
	}
	if h.Layers&HasEtherType != 0 {
		v.EtherType = h.EtherType
	}
	if h.Layers&HasVLAN != 0 {
		v.VLAN[0] = h.VLAN[0]
	}
	if h.Layers&HasVLAN2 != 0 {
		v.VLAN[1] = h.VLAN[1]
	}
	if h.Layers&HasMPLS != 0 {
		v.MPLSLabel = h.MPLSLabel
	}
}

func validTransport(v, h *Headers) {
	if h.Layers&HasPorts != 0 {
		v.SrcPort, v.DstPort = h.SrcPort, h.DstPort
	}
	if h.Layers&HasTCP != 0 {
		v.TCPFlags, v.Window, v.Seq, v.Ack = h.TCPFlags, h.Window, h.Seq, h.Ack
	}
	if h.Layers&(HasICMP|HasICMPv6) != 0 {
		v.ICMPType, v.ICMPCode = h.ICMPType, h.ICMPCode
	}
	if h.Layers&HasPayload != 0 {
		v.PayloadOff, v.PayloadLen = h.PayloadOff, h.PayloadLen
	}
}

// checkPromises checks what Decode and Shard promise of any frame.
func checkPromises(t *testing.T, f frame) {
	t.Helper()
	h, p := Headers{Time: -1, Iface: 1<<32 - 1}, poisoned()
	o := Decode(&h, f.link, f.data, f.wire)
	if again := Decode(&p, f.link, f.data, f.wire); again != o || valid(&h) != valid(&p) {
		t.Errorf("an earlier packet shows: %v %+v, then %v %+v", o, valid(&h), again, valid(&p))
	}
	for _, promise := range promises {
		if !promise.holds(o, &h) {
			t.Errorf("%s: not so for %v %+v, frame %x", promise.name, o, valid(&h), f.data)
		}
	}
	if len(h.Payload(f.data)) > int(h.PayloadLen) {
		t.Errorf("Payload is longer than PayloadLen")
	}
	if got := Shard(f.link, f.data); o == OK && got != shardOf(&h) {
		t.Errorf("Shard is %x, its addresses give %x, frame %x", got, shardOf(&h), f.data)
	}
	if o == OK && h.Pair() != shardOf(&h) {
		t.Errorf("Pair is %x, want %x, frame %x", h.Pair(), shardOf(&h), f.data)
	}
}

// shardOf is Shard by way of the addresses that Decode found.
func shardOf(h *Headers) uint32 {
	var x uint32
	for i := 0; i < len(h.Src); i += 4 {
		x ^= be32(h.Src[i:]) ^ be32(h.Dst[i:])
	}
	return mix(x)
}

var promises = []struct {
	name  string
	holds func(o Outcome, h *Headers) bool
}{
	{"the outcome has a name", func(o Outcome, h *Headers) bool { return o < NumOutcomes }},
	{"the wire is no shorter than the capture", func(o Outcome, h *Headers) bool { return h.WireLen >= h.CapLen }},
	{"IP fields if OK and only then", func(o Outcome, h *Headers) bool { return (o == OK) == (h.Layers&HasIP != 0) }},
	{"one IP version", func(o Outcome, h *Headers) bool { return h.Layers&HasIP != HasIP }},
	{"a truncated frame was longer on the wire", func(o Outcome, h *Headers) bool {
		return o != Truncated && h.Layers&ShortTransport == 0 || h.CapLen < h.WireLen
	}},
	{"two tags only after one", func(o Outcome, h *Headers) bool { return implies(h, HasVLAN2, HasVLAN) }},
	{"TCP, UDP, SCTP and DCCP have ports", func(o Outcome, h *Headers) bool {
		return implies(h, HasTCP, HasPorts) && implies(h, HasUDP, HasPorts) &&
			implies(h, HasSCTP, HasPorts) && implies(h, HasDCCP, HasPorts)
	}},
	{"later fragments have no transport", func(o Outcome, h *Headers) bool {
		return h.Layers&HasFragment == 0 || h.FragOffset == 0 || h.Layers&(HasPorts|HasICMP|HasICMPv6|HasPayload|ShortTransport) == 0
	}},
	{"the payload lies within the frame on the wire", func(o Outcome, h *Headers) bool {
		return h.Layers&HasPayload == 0 || uint64(h.PayloadOff)+uint64(h.PayloadLen) <= uint64(h.WireLen)
	}},
}

func implies(h *Headers, a, b Layer) bool { return h.Layers&a == 0 || h.Layers&b != 0 }
