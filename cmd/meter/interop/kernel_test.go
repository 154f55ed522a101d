//go:build integration && linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/lab"
)

// liveConfig starts a meter by a configuration and waits until it reads the
// interface. In the text IFACE stands for it.
func liveConfig(t *testing.T, iface, text string) *live {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "IFACE", iface)), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &live{file: filepath.Join(dir, "live.jsonl")}
	l.Process = lab.Start(t, meter, "run", "-c", file, "-o", l.file)
	lab.Eventually(t, "the meter reads "+iface, func() bool { return strings.Contains(l.Log.String(), "interface is read") })
	return l
}

var filteredLine = regexp.MustCompile(`(?m)^ +filtered +([\d,]+) `)

func (l *live) filtered() uint64 {
	if !filteredLine.MatchString(l.Out.String()) {
		return 0
	}
	return l.account(filteredLine, 1)
}

// accountLines are the lines of the account that tell of packets, without
// their spaces.
func accountLines(text string) []string {
	var all []string
	for _, line := range regexp.MustCompile(`(?m)^ +(read|counted|ignored|filtered|traffic \w+) .*$|^[\d,]+ packets without IP$`).FindAllString(text, -1) {
		all = append(all, strings.Join(strings.Fields(line), " "))
	}
	return all
}

// ignoring are rules of which each ignores something that the trace holds.
var ignoring = map[string]string{
	"default": "",
	"icmp":    "- {if: '!ip && !ipv6', do: ignore}\n  - {if: icmp, do: ignore}\n  - do: count",
	"udp":     "- {if: udp, do: ignore}\n  - do: count",
	"out":     "- {if: class == \"out\" && proto == 1, do: ignore}\n  - do: count",
}

// TestKernelCutIsCounted sends traces to meters whose kernel cuts what the
// rules ignore: the account is that of meter read, to the packet and octet.
func TestKernelCutIsCounted(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	if !lab.Isolated(t) {
		return
	}
	n := 0
	for _, trace := range []string{"office.pcapng", "vlan.pcap", "ping-traceroute.pcap", "fragments.pcap"} {
		for name, rules := range ignoring {
			id := fmt.Sprint("k", n)
			n++
			t.Run(trace+"/"+name, func(t *testing.T) {
				t.Parallel()
				file := filepath.Join("../../../testdata", trace)
				ruleset := "rulesets:\n- name: default\n"
				if rules != "" {
					ruleset += "  rules:\n  " + rules + "\n"
				}
				lab.Veth(t, "a"+id, "b"+id)
				l := liveConfig(t, "b"+id, "meter:\n  inputs:\n  - interface: IFACE\n"+ruleset)
				lab.Replay(t, "a"+id, "--multiplier=1", classic(t, file))
				l.stop()
				plain := filepath.Join(t.TempDir(), "rules.yaml")
				os.WriteFile(plain, []byte(ruleset), 0o600)
				status, out, log := runMeter(t, "read", "-c", plain, "--top", "0", file)
				got, want := accountLines(l.Out.String()), accountLines(out+log)
				if status != 0 || strings.Join(got, "\n") != strings.Join(want, "\n") || len(want) < 2 {
					t.Errorf("live:\n%s\nread:\n%s\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), log)
				}
			})
		}
	}
}

// TestKernelDropsWhatTcpdumpDoes gives the kernel a filter of ours, and tcpdump
// one of the same meaning: what comes in is what tcpdump takes, and what the kernel could not tell, which
// the meter leaves out.
func TestKernelDropsWhatTcpdumpDoes(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	lab.Tool(t, "tcpdump")
	if !lab.Isolated(t) {
		return
	}
	for i, tt := range []struct {
		trace, ours, theirs string
		mpls                uint64 // frames with labels, of which the kernel cannot tell
	}{
		{"http-tls.pcap", "tcp.port == 443 || udp.port == 443", "port 443 and (tcp or udp)", 0},
		{"http-tls.pcap", "!ip", "not ip", 0},
		{"office.pcapng", "arp", "arp", 0},
		{"office.pcapng", "ip && !tcp", "ip and not tcp", 0},
		{"vlan.pcap", "vlan && (ip || arp)", "vlan and (ip or arp or (vlan and (ip or arp)))", 80},
		{"fragments.pcap", "fragment && ip.frag_offset > 0", "ip[6:2] & 0x1fff != 0", 0},
		{"ping-traceroute.pcap", "icmp.type == 8", "icmp[icmptype] == 8", 0},
		{"ping-traceroute.pcap", "ip.ttl <= 3", "ip[8] <= 3", 0},
		{"reset.pcap", "tcp.flags.reset", "tcp[13] & 4 != 0 or (ip6 and ip6[6] == 6 and ip6[53] & 4 != 0)", 0},
	} {
		t.Run(tt.trace+"/"+tt.ours, func(t *testing.T) {
			t.Parallel()
			trace, id := classic(t, filepath.Join("../../../testdata", tt.trace)), fmt.Sprint("d", i)
			lab.Veth(t, "a"+id, "b"+id)
			l := liveConfig(t, "b"+id, "meter:\n  inputs:\n  - interface: IFACE\n    offload: frames\n    filter: '"+tt.ours+"'\n    filter_in: kernel\n")
			lab.Replay(t, "a"+id, "--topspeed", trace)
			l.stop()
			want := uint64(strings.Count(lab.Output(t, "tcpdump", "-nn", "-t", "-q", "-r", trace, tt.theirs), "\n"))
			if l.cameIn() != want+tt.mpls || l.read() != want+tt.mpls || l.filtered() != tt.mpls || want == 0 {
				t.Errorf("%d came in, %d read; tcpdump has %d\n%s", l.cameIn(), l.read(), want, l.Out.String())
			}
			if !strings.Contains(l.Out.String(), "the account starts behind the kernel's filter (filter:)") {
				t.Errorf("it is not said:\n%s", l.Out.String())
			}
		})
	}
}

// TestKernelFollowsReload: what the kernel cut by the rules before a reload
// counts as ignored, what comes after it by the new ones, and back again.
func TestKernelFollowsReload(t *testing.T) {
	lab.Tool(t, "tcpreplay")
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	const input = "meter:\n  inputs:\n  - interface: b0\n"
	rules := func(text string) string { return input + "rulesets:\n- name: default\n  rules: " + text + "\n" }
	icmp := rules("[{if: icmp, do: ignore}, {do: count}]")
	l := liveConfig(t, "b0", icmp)
	trace, reloads := "../../../testdata/ping-traceroute.pcap", 0
	once := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(l.file), "config.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l.Signal(syscall.SIGHUP)
		reloads++
		lab.Eventually(t, "a reload", func() bool { return strings.Count(l.Log.String(), "the configuration was reloaded") == reloads })
		lab.Replay(t, "a0", "--topspeed", trace)
		time.Sleep(300 * time.Millisecond) // the rings are read
	}
	once(icmp)
	once(rules("[{do: count}]"))
	once(icmp)
	l.stop()
	total := uint64(strings.Count(lab.Output(t, "tcpdump", "-nn", "-t", "-q", "-r", trace), "\n"))
	pings := uint64(strings.Count(lab.Output(t, "tcpdump", "-nn", "-t", "-q", "-r", trace, "icmp"), "\n"))
	ignored, records := l.account(regexp.MustCompile(`(?m)^ +ignored +([\d,]+) `), 1), uint64(0)
	for _, r := range l.records() {
		records += r.number("packetDeltaCount") + r.number("reversePacketDeltaCount")
	}
	if l.read() != 3*total || records != 3*total-2*pings || pings == 0 {
		t.Errorf("read %d, ignored %d at last, %d in records; the trace has %d packets, %d of ICMP\n%s", l.read(), ignored, records, total, pings, l.Out.String())
	}
}
