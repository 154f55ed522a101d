package exporters

import "testing"

// TestBootHeader checks that the header of a packet takes a collector back to
// the boot, and that no flow that it covers ends after it.
func TestBootHeader(t *testing.T) {
	const begin = int64(1_700_000_000_123_456_789)
	var b Boot
	if b.Covers(begin, begin) {
		t.Error("covers a flow before it was set")
	}
	b.Restart(begin)
	for _, c := range []struct {
		last   int64 // ns after the begin
		covers bool
	}{
		{0, true}, {1, true}, {876_543_211, true}, {876_543_212, true}, {5e9, true},
		{48 * 86400e9, true}, {49 * 86400e9, false},
	} {
		last := begin + c.last
		if b.Covers(begin, last) != c.covers {
			t.Errorf("%d ns: covered is %t, want %t", c.last, !c.covers, c.covers)
		}
		seconds, uptime := b.Header(last)
		if boot := int64(seconds)*1000 - int64(uptime); boot != b.At {
			t.Errorf("%d ns: booted at %d ms, want %d", c.last, boot, b.At)
		}
		if c.covers && uint64(last/1e6-b.At) > uint64(uptime) {
			t.Errorf("%d ns: the flow ends at uptime %d, the packet left at %d", c.last, last/1e6-b.At, uptime)
		}
	}
}
