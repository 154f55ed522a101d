package rules

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
)

const (
	testEthernet = 1
	testRaw      = 0xfffe
)

func testKernel() Kernel {
	return Kernel{Links: map[uint16]packet.LinkType{testEthernet: packet.LinkEthernet, testRaw: packet.LinkRaw}, Snaplen: 256, Room: 4080}
}

// skb is a frame as the kernel shows it to a filter: the outer tag of one of
// two protocols taken off.
type skb struct {
	hardware   uint32
	proto      uint32
	tpid, tci  uint32
	tagged     bool
	data       []byte // what there is of the frame, its tag taken off
	frame      []byte // the whole frame
	link       packet.LinkType
	mayBeWhole bool
}

func newSKB(link packet.LinkType, frame []byte, strip bool) *skb {
	s := &skb{hardware: testRaw, data: frame, frame: frame, link: link}
	if link != packet.LinkEthernet {
		if len(frame) > 0 {
			s.proto = map[byte]uint32{4: 0x0800, 6: 0x86dd}[frame[0]>>4]
		}
		return s
	}
	s.hardware = testEthernet
	if len(frame) < 18 {
		return s
	}
	s.proto = uint32(binary.BigEndian.Uint16(frame[12:]))
	if strip && (s.proto == 0x8100 || s.proto == 0x88a8) {
		s.tagged, s.tpid, s.tci = true, s.proto, uint32(binary.BigEndian.Uint16(frame[14:]))
		s.data = append(append([]byte(nil), frame[:12]...), frame[16:]...)
		s.proto = uint32(binary.BigEndian.Uint16(frame[16:]))
	}
	if s.proto < 0x600 {
		s.proto = 4 // ETH_P_802_2
	}
	return s
}

// run runs a program over the frame. x/net's machine knows no metadata, so
// these stand in their place as constants.
func (s *skb) run(t testing.TB, program []bpf.RawInstruction) int {
	t.Helper()
	code, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatal("no program")
	}
	for i, in := range code {
		ext, ok := in.(bpf.LoadExtension)
		if !ok || ext.Num == bpf.ExtLen {
			continue
		}
		value, known := map[bpf.Extension]uint32{bpf.ExtLinkLayerType: s.hardware, bpf.ExtProto: s.proto,
			bpf.ExtVLANTag: s.tci, bpf.ExtVLANProto: s.tpid, bpf.ExtVLANTagPresent: uint32(bool2int(s.tagged))}[ext.Num]
		if !known {
			t.Fatalf("extension %d", ext.Num)
		}
		code[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: value}
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(s.data)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// decode is what the meter makes of the frame.
func (s *skb) decode(snaplen int) (*packet.Headers, packet.Outcome) {
	h := &packet.Headers{}
	out := packet.Decode(h, s.link, s.frame[:min(len(s.frame), snaplen)], uint32(len(s.frame)))
	return h, out
}

// skbs are the frames of the traces of testdata and METER_TRACES that have the
// links of live interfaces: of each trace so many at most, each as it is and
// with its tag taken off.
func skbs(t testing.TB, perTrace int) (all []*skb) {
	t.Helper()
	for _, root := range []string{"../testdata", os.Getenv("METER_TRACES")} {
		if root == "" {
			continue
		}
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, ".tsv") {
				all = append(all, skbsOf(path, perTrace)...)
			}
			return nil
		})
	}
	if len(all) < 1000 {
		t.Fatalf("only %d frames", len(all))
	}
	return all
}

func skbsOf(path string, most int) (all []*skb) {
	r, err := capture.Open(path)
	if err != nil {
		return nil // it is no trace
	}
	defer r.Close()
	for len(all) < most {
		b, err := r.Next()
		if err != nil {
			if err != io.EOF {
				return all // a damaged one
			}
			return all
		}
		for i := range b.Frames {
			f := &b.Frames[i]
			link := packet.LinkType(f.Link)
			if f.CapLen != f.WireLen || link != packet.LinkEthernet && link != packet.LinkRaw || len(all) >= most {
				continue
			}
			data := append([]byte(nil), b.Data(f)...)
			s := newSKB(link, data, true)
			all = append(all, s)
			if s.tagged {
				all = append(all, newSKB(link, data, false))
			}
		}
		b.Release()
	}
	return all
}

// damaged returns the frame with some octets of its headers changed, or cut.
func damaged(r *rand.Rand, s *skb) *skb {
	frame := append([]byte(nil), s.frame...)
	for range 1 + r.IntN(3) {
		if n := min(len(frame), 70); n > 0 {
			frame[r.IntN(n)] ^= byte(1 << r.IntN(8))
		}
	}
	if r.IntN(4) == 0 {
		frame = frame[:r.IntN(min(len(frame), 100)+1)]
	}
	return newSKB(s.link, frame, r.IntN(2) == 0)
}

// filterOf returns a random expression that can stand alone.
func filterOf(m *maker, nets *Networks) (string, *Filter) {
	for {
		text := m.expr(0)
		if f, err := ParseFilter("test", text, nets, nil); err == nil {
			return text, f
		}
	}
}

func testNetworks(t testing.TB) *Networks {
	t.Helper()
	nets, err := ParseHome([]string{"10.0.0.0/8", "192.168.0.0/16", "fd00::/8", "fe80::/10"})
	if err != nil {
		t.Fatal(err)
	}
	return nets
}

// writtenFilters are such as people write.
var writtenFilters = []string{
	"ip", "ipv6", "arp", "!ip && !ipv6", "tcp", "udp.port == 53", "tcp.dstport in {80, 443, 8000..8100}",
	"vlan", "vlan.id == 100", "vlan.outer in {1..200} && udp", "src.addr == 10.0.0.0/8", "addr in {10.0.0.0/8, fd00::/8}",
	"src.addr != 192.168.0.0/16 && tcp", "class == \"out\"", "class != \"internal\"", "tcp.flags.syn && !tcp.flags.ack",
	"icmp.type == 8 || icmpv6.type == 128", "ip.ttl < 64", "dscp == 46", "ip.len > 1000", "frame.len > 1000",
	"fragment", "eth.addr == 01:80:c2:00:00:0e", "ethertype == 0x88cc", "proto in {1, 58}", "sctp", "tcp.port != 443",
	"mpls", "ip.flags.df", "iface == 1 && tcp", "tcp || iface == 2", "!(src.port == 22)", "ipv6.flow != 0", "kind == 0", "ip.version == 6",
}

// TestKernelDropsWhatTheFilterDoes holds the programs of random and of written
// expressions against the filter itself, over frames of traces, whole and
// damaged: what is dropped does not match.
func TestKernelDropsWhatTheFilterDoes(t *testing.T) {
	frames := skbs(t, 60)
	r := rand.New(rand.NewPCG(3, 4))
	for range 4000 {
		frames = append(frames, damaged(r, frames[r.IntN(len(frames))]))
	}
	nets := testNetworks(t)
	var filters []string
	filters = append(filters, writtenFilters...)
	for seed := range uint64(400) {
		m := newMaker(seed)
		m.plain = false
		text, _ := filterOf(m, nets)
		filters = append(filters, text)
	}
	for _, k := range []Kernel{{Snaplen: 256}, {Snaplen: 64}, {Snaplen: 256, Segments: true}} {
		full := testKernel()
		full.Snaplen, full.Segments = k.Snaplen, k.Segments
		t.Run(fmt.Sprintf("snaplen=%d,segments=%v", k.Snaplen, k.Segments), func(t *testing.T) { compareFilters(t, full, nets, filters, frames) })
	}
}

func compareFilters(t *testing.T, k Kernel, nets *Networks, filters []string, frames []*skb) {
	headers, outcomes := make([]*packet.Headers, len(frames)), make([]packet.Outcome, len(frames))
	for i, s := range frames {
		headers[i], outcomes[i] = s.decode(k.Snaplen)
	}
	programs, dropped, passed, tell := 0, 0, 0, 0
	for _, text := range filters {
		f, err := ParseFilter("test", text, nets, nil)
		if err != nil {
			t.Fatal(err)
		}
		program, err := k.Drop(f)
		if err != nil {
			continue
		}
		programs++
		for i, s := range frames {
			matches := f.Match(headers[i])
			bad := outcomes[i] == packet.Malformed || outcomes[i] == packet.Unsupported // never put to a filter
			switch gone := s.run(t, program) == 0; {
			case gone && (matches || bad):
				t.Fatalf("%s: drops, but %v, matches %v\n%x\n%+v", text, outcomes[i], matches, s.frame[:min(100, len(s.frame))], headers[i])
			case gone:
				dropped++
			case !matches && !bad:
				tell++
			default:
				passed++
			}
		}
	}
	all := dropped + tell
	t.Logf("%d of %d filters have programs; of %d frames that do not match %d were dropped, %d (%.1f %%) left to the meter", programs, len(filters), all, dropped, tell, 100*float64(tell)/float64(all))
	if programs < len(filters)/2 || dropped < all/2 {
		t.Error("the kernel can tell too little")
	}
}
