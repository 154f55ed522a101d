//go:build integration

package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// display are expressions of each kind: what is in Headers, and what is read
// from frames. rules compares many more, without the program around them.
var display = []string{
	"tcp.flags & 0x12 == 0x02 && tcp.options.mss_val < 1400", "tcp.option_kind == 5 or tcp.options.timestamp.tsval & 1",
	"eth.src[0:3] == 02:00:00 && frame.len > 100", "all tcp.port > 1023", "ip.addr !== 192.168.30.2 || ipv6.fraghdr.more == 1",
	"ip.flags == 2 and ip.ttl not in {1..63}", "ip.dst[3] & 1", "mpls.label > 100 or mpls.bottom == 0", "!(tcp.hdr_len == 32)",
}

// outermost leaves out ICMP errors: tshark looks into the packets that they quote.
const outermost = " && !(icmp.type in {3, 11}) && !(icmpv6.type < 128)"

// TestFilters lets the meter read traces with a filter, and with a rule that
// says the same; tshark counts the packets that its filter matches.
func TestFilters(t *testing.T) {
	lab.Tool(t, "tshark")
	for _, name := range []string{"vlan.pcap", "fragments.pcap", "reset.pcap"} {
		for _, expr := range display {
			expr = "(" + expr + ")" + outermost
			out := lab.Output(t, "tshark", "-n", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-r", testdata+name,
				"-Y", expr, "-T", "fields", "-e", "frame.number")
			want := len(strings.Fields(out))
			filtered := counted(t, testdata+name, "[{save: [], do: count}]", "--filter", expr)
			ruled := counted(t, testdata+name, fmt.Sprintf("rulesets: [{orient: first, rules: [{if: '%s', save: [], do: count}, {do: ignore}]}]", expr))
			if filtered != want || ruled != want {
				t.Errorf("%s: %s: %d packets by filter, %d by rule, %d by tshark", name, expr, filtered, ruled, want)
			}
		}
	}
}

// counted returns how many packets the meter counts by some rules.
func counted(t *testing.T, trace, rules string, flags ...string) (packets int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs := runMeter(t, append([]string{"read", "-r", file, "-o", "-", trace}, flags...)...)
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	for line := range strings.Lines(out) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{"packetDeltaCount", "reversePacketDeltaCount"} {
			n, _ := record[field].(float64)
			packets += int(n)
		}
	}
	return packets
}
