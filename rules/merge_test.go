package rules

import (
	"fmt"
	"strings"
	"testing"
)

// TestMerged: many tests of one field in an or are one test.
func TestMerged(t *testing.T) {
	var kids []string
	for i := range 500 {
		kids = append(kids, fmt.Sprintf("src.addr == 10.%d.%d.1", i%7, i%250), fmt.Sprintf("tcp.dstport == %d", 3*i))
	}
	text := "- {if: '" + strings.Join(kids, " || ") + " || src.addr in $home && udp', do: count}\n"
	rs := testSet(t, text)
	if n := len(rs.Program.code); n > 12 {
		t.Errorf("%d instructions", n)
	}
	for _, tt := range []struct {
		src  string
		port uint16
		want Verdict
	}{{"10.3.3.1", 1, Counted}, {"10.7.3.1", 1, NoMatch}, {"8.8.8.8", 1497, Counted}, {"8.8.8.8", 1498, NoMatch}} {
		if m := match(rs, tcpPacket(tt.src, 1, "9.9.9.9", tt.port, 0)); m.Verdict != tt.want {
			t.Errorf("%s %d: %v", tt.src, tt.port, m.Verdict)
		}
	}
}
