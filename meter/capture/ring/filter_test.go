package ring

import (
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
)

// port53 is what `tcpdump -y EN10MB -ddd udp port 53` prints.
const port53 = `20
40 0 0 12
21 0 6 34525
48 0 0 20
21 0 15 17
40 0 0 54
21 12 0 53
40 0 0 56
21 10 11 53
21 0 10 2048
48 0 0 23
21 0 8 17
40 0 0 20
69 6 0 8191
177 0 0 14
72 0 0 14
21 2 0 53
72 0 0 16
21 0 1 53
6 0 0 262144
6 0 0 0
`

func parse(t testing.TB, text string) []bpf.RawInstruction {
	t.Helper()
	program, err := ParseDDD(text)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// assembled is a program as the kernel takes it.
func assembled(t testing.TB, program ...bpf.Instruction) []bpf.RawInstruction {
	t.Helper()
	raw, err := bpf.Assemble(program)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// result is what a program returns for a frame that goes out of an interface.
func result(t testing.TB, program []bpf.RawInstruction, hardware uint32, outgoing bool, data []byte) int {
	t.Helper()
	code, ok := bpf.Disassemble(program)
	if !ok {
		t.Fatal("no program")
	}
	v := view{hardware: hardware, outgoing: outgoing, data: data}
	n, err := v.machine(t, code).Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCombine holds a combined program against its two parts, each run by
// itself.
func TestCombine(t *testing.T) {
	const snaplen = 200
	filters := map[string][]bpf.RawInstruction{
		"none":    nil,
		"port 53": parse(t, port53),
		"all":     assembled(t, bpf.RetConstant{Val: 262144}),
		"nothing": assembled(t, bpf.RetConstant{}),
		"computed": assembled(t, bpf.LoadAbsolute{Off: 23, Size: 1}, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 1},
			bpf.LoadConstant{Dst: bpf.RegX, Val: 5}, bpf.RetA{}),
	}
	cuts := map[string][]bpf.RawInstruction{
		"none": nil,
		"udp": assembled(t, bpf.LoadAbsolute{Off: 23, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipFalse: 1},
			bpf.RetConstant{Val: 1}, bpf.RetConstant{Val: 1 << 20}),
		"registers": assembled(t, bpf.ALUOpX{Op: bpf.ALUOpAdd}, bpf.JumpIf{Cond: bpf.JumpEqual, SkipFalse: 1},
			bpf.RetConstant{Val: 77}, bpf.RetConstant{Val: 78}),
	}
	for filterName, filter := range filters {
		for cutName, cut := range cuts {
			if err := checkPrograms(filter, cut); err != nil {
				t.Fatalf("%s, %s: %v", filterName, cutName, err)
			}
			program, accepted := combine(filter, cut, snaplen), 0
			eachFrame(t, testdata("dns.pcap"), func(_ *capture.Frame, data []byte) {
				want := snaplen
				if cut != nil {
					want = min(want, result(t, cut, ethernet, false, data))
				}
				if filter != nil && result(t, filter, ethernet, false, data) == 0 {
					want = 0
				}
				if got := result(t, program, ethernet, false, data); got != want {
					t.Errorf("filter %s, cut %s: %d, not %d", filterName, cutName, got, want)
				}
				if want > 0 {
					accepted++
				}
			})
			if (accepted == 0) != (filterName == "nothing") {
				t.Errorf("filter %s: %d frames are accepted", filterName, accepted)
			}
		}
	}
}

// TestTwins drops what leaves through the loopback, and nothing else.
func TestTwins(t *testing.T) {
	for _, hardware := range []uint32{ethernet, loopback, 0xfffe} {
		for _, outgoing := range []bool{false, true} {
			got := result(t, combine(nil, nil, 100), hardware, outgoing, make([]byte, 60))
			if (got == 0) != (hardware == loopback && outgoing) {
				t.Errorf("ARPHRD %d, outgoing %v: %d", hardware, outgoing, got)
			}
		}
	}
}

// TestParseDDD names the line that is wrong.
func TestParseDDD(t *testing.T) {
	if n := len(parse(t, port53)); n != 20 {
		t.Errorf("%d instructions", n)
	}
	if n := len(parse(t, "\n1\r\n6 0 0 262144\n\n")); n != 1 {
		t.Errorf("%d instructions", n)
	}
	for text, want := range map[string]string{
		"":                                 "0 instructions",
		"1\n":                              "of 0 instructions, where its first line says 1",
		"2\n6 0 0 1\n":                     "of 1 instructions, where its first line says 2",
		"1\n6 0 0 1\n6 0 0 1\n":            "of 2 instructions",
		"1 2\n":                            "line 1",
		"1\n6 0 0\n":                       "line 2",
		"2\n6 0 0 1\n6 0 x 1\n":            `line 3 of a program (the output of tcpdump -ddd): "x"`,
		"1\n6 0 0 4294967296\n":            "32 bits",
		"1\n6 256 0 0\n":                   "8 bits",
		"tcp port 80\n":                    "line 1",
		"1\n40 0 0 12\n":                   "does not return",
		"2\n21 1 0 12\n6 0 0 0\n":          "instruction 0 jumps behind the end",
		"2\n5 0 0 1\n6 0 0 0\n":            "instruction 0 jumps behind the end",
		"1\n" + strings.Repeat("6", 70000): "line",
	} {
		if _, err := ParseDDD(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// FuzzParseDDD takes any text; what is a program can be combined.
func FuzzParseDDD(f *testing.F) {
	f.Add(port53)
	f.Add("1\n6 0 0 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		program, err := ParseDDD(text)
		if err != nil {
			return
		}
		if err := checkProgram(combine(program, nil, 100)); err != nil && len(program) < bpfMax-combineRoom {
			t.Errorf("combined: %v", err)
		}
	})
}

// TestCheckPrograms says what of a cut cannot be.
func TestCheckPrograms(t *testing.T) {
	for want, cut := range map[string][]bpf.RawInstruction{
		"cut: instruction 0 may drop": assembled(t, bpf.RetConstant{}),
		"cut: instruction 1 may drop": assembled(t, bpf.LoadConstant{Val: 1}, bpf.RetA{}),
		"cut: a program of 0":         {},
		"cut: a program of 5000":      make([]bpf.RawInstruction, 5000),
	} {
		if err := checkPrograms(nil, cut); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	long := make([]bpf.RawInstruction, 3000)
	long[2999] = bpf.RawInstruction{Op: opRetK, K: 1}
	for i := range long[:2999] {
		long[i] = bpf.RawInstruction{Op: opLoadK}
	}
	if err := checkPrograms(long, long); err == nil || !strings.Contains(err.Error(), "6000 instructions together") {
		t.Error(err)
	}
}

// TestLinkTypes: what a kind of interface is handed on as is what the packet
// decoder reads.
func TestLinkTypes(t *testing.T) {
	for hardware, want := range map[uint16]packet.LinkType{
		1: packet.LinkEthernet, 772: packet.LinkEthernet, 0xfffe: packet.LinkRaw, 512: packet.LinkRaw,
		519: packet.LinkRaw, 778: packet.LinkSLL, 32: packet.LinkSLL, 801: packet.LinkIEEE80211, 803: packet.LinkRadiotap,
	} {
		if got := kindOf(hardware).link(); got != want {
			t.Errorf("ARPHRD %d: link type %d, not %d", hardware, got, want)
		}
	}
}
