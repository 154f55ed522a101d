//go:build integration && linux

package ring

import (
	"fmt"
	"testing"

	"flowmeter/meter/capture"
	"flowmeter/meter/lab"
	"flowmeter/meter/packet"
)

// sent are the frames of a trace, as they lie in it.
func sent(t *testing.T, path string) (all []string) {
	eachFrame(t, path, func(f *capture.Frame, data []byte) {
		if f.Link != uint16(packet.LinkEthernet) {
			t.Fatalf("%s: link type %d", path, f.Link)
		}
		all = append(all, string(data))
	})
	return all
}

// replayed are traces of Ethernet frames: with fragments, tags (802.1Q within
// 802.1ad), labels, tunnels.
var replayed = []string{"http-tls.pcap", "vlan.pcap", "fragments.pcap", "tunnel.pcap", "sip.pcap", "dns.pcap"}

// TestReplay sends traces over a veth pair: each frame comes out of the ring
// once, with its octets, its tags in place and its length, in order, and the
// kernel's count is that of the trace.
func TestReplay(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	for _, name := range replayed {
		for _, snaplen := range []int{64, 256, 65535} {
			cfg := Default()
			cfg.Interfaces, cfg.Snaplen = []string{"b0"}, snaplen
			k := take(t, cfg)
			lab.Replay(t, "a0", "--topspeed", testdata(name))
			got, stats := k.close()
			want := sent(t, testdata(name))
			equal(t, fmt.Sprintf("%s at snaplen %d", name, snaplen), got[0], want, snaplen)
			if len(stats) != 1 || stats[0].Packets != uint64(len(want)) || stats[0].Drops != 0 {
				t.Errorf("%s: %d frames were sent: %+v", name, len(want), stats)
			}
		}
	}
}

// equal compares frames with what was sent. The kernel takes one tag off
// before it cuts, so such a frame is 4 octets longer.
func equal(t *testing.T, what string, got []taken, want []string, snaplen int) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d frames, %d were sent", what, len(got), len(want))
		return
	}
	last := int64(0)
	for i, f := range got {
		cut := min(len(want[i]), snaplen)
		if isTagged(want[i]) {
			cut = min(len(want[i]), snaplen+tagLen)
		}
		if f.data != want[i][:cut] || int(f.WireLen) != len(want[i]) || f.Link != uint16(packet.LinkEthernet) {
			t.Errorf("%s: frame %d is\n% x of %d octets, link type %d; sent was\n% x of %d", what, i+1, f.data, f.WireLen, f.Link, want[i][:cut], len(want[i]))
			return
		}
		if f.Time < last || f.Flags&capture.Outgoing != 0 || f.Segment != 0 || f.name != "b0" {
			t.Errorf("%s: frame %d: %+v", what, i+1, f)
		}
		last = f.Time
	}
}

func isTagged(frame string) bool {
	typ := uint16(frame[12])<<8 | uint16(frame[13])
	return typ == 0x8100 || typ == 0x88a8
}

// TestWorkers sends a conversation's packets, both directions and all
// fragments, to two rings: each frame is in the ring of the worker that
// packet.Shard chooses, in order, and none is missing.
func TestWorkers(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	for _, name := range replayed {
		for _, out := range []bool{false, true} {
			cfg := Default()
			cfg.Interfaces, cfg.Workers = []string{"b0"}, 2
			if out { // as the sender's side sees it
				cfg.Interfaces = []string{"a0"}
			}
			k := take(t, cfg)
			lab.Replay(t, "a0", "--topspeed", testdata(name))
			got, stats := k.close()
			want := make([][]string, cfg.Workers)
			for _, frame := range sent(t, testdata(name)) {
				w := worker(uint16(packet.LinkEthernet), []byte(frame), cfg.Workers)
				want[w] = append(want[w], frame)
			}
			for w := range want {
				sameOrder(t, fmt.Sprintf("%s, worker %d, outgoing %v", name, w, out), got[w], want[w], out)
			}
			if stats[0].Packets != uint64(len(want[0])+len(want[1])) || stats[0].Drops != 0 {
				t.Errorf("%s: %+v", name, stats)
			}
		}
	}
}

func sameOrder(t *testing.T, what string, got []taken, want []string, out bool) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d frames, not %d", what, len(got), len(want))
		return
	}
	for i, f := range got {
		if f.data != want[i][:len(f.data)] || (f.Flags&capture.Outgoing != 0) != out {
			t.Errorf("%s: frame %d is % x of flags %b, not % x", what, i+1, f.data, f.Flags, want[i])
			return
		}
	}
}

// TestEveryPacketIsCounted sends more than a small ring takes: what came out
// and what the kernel dropped is what was sent.
func TestEveryPacketIsCounted(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	cfg := Default()
	cfg.Interfaces, cfg.Workers, cfg.Snaplen = []string{"b0"}, 2, 65535
	cfg.Size = cfg.minSize()
	k := take(t, cfg)
	const loops = 100
	lab.Replay(t, "a0", fmt.Sprintf("--topspeed --preload-pcap --loop %d", loops), testdata("iperf3.pcap"))
	got, stats := k.close()
	want := uint64(loops * len(sent(t, testdata("iperf3.pcap"))))
	out := uint64(len(got[0]) + len(got[1]))
	t.Logf("%d sent, %d came out, %+v", want, out, stats[0])
	if stats[0].Packets != want || out+stats[0].Drops != want {
		t.Errorf("%d frames were sent, %d came out: %+v", want, out, stats)
	}
}
