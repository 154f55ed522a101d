package meter

import (
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// ignoresSome ignores, in each of its rule sets, at least what cutSome cuts.
const ignoresSome = `
rulesets:
- name: default
- name: nothing
  rules: [{do: ignore}]
- name: networks
  rules: [{if: '!ip && !ipv6', do: ignore}, {if: 'proto == 1 || proto == 58', do: ignore}, {save: [dst.addr/24], do: count}]
`

// cutSome does to frames what the ring does to those that the kernel cuts: the
// ones without IP, and with all set, ICMP too.
func cutSome(rings []Ring, icmp bool) (cut int) {
	for _, r := range rings {
		for _, b := range r.(*testRing).batches {
			for i := range b.Frames {
				f := &b.Frames[i]
				var h packet.Headers
				out := packet.Decode(&h, packet.LinkType(f.Link), b.Data(f), f.WireLen)
				isICMP := icmp && out == packet.OK && (h.Proto == packet.ProtoICMP || h.Proto == packet.ProtoICMPv6) && h.Layers&packet.HasFragment == 0
				before := f.WireLen - h.TotalLen
				if out != packet.NotIP && (!isICMP || before > 22) {
					continue
				}
				f.CapLen, f.Flags = 1, capture.Cut
				if out == packet.OK {
					f.Flags, f.LinkLen = capture.Cut|capture.CutIP, uint8(before)
				}
				cut++
			}
		}
	}
	return cut
}

// TestCutFramesAreIgnored: the account of frames of which one octet is left is
// that of the whole frames.
func TestCutFramesAreIgnored(t *testing.T) {
	tr := steadyTrace(6, 20000, time.Unix(1_700_000_000, 0), time.Millisecond)
	for i := range 500 {
		arp := make([]byte, 60+i%3)
		binary.BigEndian.PutUint16(arp[12:], 0x0806)
		tr.add(time.Unix(1_700_000_030, int64(i)).UnixNano(), arp, 1<<16)
	}
	cfg := DefaultConfig()
	for _, tt := range []struct {
		text string
		icmp bool
	}{{"rulesets: [{name: default}]", false}, {strings.Replace(ignoresSome, "- name: default\n", "", 1), true}} {
		cfg.RuleSets = ruleSets(t, tt.text)
		for _, workers := range []int{1, 2} {
			want := meterLive(t, cfg, tr.rings(t, workers), nil)
			rings := tr.rings(t, workers)
			cut := cutSome(rings, tt.icmp)
			got := meterLive(t, cfg, rings, nil)
			got.totals.ShortTransport, want.totals.ShortTransport = 0, 0
			if !reflect.DeepEqual(got.totals, want.totals) || cut < 500 {
				t.Errorf("%d frames cut:\n%+v\nwhole:\n%+v", cut, got.totals, want.totals)
			}
			if a, b := sorted(want.records), sorted(got.records); !slices.Equal(a, b) {
				t.Errorf("%d and %d records", len(a), len(b))
			}
		}
	}
}

// TestForKernel plans what the kernel does for inputs.
func TestForKernel(t *testing.T) {
	for _, tt := range []struct{ input, rules, want string }{
		{"interface: eth0", "", "cuts what the rule sets ignore at their start, counted as ignored"},
		{"interface: eth0", "rulesets: [{name: all, rules: [{do: count}]}]", "takes every frame"},
		{"interface: eth0, filter: '!udp'", "", "cuts what the rule sets ignore at their start, counted as ignored"},
		{"interface: eth0, filter: tcp, filter_in: kernel", "", "drops by filter, in no account"},
		{"interface: eth0, bpf: \"1\\n6 0 0 0\"", "", "drops by bpf, in no account; cuts what the rule sets ignore at their start, counted as ignored"},
		{"interface: eth0, filter: iface == 3, filter_in: kernel", "", "error: input eth0: filter_in: kernel: the kernel cannot tell"},
	} {
		s, err := ParseSettings("f", []byte("meter: {inputs: [{"+tt.input+"}]}\n"+tt.rules), rules.DefaultNetworks(), nil)
		if err != nil {
			t.Fatal(tt.input, err)
		}
		got := ""
		if plan, err := s.Inputs[0].ForKernel(&s.Meter); err != nil {
			got = "error: " + err.Error()
		} else if got = plan.String(); plan.Live.Validate() != nil {
			t.Error(tt.input, plan.Live.Validate())
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %s, not %s", tt.input, got, tt.want)
		}
	}
}

// TestFilterInMistakes says what does not go together.
func TestFilterInMistakes(t *testing.T) {
	for input, want := range map[string]string{
		"traces: [a.pcap], filter: tcp, filter_in: kernel":                          "f:1:61: filter_in: kernel, but the input has no interfaces",
		"interface: eth0, filter: tcp, filter_in: kernel, bpf: \"1\\n6 0 0 65535\"": "f:1:60: filter_in: kernel and bpf: are both the kernel's filter",
		"interface: eth0, filter_in: driver":                                        "f:1:47: ",
	} {
		_, err := ParseSettings("f", []byte("meter: {inputs: [{"+input+"}]}"), rules.DefaultNetworks(), nil)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", input, err)
		}
	}
}
