//go:build integration

package interop

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// sums are what was counted under one key. What there is no number for is 0.
type sums struct {
	flows, packets, octets        uint64
	reversePackets, reverseOctets uint64
}

func (s sums) plus(o sums) sums {
	return sums{s.flows + o.flows, s.packets + o.packets, s.octets + o.octets,
		s.reversePackets + o.reversePackets, s.reverseOctets + o.reverseOctets}
}

// account is what somebody knows of a run: sums by ends, protocol, times and
// whatever else he can tell.
type account map[string]sums

func (a account) add(key string, s sums) { a[key] = a[key].plus(s) }

func (a account) total() (all sums) {
	for _, s := range a {
		all = all.plus(s)
	}
	return all
}

// withoutFlows forgets how many records there were: of version 5, which tells
// counts above 32 bits in several.
func (a account) withoutFlows() account {
	for key, s := range a {
		s.flows = 0
		a[key] = s
	}
	return a
}

// compare fails the test where two accounts differ, and logs their totals side
// by side.
func compare(t *testing.T, who, trace string, got, want account) {
	t.Helper()
	logTotals(t, who, trace, got, want)
	if strings.HasPrefix(who, "netflow5") {
		got, want = got.withoutFlows(), want.withoutFlows()
	}
	keys := slices.Sorted(maps.Keys(got))
	for key := range want {
		if _, both := got[key]; !both {
			keys = append(keys, key)
		}
	}
	var differ []string
	for _, key := range keys {
		if got[key] != want[key] {
			differ = append(differ, fmt.Sprintf("%s\n    got  %+v\n    want %+v", key, got[key], want[key]))
		}
	}
	if n := len(differ); n > 0 {
		t.Errorf("%s, %s: %d of %d keys differ:\n%s", who, trace, n, len(keys), strings.Join(differ[:min(n, 8)], "\n"))
	}
	if len(want) == 0 {
		t.Errorf("%s, %s: nothing to compare", who, trace)
	}
}

func logTotals(t *testing.T, who, trace string, got, want account) {
	t.Helper()
	row := func(whose string, s sums) {
		t.Logf("| %-17s | %-20s | %-8s | %6d | %7d | %10d |", who, trace, whose, s.flows, s.packets+s.reversePackets, s.octets+s.reverseOctets)
	}
	row("meter", want.total())
	row("they", got.total())
}

// stamp shows a time as most tools do.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05.000") }

// key shows what tells flows apart.
func (w way) key(srcPort, dstPort uint64, start, end string, flags uint64) string {
	return fmt.Sprintf("%d %v %d > %v %d, %s to %s, flags %#x", w.proto, w.src, srcPort, w.dst, dstPort, start, end, flags)
}

func address(t *testing.T, text string) netip.Addr {
	t.Helper()
	a, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
