//go:build integration && linux

package ring

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"flowmeter/meter/capture"
	"flowmeter/meter/conf"
	"flowmeter/meter/lab"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// TestFilterOfTcpdump attaches what tcpdump -ddd prints for the interface, with
// one worker and two: as many frames come out as tcpdump finds in the trace.
func TestFilterOfTcpdump(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	for _, tt := range []struct{ trace, expression string }{
		{"http-tls.pcap", "ip and tcp port 443"}, {"http-tls.pcap", "ip6"}, {"vlan.pcap", "vlan"},
		{"fragments.pcap", "ip[6:2] & 0x1fff != 0"}, {"http-tls.pcap", "len > 1000"},
	} {
		for workers := 1; workers <= 2; workers++ {
			cfg := Default()
			cfg.Interfaces, cfg.Workers = []string{"b0"}, workers
			cfg.Filter = parse(t, lab.Output(t, "tcpdump", "-i", "b0", "-ddd", tt.expression))
			k := take(t, cfg)
			lab.Replay(t, "a0", "--topspeed", testdata(tt.trace))
			got, stats := k.close()
			n := len(got[0])
			if workers == 2 {
				n += len(got[1])
			}
			want := strings.Count(lab.Output(t, "tcpdump", "-nn", "-t", "-q", "-r", testdata(tt.trace), tt.expression), "\n")
			if n != want || want == 0 || int(stats[0].Packets) != want {
				t.Errorf("%s of %s: %d frames, not %d: %+v", tt.expression, tt.trace, n, want, stats[0])
			}
		}
	}
}

// TestCut captures one octet of each TCP packet: it is there with its length
// all the same.
func TestCut(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	cfg := Default()
	cfg.Interfaces = []string{"b0"}
	cfg.Cut = assembled(t, bpf.LoadAbsolute{Off: 23, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: packet.ProtoTCP, SkipFalse: 1},
		bpf.RetConstant{Val: 1}, bpf.RetConstant{Val: 1 << 16})
	k := take(t, cfg)
	lab.Replay(t, "a0", "--topspeed", testdata("http-tls.pcap"))
	got, _ := k.close()
	want, cut := sent(t, testdata("http-tls.pcap")), 0
	if len(got[0]) != len(want) {
		t.Fatalf("%d frames, not %d", len(got[0]), len(want))
	}
	for i, f := range got[0] {
		keep := min(len(want[i]), cfg.Snaplen)
		if want[i][23] == packet.ProtoTCP {
			keep = 1
			cut++
		}
		if f.data != want[i][:keep] || int(f.WireLen) != len(want[i]) {
			t.Errorf("frame %d: %d octets of %d, not %d of %d", i+1, len(f.data), f.WireLen, keep, len(want[i]))
		}
	}
	if cut == 0 {
		t.Error("no frame was cut")
	}
}

// TestTun reads an interface without link headers: IP packets come in and go
// out as they are, in the ring of their worker.
func TestTun(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	tun := openTun(t, "tun0", 0)
	lab.Run(t, "ip addr add 10.98.0.1/24 dev tun0")
	lab.Run(t, "ip link set tun0 up")
	cfg := Default()
	cfg.Interfaces, cfg.Workers = []string{"tun0"}, 2
	k := take(t, cfg)
	for i := range 20 {
		to := fmt.Sprintf("10.98.0.%d:9", 10+i)
		c, err := net.Dial("udp4", to)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("there"))
		c.Close()
		out := make([]byte, 100)
		n, err := tun.Read(out)
		if err != nil {
			t.Fatal(err)
		}
		back := append([]byte(nil), out[:n]...)
		copy(back[12:], out[16:20])
		copy(back[16:], out[12:16])
		if _, err := tun.Write(back); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := k.close()
	if len(got[0])+len(got[1]) < 40 || len(got[0]) == 0 || len(got[1]) == 0 {
		t.Errorf("%d and %d frames", len(got[0]), len(got[1]))
	}
	for w, frames := range got {
		for _, f := range frames {
			if f.Link != uint16(packet.LinkRaw) || f.data[0] != 0x45 || worker(f.Link, []byte(f.data), 2) != w {
				t.Errorf("worker %d: link type %d, % x", w, f.Link, f.data)
			}
		}
	}
}

// TestOtherLink reads a kind of interface that the packet decoder does not
// know: the frames come with a cooked header.
func TestOtherLink(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	const infiniband = 32
	tun := openTun(t, "tun0", infiniband)
	lab.Run(t, "ip link set tun0 up")
	cfg := Default()
	cfg.Interfaces, cfg.Workers = []string{"tun0"}, 2
	k := take(t, cfg)
	n := 0
	for _, frame := range sent(t, testdata("http-tls.pcap")) {
		if frame[12] == 0x08 && frame[13] == 0x00 && len(frame) < cfg.Snaplen {
			tun.Write([]byte(frame[14:]))
			n++
		}
	}
	got, stats := k.close()
	if len(got[0])+len(got[1]) != n || int(stats[0].Packets) != n || n == 0 {
		t.Errorf("%d and %d frames, not %d: %+v", len(got[0]), len(got[1]), n, stats)
	}
	for w, frames := range got {
		for _, f := range frames {
			var h packet.Headers
			outcome := packet.Decode(&h, packet.LinkType(f.Link), []byte(f.data), f.WireLen)
			if f.Link != uint16(packet.LinkSLL) || outcome != packet.OK || int(h.TotalLen) != len(f.data)-cookedLen || worker(f.Link, []byte(f.data), 2) != w {
				t.Errorf("worker %d: link type %d, %v, % x", w, f.Link, outcome, f.data)
			}
		}
	}
}

// TestCutByRules has the kernel cut what rules ignore: of those frames one
// octet is copied, and what they were is told beside it.
func TestCutByRules(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	v, c := conf.Parse("rules.yaml", []byte("- {if: '!ip || icmp', do: ignore}\n- do: count\n"))
	sets, _ := rules.ParseFile(v, rules.DefaultNetworks())
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Interfaces = []string{"b0"}
	k := rules.Kernel{Links: LinkTypes(), Snaplen: cfg.Snaplen, Segments: true, Own: true, Room: cfg.Room()}
	cfg.Cut = k.Cut(sets, nil)
	for _, trace := range []string{"vlan.pcap", "ping-traceroute.pcap", "http-tls.pcap"} {
		reader := take(t, cfg)
		lab.Replay(t, "a0", "--topspeed", testdata(trace))
		got, _ := reader.close()
		want, cut := sent(t, testdata(trace)), 0
		if len(got[0]) != len(want) {
			t.Fatalf("%s: %d frames, not %d", trace, len(got[0]), len(want))
		}
		for i, f := range got[0] {
			var h packet.Headers
			var m rules.Match
			out := packet.Decode(&h, packet.LinkEthernet, []byte(want[i]), uint32(len(want[i])))
			sets[0].Program.Match(&h, nil, &m)
			if f.Flags&capture.Cut == 0 {
				if len(f.data) < min(len(want[i]), cfg.Snaplen) {
					t.Errorf("%s, frame %d: %d octets", trace, i+1, len(f.data))
				}
				continue
			}
			cut++
			is := out == packet.OK
			if m.Verdict != rules.Ignored || len(f.data) != 1 || int(f.WireLen) != len(want[i]) ||
				is != (f.Flags&capture.CutIP != 0) || is && h.TotalLen != f.WireLen-uint32(f.LinkLen) {
				t.Errorf("%s, frame %d: %+v, %v, %v, %d octets of %d", trace, i+1, f.Frame, out, m.Verdict, h.TotalLen, len(want[i]))
			}
		}
		t.Logf("%s: %d of %d frames were cut", trace, cut, len(want))
		if cut == 0 {
			t.Errorf("%s: no frame was cut", trace)
		}
	}
}
