package capture

import (
	"bytes"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A trace of two sections with different byte orders, interfaces of different
// clocks, all kinds of packet blocks, and blocks to be skipped.
func TestPcapng(t *testing.T) {
	a, b, c := payload(1, 60), payload(2, 61), payload(3, 10)
	secs := be.AppendUint64(nil, 100)
	trace := bytes.Join([][]byte{
		ngSHB(le),
		ngIDB(le, 1, 96, ngOption(le, 2, []byte("eth0")), ngOption(le, 0, nil), []byte("behind the end, ignored!")),
		ngIDB(le, 101, 0, ngOption(le, 9, []byte{9}), ngOption(le, 2, []byte("tun\xc3\xa4"))),
		ngEPB(le, 0, 5_000_001, 60, a),
		ngEPB(le, 1, 5_000_000_001, 1000, b),
		ngBlock(le, 0x0bad, payload(0, 33)),
		ngSHB(be),
		ngIDB(be, 113, 8, ngOption(be, 9, []byte{0x80 | 10}), ngOption(be, 14, secs)),
		ngOPB(be, 0, 3<<10+1<<9, 61, b),
		ngSPB(be, 10, c[:8]),
		ngEPB(be, 0, 0, 5, c),
		ngSHB(le),
		ngIDB(le, 1, 0),
		ngSPB(le, 10, c),
	}, nil)
	want := []packet{
		{Time: 5_000_001_000, WireLen: 60, Iface: 0, Link: 1, Data: string(a)},
		{Time: 5_000_000_001, WireLen: 1000, Iface: 1, Link: 101, Data: string(b)},
		{Time: 103_500_000_000, WireLen: 61, Iface: 2, Link: 113, Data: string(b)},
		{Time: 103_500_000_000, WireLen: 10, Iface: 2, Link: 113, Data: string(c[:8])},
		{Time: 100_000_000_000, WireLen: 10, Iface: 2, Link: 113, Data: string(c)},
		{Time: 100_000_000_000, WireLen: 10, Iface: 3, Link: 1, Data: string(c)},
	}
	r := NewReader("x", bytes.NewReader(trace))
	got, err := readAll(t, r)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	ifaces := []Interface{{Name: "eth0", Link: 1, Snaplen: 96}, {Name: "tunä", Link: 101}, {Link: 113, Snaplen: 8}, {Link: 1}}
	if diff := cmp.Diff(ifaces, r.Interfaces()); diff != "" {
		t.Error(diff)
	}
}

// Each contradiction is damage at the block where it stands, after the packet
// before it.
func TestPcapngDamage(t *testing.T) {
	before := bytes.Join([][]byte{ngSHB(le), ngIDB(le, 1, 0), ngEPB(le, 0, 1, 10, payload(0, 10))}, nil)
	block := func(kind, size uint32, body ...byte) []byte {
		b := ngBlock(le, kind, body)
		le.PutUint32(b[4:], size)
		return b
	}
	long := ngEPB(le, 0, 1, 10, payload(0, 12))
	le.PutUint32(long[20:], 17)
	end := ngEPB(le, 0, 1, 10, payload(0, 12))
	le.PutUint32(end[len(end)-4:], 40)
	version := ngSHB(le)
	le.PutUint16(version[12:], 2)
	order := ngSHB(le)
	order[9]++
	tests := []struct {
		block []byte
		want  string
	}{
		{block(77, 8, payload(0, 8)...), "a block of type 77 and 8 octets, too short for it"},
		{block(6, 28, payload(0, 16)...), "a block of type 6 and 28 octets, too short for it"},
		{block(0x0a0d0d0a, 24, le.AppendUint64(nil, 0x1a2b3c4d)...), "too short for it"},
		{block(77, 22, payload(0, 12)...), "a block of 22 octets, not a multiple of 4"},
		{block(77, 1<<31, payload(0, 12)...), "a block of 2147483648 octets, more than 16777216"},
		{end, "a block of 44 octets that says 40 at its end"},
		{long, "17 octets captured in a block of 44"},
		{ngEPB(le, 1, 1, 10, payload(0, 10)), "a packet of interface 1 in a section with 1"},
		{append(ngSHB(le), ngSPB(le, 1, []byte{0})...), "a packet of interface 0 in a section with 0"},
		{version, "pcapng version 2, only 1 is read"},
		{order, "a section header with the byte-order magic 4d 3d 2b 1a"},
		{ngIDB(le, 1, 0, le.AppendUint32(nil, 0x00500002)), "option 2 of an interface, of 80 octets, reaches beyond its block"},
		{ngIDB(le, 1, 0, ngOption(le, 9, []byte{20})), "an if_tsresol of 10^-20 seconds"},
		{ngIDB(le, 1, 0, ngOption(le, 9, []byte{0xc0})), "an if_tsresol of 2^-64 seconds"},
	}
	for _, tt := range tests {
		got, err := readBytes(t, append(bytes.Clone(before), tt.block...), 4096)
		e := asError(t, err)
		if len(got) != 1 || e.Kind != ErrDamaged || !strings.HasSuffix(err.Error(), tt.want) || e.Packet != 2 {
			t.Errorf("%d packets, %v\nwant %s", len(got), err, tt.want)
		}
	}
}

func TestPcapngInterfaceBound(t *testing.T) {
	trace := append(ngSHB(le), bytes.Repeat(ngIDB(le, 1, 0), maxNgIfaces+1)...)
	_, err := readBytes(t, trace, 1<<16)
	if e := asError(t, err); e.Kind != ErrDamaged || !strings.Contains(err.Error(), "more than 65536 interfaces") {
		t.Error(err)
	}
}

// Times of any resolution and offset are as exact arithmetic gives them,
// cut to nanoseconds and to the range of a Frame's time.
func TestNgClock(t *testing.T) {
	times := []uint64{0, 1, 999, 1<<31 - 1, 1 << 32, 1_700_000_000_123_456_789, math.MaxInt64, math.MaxUint64}
	offsets := []int64{0, 1, -1, 3600, -1 << 40, 1 << 40, math.MaxInt64, math.MinInt64}
	for v := range 256 {
		var c ngClock
		if c.setResolution(byte(v)) != nil {
			continue
		}
		for _, time := range times {
			for _, sec := range offsets {
				c.setOffset(sec)
				if got, want := c.nanos(time), exactNanos(byte(v), time, sec); got != want {
					t.Errorf("if_tsresol %#x, if_tsoffset %d: %d is %d, want %d", v, sec, time, got, want)
				}
			}
		}
	}
}

func exactNanos(resolution byte, time uint64, sec int64) int64 {
	base := int64(10)
	if resolution&0x80 != 0 {
		base = 2
	}
	perSec := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(resolution&0x7f)), nil)
	ns := new(big.Int).SetUint64(time)
	ns.Mul(ns, big.NewInt(1e9)).Div(ns, perSec)
	latest := big.NewInt(maxTime)
	if ns.Cmp(latest) > 0 {
		ns = latest
	}
	ns = new(big.Int).Add(ns, new(big.Int).Mul(big.NewInt(sec), big.NewInt(1e9)))
	switch {
	case ns.Sign() < 0:
		return 0
	case ns.Cmp(latest) > 0:
		return maxTime
	}
	return ns.Int64()
}
