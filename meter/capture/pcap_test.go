package capture

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPcap(t *testing.T) {
	data := payload(1, 20)
	tests := []struct {
		name  string
		trace []byte
		want  packet
	}{
		{"microseconds", pcapFile(le, 0xa1b2c3d4, 1, pcapRecord(le, 7, 5, 60, data)),
			packet{Time: 7_000_005_000, WireLen: 60, Link: 1}},
		{"microseconds, big-endian", pcapFile(be, 0xa1b2c3d4, 1, pcapRecord(be, 7, 5, 60, data)),
			packet{Time: 7_000_005_000, WireLen: 60, Link: 1}},
		{"nanoseconds", pcapFile(le, 0xa1b23c4d, 1, pcapRecord(le, 7, 5, 60, data)),
			packet{Time: 7_000_000_005, WireLen: 60, Link: 1}},
		{"nanoseconds, big-endian", pcapFile(be, 0xa1b23c4d, 1, pcapRecord(be, 7, 5, 60, data)),
			packet{Time: 7_000_000_005, WireLen: 60, Link: 1}},
		{"after 2038", pcapFile(le, 0xa1b2c3d4, 1, pcapRecord(le, 0xffffffff, 999_999, 60, data)),
			packet{Time: 4_294_967_295_999_999_000, WireLen: 60, Link: 1}},
		{"more than a second of microseconds", pcapFile(le, 0xa1b2c3d4, 1, pcapRecord(le, 7, 2_000_001, 60, data)),
			packet{Time: 9_000_001_000, WireLen: 60, Link: 1}},
		{"length of the FCS in the link type", pcapFile(le, 0xa1b2c3d4, 0x34000071, pcapRecord(le, 7, 0, 60, data)),
			packet{Time: 7_000_000_000, WireLen: 60, Link: 113}},
		{"DLT_RAW", pcapFile(le, 0xa1b2c3d4, 12, pcapRecord(le, 7, 0, 60, data)),
			packet{Time: 7_000_000_000, WireLen: 60, Link: 101}},
		{"more captured than there was", pcapFile(le, 0xa1b2c3d4, 1, pcapRecord(le, 7, 0, 10, data)),
			packet{Time: 7_000_000_000, WireLen: 20, Link: 1}},
	}
	for _, tt := range tests {
		tt.want.Data = string(data)
		got, err := readBytes(t, tt.trace, 4096)
		if diff := cmp.Diff([]packet{tt.want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tt.name, err, diff)
		}
	}
}

// The modified format has 8 octets more in each record header.
func TestPcapModified(t *testing.T) {
	data := payload(1, 20)
	record := slices.Insert(pcapRecord(le, 7, 5, 60, data), 16, payload(9, 8)...)
	got, err := readBytes(t, pcapFile(le, 0xa1b2cd34, 1, record, record), 4096)
	if err != nil || len(got) != 2 || got[1].Data != string(data) {
		t.Errorf("%d packets, %v", len(got), err)
	}
}

// Records may be longer than the file's snaplen says, up to what any libpcap
// writes; a file that states more may have more.
func TestPcapLimit(t *testing.T) {
	for _, tt := range []struct {
		snaplen, size int
		ok            bool
	}{
		{96, 97, true},
		{96, maxSnaplen, true},
		{96, maxSnaplen + 1, false},
		{0, 1500, true},
		{1 << 20, 1 << 20, true},
		{1 << 20, 1<<20 + 1, false},
		{-1, maxRecord, true},
		{-1, maxRecord + 1, false},
	} {
		trace := pcapFile(le, 0xa1b2c3d4, 1, pcapRecord(le, 1, 0, 0, payload(0, tt.size)))
		le.PutUint32(trace[16:], uint32(tt.snaplen))
		got, err := readBytes(t, trace, 1<<20)
		if (err == nil && len(got) == 1) != tt.ok {
			t.Errorf("%d octets at snaplen %d: %d packets, %v", tt.size, tt.snaplen, len(got), err)
		}
	}
}

func TestPcapInterface(t *testing.T) {
	r := NewReader("x", bytes.NewReader(pcapFile(be, 0xa1b2c3d4, 113)))
	if _, err := readAll(t, r); err != nil {
		t.Fatal(err)
	}
	want := []Interface{{Link: 113, Snaplen: 65535}}
	if diff := cmp.Diff(want, r.Interfaces()); diff != "" {
		t.Error(diff)
	}
}
