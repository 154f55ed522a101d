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

// metadata is what the kernel knows of a frame beside its octets.
type metadata struct {
	hardware  uint32
	proto     uint32
	tagged    bool
	tpid, tci uint32
}

// skb is a frame as the kernel shows it to a filter: the outer tag of one of
// two protocols taken off.
type skb struct {
	metadata
	data  []byte // without the tag
	frame []byte // whole
	link  packet.LinkType
}

func newSKB(link packet.LinkType, frame []byte, strip bool) *skb {
	s := &skb{metadata: metadata{hardware: testRaw}, data: frame, frame: frame, link: link}
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

// machines run a program. x/net's machine knows no metadata, so that there is
// one for each, with constants in place of its loads.
type machines struct {
	t    testing.TB
	code []bpf.Instruction
	vms  map[metadata]*bpf.VM
}

func newMachines(t testing.TB, program []bpf.RawInstruction) *machines {
	t.Helper()
	code, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatal("no program")
	}
	return &machines{t, code, map[metadata]*bpf.VM{}}
}

func (m *machines) run(s *skb) int {
	vm := m.vms[s.metadata]
	if vm == nil {
		vm = m.machine(s)
		m.vms[s.metadata] = vm
	}
	n, err := vm.Run(s.data)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

func (m *machines) machine(s *skb) *bpf.VM {
	code := append([]bpf.Instruction(nil), m.code...)
	value := map[bpf.Extension]uint32{bpf.ExtLinkLayerType: s.hardware, bpf.ExtProto: s.proto,
		bpf.ExtVLANTag: s.tci, bpf.ExtVLANProto: s.tpid, bpf.ExtVLANTagPresent: uint32(bool2int(s.tagged))}
	for i, in := range code {
		if ext, ok := in.(bpf.LoadExtension); ok && ext.Num != bpf.ExtLen {
			v, known := value[ext.Num]
			if !known {
				m.t.Fatalf("extension %d", ext.Num)
			}
			code[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: v}
		}
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		m.t.Fatal(err)
	}
	return vm
}

// decode is what the meter makes of the frame.
func (s *skb) decode(snaplen int) (*packet.Headers, packet.Outcome) {
	h := &packet.Headers{}
	out := packet.Decode(h, s.link, s.captured(snaplen), uint32(len(s.frame)))
	return h, out
}

func (s *skb) captured(snaplen int) []byte { return s.frame[:min(len(s.frame), snaplen)] }

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
	if len(all) < 500 {
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
	frames := skbs(t, 50)
	r := rand.New(rand.NewPCG(3, 4))
	for range 1500 {
		frames = append(frames, damaged(r, frames[r.IntN(len(frames))]))
	}
	nets := testNetworks(t)
	var filters []string
	filters = append(filters, writtenFilters...)
	for seed := range uint64(300) {
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
		vms := newMachines(t, program)
		for i, s := range frames {
			matches := f.Match(headers[i], s.captured(k.Snaplen))
			bad := outcomes[i] == packet.Malformed || outcomes[i] == packet.Unsupported // never put to a filter
			switch gone := vms.run(s) == 0; {
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

// sets are rule sets whose leading rules ignore something.
var ignoringSets = []string{
	"- if: '!ip && !ipv6'\n  do: ignore\n- do: count",
	"- if: arp || ethertype == 0x88cc\n  do: ignore\n- if: icmp\n  do: ignore\n- do: count",
	"- if: dst.port == 53\n  do: ignore\n- do: count",
	"- if: port in {53, 443} && src.addr == 10.0.0.0/8\n  do: ignore\n- do: count",
	"- if: tcp.port == 443\n  do: count\n- if: class == \"out\"\n  do: nomatch\n- do: ignore",
	"- if: tcp\n  set: {zone: 3}\n  do: next\n- if: zone != 3\n  do: ignore\n- do: count",
	"- save: [src.addr]\n- if: proto in {1, 2, 58, 89}\n  do: ignore\n- do: count",
	"- if: ip\n  then:\n  - if: tcp\n    do: count\n  do: ignore\n- if: '!ip'\n  do: ignore",
	"- if: pass == \"forward\" && icmp.type == 8\n  do: ignore\n- do: count",
	"- if: tcp\n  do: count\n  else:\n  - do: ignore",
}

// TestKernelCutsWhatIsIgnored holds the programs of rule sets, written and
// random, against their rules: what is cut every rule set ignores, and that it
// held IP, and how long, can be told of the octet that is left.
func TestKernelCutsWhatIsIgnored(t *testing.T) {
	frames := skbs(t, 50)
	r := rand.New(rand.NewPCG(5, 6))
	for range 1500 {
		frames = append(frames, damaged(r, frames[r.IntN(len(frames))]))
	}
	var texts []string
	for _, orient := range orientNames {
		for _, rules := range ignoringSets {
			texts = append(texts, "networks: {home: [10.0.0.0/8, 192.168.0.0/16]}\nrulesets:\n- orient: "+orient+"\n  rules:\n  "+strings.ReplaceAll(rules, "\n", "\n  "))
		}
	}
	for seed := range uint64(300) {
		texts = append(texts, newMaker(seed).file())
	}
	programs, cut, ignored := 0, 0, 0
	for i, text := range texts {
		k := testKernel()
		k.Segments, k.Own = i%4 == 1, i%4 == 2
		sets := []*RuleSet{testSet(t, text)}
		if i%5 == 4 {
			sets = append(sets, testSet(t, texts[0]))
		}
		var f *Filter
		if i%7 == 6 {
			f, _ = ParseFilter("test", "!tcp", testNetworks(t), nil)
		}
		program := k.Cut(sets, f)
		if program == nil {
			continue
		}
		programs++
		vms := newMachines(t, program)
		for _, s := range frames {
			h, out := s.decode(k.Snaplen)
			all := out != packet.Malformed && out != packet.Unsupported && (f == nil || f.Match(h, s.captured(k.Snaplen)))
			for _, rs := range sets {
				m := match(rs, h)
				all = all && m.Verdict == Ignored
			}
			ignored += bool2int(all)
			if n := vms.run(s); n == 0 || n != 1 && n < k.Snaplen {
				t.Fatalf("%d octets are captured", n)
			} else if n == 1 {
				cut++
				checkCut(t, &k, text, s, h, out, all)
			}
		}
	}
	t.Logf("%d of %d rule sets have programs; of %d frames that are ignored %d were cut", programs, len(texts), ignored, cut)
	if programs < len(ignoringSets) || cut < ignored/4 {
		t.Error("the kernel cuts too little")
	}
}

func checkCut(t *testing.T, k *Kernel, text string, s *skb, h *packet.Headers, out packet.Outcome, ignored bool) {
	t.Helper()
	isIP := s.proto == 0x0800 || s.proto == 0x86dd
	link := uint32(0)
	if s.link == packet.LinkEthernet {
		link = 14 + 4*uint32(bool2int(s.tagged))
	}
	switch {
	case !ignored:
		t.Fatalf("cuts %x\n%v, %+v\nin\n%s", s.frame[:min(100, len(s.frame))], out, h, text)
	case isIP != (out == packet.OK) || !isIP && out != packet.NotIP:
		t.Fatalf("%#x taken for IP: %v, but it is %v: %x", s.proto, isIP, out, s.frame[:min(100, len(s.frame))])
	case isIP && h.TotalLen != h.WireLen-link:
		t.Fatalf("an IP packet of %d octets in a frame of %d: %x", h.TotalLen, h.WireLen, s.frame[:min(100, len(s.frame))])
	case h.Layers&packet.HasFragment != 0, (k.Segments || k.Own) && h.Layers&(packet.HasTCP|packet.HasUDP) != 0 && h.Proto != packet.ProtoUDPLite:
		t.Fatalf("cuts a fragment, or TCP or UDP: %x", s.frame[:min(100, len(s.frame))])
	}
}

// TestKernelCutsWithoutIP cuts by the default rules exactly what is certain to
// be without IP.
func TestKernelCutsWithoutIP(t *testing.T) {
	k := testKernel()
	k.Segments, k.Own = true, true
	vms := newMachines(t, k.Cut([]*RuleSet{Default(DefaultNetworks())}, nil))
	plain := func(typ uint16, rest ...byte) []byte {
		f := make([]byte, 60)
		binary.BigEndian.PutUint16(f[12:], typ)
		copy(f[14:], rest)
		return f
	}
	for name, frame := range map[string][]byte{"ARP": plain(0x0806), "LLDP": plain(0x88cc), "STP": plain(38, 0x42, 0x42, 3),
		"CDP": plain(40, 0xaa, 0xaa, 3, 0, 0, 12, 0x20, 0), "EAPOL": plain(0x888e), "ARP in two VLANs": plain(0x88a8, 0, 7, 0x81, 0, 0, 8, 8, 6)} {
		if n := vms.run(newSKB(packet.LinkEthernet, frame, true)); n != 1 {
			t.Errorf("%s: %d octets", name, n)
		}
	}
	for name, frame := range map[string][]byte{"IP": plain(0x0800, 0x45), "IPv6": plain(0x86dd, 0x60), "MPLS": plain(0x8847), "PPPoE": plain(0x8864),
		"IP in SNAP": plain(40, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0), "IP in LLC": plain(40, 6, 6, 3), "nothing": nil, "a beginning": make([]byte, 13)} {
		if n := vms.run(newSKB(packet.LinkEthernet, frame, true)); n != wholeFrame {
			t.Errorf("%s: %d octets", name, n)
		}
	}
}

// TestKernelCutsBothWaysRound does not cut what is ignored one way round only,
// where orient may have it tried the other way round first.
func TestKernelCutsBothWaysRound(t *testing.T) {
	reply := make([]byte, 14+28)
	copy(reply[12:], []byte{8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, packet.ProtoICMP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	for _, tt := range []struct {
		orient, cond string
		want         int
	}{
		{"initiator", "icmp && src.addr == 10.0.0.1", wholeFrame}, {"perimeter", "icmp && src.addr == 10.0.0.1", wholeFrame},
		{"first", "icmp && src.addr == 10.0.0.1", 1}, {"first", "icmp && dst.addr == 10.0.0.1", wholeFrame},
		{"initiator", "icmp && addr == 10.0.0.1", 1}, {"initiator", "class == \"internal\"", 1}, {"first", "class == \"in\"", wholeFrame},
	} {
		k := testKernel()
		rs := testSet(t, "rulesets:\n- orient: "+tt.orient+"\n  rules: [{if: '"+tt.cond+"', do: ignore}, {do: count}]")
		if n := newMachines(t, k.Cut([]*RuleSet{rs}, nil)).run(newSKB(packet.LinkEthernet, reply, true)); n != tt.want {
			t.Errorf("%s, %s: %d octets", tt.orient, tt.cond, n)
		}
	}
}

// TestKernelSaysWhatCannotBe refuses filters that would drop nothing, or are
// too large.
func TestKernelSaysWhatCannotBe(t *testing.T) {
	k := testKernel()
	many := make([]string, 3500)
	for i := range many {
		many[i] = fmt.Sprintf("10.%d.%d.0/25", i/256, i%256)
	}
	for text, want := range map[string]string{
		"iface == 3": "nothing would be dropped",
		"src.addr in {" + strings.Join(many, ", ") + "}": "instructions in the kernel",
	} {
		f, err := ParseFilter("test", text, DefaultNetworks(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Drop(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
	if k.Cut([]*RuleSet{testSet(t, "- do: count")}, nil) != nil {
		t.Error("a rule set that counts all is cut")
	}
}
