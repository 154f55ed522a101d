package ring

import (
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
)

// hardwareOf is a type of interface whose frames have the link type.
var hardwareOf = map[uint16]uint32{
	uint16(packet.LinkEthernet): ethernet,
	uint16(packet.LinkRaw):      0xfffe,
}

// view is how the kernel shows a frame to a fanout program.
type view struct {
	hardware uint32
	outgoing bool
	proto    uint32
	data     []byte // the whole frame
	link     int    // octets of its link header
}

// machine puts what x/net's machine does not know in place of loads from it:
// the packet's metadata, and loads from the link and network headers on. All
// else is the program that the kernel gets.
func (v *view) machine(t testing.TB, program []bpf.Instruction) *bpf.VM {
	t.Helper()
	start := 0 // of what the program sees as offset 0
	if !v.outgoing {
		start = v.link
	}
	code := make([]bpf.Instruction, len(program))
	for i, in := range program {
		switch in := in.(type) {
		case bpf.LoadExtension:
			code[i] = v.metadata(in)
		case bpf.LoadAbsolute:
			code[i] = v.fromLink(in)
		case bpf.LoadIndirect:
			if in.Off >= offNetwork {
				in.Off = in.Off - offNetwork + uint32(v.link-start)
			}
			code[i] = in
		default:
			code[i] = in
		}
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func (v *view) metadata(in bpf.LoadExtension) bpf.Instruction {
	value := map[bpf.Extension]uint32{bpf.ExtLinkLayerType: v.hardware, bpf.ExtProto: v.proto, bpf.ExtType: 0}
	if v.outgoing {
		value[bpf.ExtType] = packetOutgoing
	}
	if n, ok := value[in.Num]; ok {
		return bpf.LoadConstant{Dst: bpf.RegA, Val: n}
	}
	return in
}

// fromLink loads from the link header, which lies before the octets that the
// machine has of a frame that came in.
func (v *view) fromLink(in bpf.LoadAbsolute) bpf.Instruction {
	if in.Off < offLink {
		return in
	}
	in.Off -= offLink
	if v.outgoing || v.link == 0 { // of a link without header the program loads none
		return in
	}
	value := uint32(0)
	for _, b := range v.data[in.Off:][:in.Size] {
		value = value<<8 | uint32(b)
	}
	return bpf.LoadConstant{Dst: bpf.RegA, Val: value}
}

// input is what the machine runs over.
func (v *view) input() []byte {
	if v.outgoing {
		return v.data
	}
	return v.data[v.link:]
}

// chosen is the worker that the program chooses.
func (v *view) chosen(t testing.TB, program []bpf.Instruction) int {
	t.Helper()
	n, err := v.machine(t, program).Run(v.input())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// worker is what a meter that reads traces does.
func worker(link uint16, data []byte, workers int) int {
	hi, _ := bits.Mul32(packet.Shard(packet.LinkType(link), data), uint32(workers))
	return int(hi)
}

// traces returns the traces of testdata and of METER_TRACES.
func traces(t *testing.T) (all []string) {
	t.Helper()
	for _, root := range []string{filepath.Join("..", "..", "..", "testdata"), os.Getenv("METER_TRACES")} {
		if root == "" {
			continue
		}
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, ".tsv") {
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// eachFrame visits the frames of a trace up to its end or its damage.
func eachFrame(t *testing.T, path string, visit func(f *capture.Frame, data []byte)) {
	t.Helper()
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next()
		if err != nil {
			return
		}
		for i := range b.Frames {
			visit(&b.Frames[i], b.Data(&b.Frames[i]))
		}
		b.Release()
	}
}

// TestFanoutIsShard runs the program over every frame of the traces, as the
// kernel shows it going out: it chooses the worker that packet.Shard does. Of
// each trace, the first frames are shown coming in, too.
func TestFanoutIsShard(t *testing.T) {
	const incoming = 10
	counts := map[uint16]int{}
	numbers := []int{2, 3, 256}
	if testing.Short() {
		numbers = numbers[:1]
	}
	for _, workers := range numbers {
		program := fanoutProgram(workers)
		machines := map[uint16]*bpf.VM{}
		for link, hardware := range hardwareOf {
			v := view{hardware: hardware, outgoing: true}
			machines[link] = v.machine(t, program)
		}
		for _, path := range traces(t) {
			n := 0
			eachFrame(t, path, func(f *capture.Frame, data []byte) {
				vm := machines[f.Link]
				if vm == nil {
					return
				}
				want := worker(f.Link, data, workers)
				if got, err := vm.Run(data); err != nil || got != want {
					t.Fatalf("%s: % x goes out: to worker %d of %d, not %d (%v)", path, data[:min(len(data), 80)], got, workers, want, err)
				}
				counts[f.Link]++
				if n++; n > incoming {
					return
				}
				v := view{hardware: hardwareOf[f.Link], data: data}
				if f.Link == uint16(packet.LinkEthernet) {
					v.link = etherLen
				}
				if len(data) < v.link {
					return // no Ethernet interface gives that
				}
				if got := v.chosen(t, program); got != want {
					t.Fatalf("%s: % x comes in: to worker %d of %d, not %d", path, data[:min(len(data), 80)], got, workers, want)
				}
			})
		}
	}
	for link, hardware := range hardwareOf {
		t.Logf("link type %d (ARPHRD %d): %d frames", link, hardware, counts[link])
		if counts[link] == 0 && (link == uint16(packet.LinkEthernet) || os.Getenv("METER_TRACES") != "") {
			t.Errorf("no frame of link type %d", link)
		}
	}
}

// FuzzFanout takes any frame, of any length, both ways.
func FuzzFanout(f *testing.F) {
	for _, frame := range []string{
		"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x81\x00\x00\x07\x88\xa8\x00\x08\x08\x00E0123456789abcdefghijklmnop",
		"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x00\x40\xaa\xaa\x03\x00\x00\xf8\x86\xdd`0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
		"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x00\x40\x06\x06\x03E0123456789abcdefghijklmnop",
		"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\x47\x00\x00\x10\x40\x00\x00\x11\x40E0123456789abcdefghijklmnop",
		"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\x64\x11\x00\x00\x01\x00\x20\x00\x57`0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
		"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\x64\x11\x00\x00\x01\x00\x20\x02\x83\x00\x00\x11\x40E0123456789abcdefghijklmnop",
		"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x06",
	} {
		f.Add([]byte(frame), uint16(2))
		for n := etherLen; n < len(frame); n += 3 {
			f.Add([]byte(frame[:n]), uint16(1000))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, workers uint16) {
		if workers == 0 {
			return
		}
		program := fanoutProgram(int(workers))
		for link, hardware := range hardwareOf {
			v := view{hardware: hardware, data: data}
			if link == uint16(packet.LinkEthernet) {
				v.link = etherLen
			}
			if len(data) < v.link {
				continue
			}
			for _, v.outgoing = range []bool{false, true} {
				if got, want := v.chosen(t, program), worker(link, data, int(workers)); got != want {
					t.Errorf("link type %d, outgoing %v: % x: to worker %d of %d, not %d", link, v.outgoing, data, got, workers, want)
				}
			}
		}
		cookedLikeShard(t, program, data, int(workers))
	})
}

// cookedLikeShard takes the octets behind an Ethernet header for those behind
// a link header that nobody reads, of the same type, and compares with the
// cooked frame that the walker would make of it.
func cookedLikeShard(t *testing.T, program []bpf.Instruction, data []byte, workers int) {
	if len(data) < etherLen {
		return
	}
	typ := uint32(data[12])<<8 | uint32(data[13])
	cooked := append(make([]byte, cookedLen-2), data[12:]...)
	want := worker(uint16(packet.LinkSLL), cooked, workers)
	for _, outgoing := range []bool{false, true} {
		v := view{hardware: 32, proto: typ, data: data, link: etherLen, outgoing: outgoing}
		if got := v.chosen(t, program); got != want {
			t.Errorf("cooked, outgoing %v: % x: to worker %d of %d, not %d", outgoing, data, got, workers, want)
		}
	}
}

func testdata(name string) string { return filepath.Join("..", "..", "..", "testdata", name) }
