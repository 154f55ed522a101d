package capture

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const erfNow = uint64(n0) << 32

// Record types, headers and lengths, as in the ERF types reference.
func TestERF(t *testing.T) {
	data, pad, mc := payload(1, 33), []byte{0, 0}, []byte{1, 2, 3, 4}
	ext := func(more byte) []byte { return []byte{more | 12, 1, 2, 3, 4, 5, 6, 7} }
	tests := []struct {
		name   string
		record []byte
		want   packet
	}{
		{"Ethernet", erfRecord(2, 4, erfNow, 37, nil, pad, data), packet{WireLen: 37, Link: 1}},
		{"Ethernet, one extension header", erfRecord(0x82, 4, erfNow, 90, ext(0), pad, data), packet{WireLen: 90, Link: 1}},
		{"Ethernet, three extension headers", erfRecord(0x82, 4, erfNow, 90,
			append(append(ext(0x80), ext(0x80)...), ext(0)...), pad, data), packet{WireLen: 90, Link: 1}},
		{"coloured Ethernet", erfRecord(11, 4, erfNow, 40, nil, pad, data), packet{WireLen: 40, Link: 1}},
		{"hashed Ethernet", erfRecord(20, 4, erfNow, 40, nil, pad, data), packet{WireLen: 40, Link: 1}},
		{"packet over SONET", erfRecord(1, 4, erfNow, 40, nil, nil, data), packet{WireLen: 40, Link: 50}},
		{"multichannel HDLC", erfRecord(5, 4, erfNow, 40, nil, mc, data), packet{WireLen: 40, Link: 50}},
		{"IPv4", erfRecord(22, 4, erfNow, 40, nil, nil, data), packet{WireLen: 40, Link: 228}},
		{"IPv6", erfRecord(23, 4, erfNow, 40, nil, nil, data), packet{WireLen: 40, Link: 229}},
		{"Infiniband", erfRecord(21, 4, erfNow, 40, nil, nil, data), packet{WireLen: 40, Link: unknownLink}},
		{"a type of the future", erfRecord(99, 4, erfNow, 40, nil, nil, data), packet{WireLen: 40, Link: unknownLink}},
	}
	first := erfRecord(2, 4, erfNow, 33, nil, pad, data)
	lead := bytes.Repeat(first, erfSure) // told by these
	for _, tt := range tests {
		tt.want.Time = n0 * 1e9
		tt.want.Data = string(data[:min(len(data), int(tt.want.WireLen))])
		got, err := readBytes(t, append(bytes.Clone(lead), tt.record...), 4096)
		if err != nil || len(got) != erfSure+1 {
			t.Errorf("%s: %d packets, %v", tt.name, len(got), err)
			continue
		}
		last := got[erfSure]
		last.Data = last.Data[:min(len(last.Data), len(data))] // the rest is padding
		if diff := cmp.Diff(tt.want, last); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// The wire length tells frame from padding.
func TestERFPadding(t *testing.T) {
	trace := bytes.Join([][]byte{
		erfRecord(2, 4, erfNow, 21, nil, []byte{0, 0}, payload(0, 21)),
		erfRecord(48, 0, 0, 0, nil, nil, make([]byte, 16)),
		erfRecord(2, 4, erfNow, 21, nil, []byte{0, 0}, payload(1, 21)),
	}, nil)
	got, err := readBytes(t, trace, 4096)
	if err != nil || len(got) != 2 || got[0].Data != string(payload(0, 21)) || got[1].Data != string(payload(1, 21)) {
		t.Errorf("%d packets, %v", len(got), err)
	}
}

func TestERFTime(t *testing.T) {
	for fraction, want := range map[uint32]int64{
		0: 0, 1: 0, 3: 1, 1 << 31: 500_000_000, 1<<32 - 1: 1_000_000_000, 1<<32 - 3: 999_999_999,
	} {
		rec := erfRecord(2, 4, erfNow|uint64(fraction), 0, nil, []byte{0, 0}, nil)
		if got := erfTime(rec) - n0*1e9; got != want {
			t.Errorf("a fraction of %d is %d ns, want %d", fraction, got, want)
		}
	}
}

// The ports of the card are interfaces, in the order in which they appear.
func TestERFPorts(t *testing.T) {
	var trace []byte
	for _, port := range []byte{2, 0, 2, 3, 0} {
		trace = append(trace, erfRecord(2, 4|port, erfNow, 16, nil, []byte{0, 0}, payload(0, 16))...)
	}
	r := NewReader("x", bytes.NewReader(trace))
	got, err := readAll(t, r)
	var ports []uint32
	for _, p := range got {
		ports = append(ports, p.Iface)
	}
	if diff := cmp.Diff([]uint32{0, 1, 0, 2, 1}, ports); err != nil || diff != "" || len(r.Interfaces()) != 3 {
		t.Errorf("%v %s %v", err, diff, r.Interfaces())
	}
}

func TestERFDamage(t *testing.T) {
	lead := bytes.Repeat(erfRecord(2, 4, erfNow, 33, nil, []byte{0, 0}, payload(0, 33)), erfSure)
	short := erfRecord(2, 4, erfNow, 33, nil, nil, nil)
	be.PutUint16(short[10:], 15)
	tests := []struct {
		record []byte
		want   string
	}{
		{short, "a record of 15 octets, less than its header"},
		{make([]byte, 64), "a record of 0 octets, less than its header"},
		{erfRecord(2, 4, erfNow, 33, nil, nil, nil), "a record of 16 octets, less than its headers"},
		{erfRecord(0x82, 4, erfNow, 33, bytes.Repeat([]byte{0x80}, 32), nil, nil), "a record of 48 octets, less than its headers"},
		{erfRecord(0, 4, erfNow, 33, nil, nil, payload(0, 33)), "a record of type 0"},
	}
	for _, tt := range tests {
		got, err := readBytes(t, append(bytes.Clone(lead), tt.record...), 4096)
		if len(got) != erfSure || !errors.Is(err, ErrDamaged) || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%d packets, %v\nwant %s", len(got), err, tt.want)
		}
	}
}

// What merely could be one ERF record is not taken for ERF.
func TestLooksERF(t *testing.T) {
	record := erfRecord(2, 4, erfNow, 33, nil, []byte{0, 0}, payload(0, 33))
	older := erfRecord(2, 4, erfNow-2<<32, 33, nil, []byte{0, 0}, payload(0, 33))
	later := erfRecord(2, 4, erfNow+400*86400<<32, 33, nil, []byte{0, 0}, payload(0, 33))
	tests := []struct {
		name  string
		trace []byte
		want  bool
	}{
		{"one record", record, true},
		{"one record and the start of another", append(bytes.Clone(record), record[:20]...), false},
		{"three records and the start of another", append(bytes.Repeat(record, 3), record[:20]...), true},
		{"three records and a few octets", append(bytes.Repeat(record, 3), record[:2]...), true},
		{"no whole record", record[:50], false},
		{"time goes back", append(bytes.Clone(record), older...), false},
		{"time jumps by a year", append(bytes.Clone(record), later...), false},
		{"padding first", erfRecord(48, 0, 0, 0, nil, nil, make([]byte, 16)), false},
		{"zeros follow", append(bytes.Clone(record), make([]byte, 64)...), false},
		{"text follows", append(bytes.Clone(record), strings.Repeat("text ", 20)...), false},
	}
	for _, tt := range tests {
		if got, _ := looksERF(tt.trace, true); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 4096)
	for n := range 200_000 {
		for i := 0; i < 64; i += 8 {
			le.PutUint64(random[i:], rng.Uint64())
		}
		if yes, _ := looksERF(random, true); yes {
			t.Fatalf("random octets are taken for ERF after %d tries: % x", n, random[:32])
		}
	}
}
