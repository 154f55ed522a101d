package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

func TestNTP(t *testing.T) {
	const second = int64(1e9)
	for _, tc := range []struct {
		ns   int64
		want uint64
	}{
		{1600000000*second + 250_000_000, 0xe3088e80_40000000},
		{0, 2208988800 << 32},
		{2085978495 * second, 0xffffffff_00000000},             // 2036-02-07 06:28:15, the last second of the era
		{2085978496*second + 500_000_000, 0x00000000_80000000}, // the first of the next
	} {
		if got := NTP(tc.ns); got != tc.want {
			t.Errorf("NTP(%d) = %x, want %x", tc.ns, got, tc.want)
		}
		if got := NTPMicros(tc.ns); got != tc.want {
			t.Errorf("NTPMicros(%d) = %x, want %x", tc.ns, got, tc.want)
		}
	}
}

// TestNTPRoundTrip reads fractions as a collector does that cuts, and as one
// that rounds.
func TestNTPRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		ns := rng.Uint64N(1e9)
		frac := NTP(int64(ns)) & 0xffffffff
		if cut, rounded := frac*1e9>>32, (frac*1e9+1<<31)>>32; cut != ns || rounded != ns {
			t.Fatalf("%d ns came back as %d and %d", ns, cut, rounded)
		}
		frac = NTPMicros(int64(ns)) & 0xffffffff
		if cut := frac * 1e6 >> 32; cut != ns/1000 || frac&0x7ff != 0 {
			t.Fatalf("%d µs came back as %d (fraction %x)", ns/1000, cut, frac)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, n := range []int{0, 1, 5, 254, 255, 1000} {
		s := string(bytes.Repeat([]byte("x"), n))
		got := AppendString(nil, s)
		if len(got) != StringSize(s) {
			t.Errorf("%d octets take %d, said %d", n, len(got), StringSize(s))
		}
		head := []byte{byte(n)}
		if n >= 255 {
			head = []byte{255, byte(n >> 8), byte(n)}
		}
		if !bytes.Equal(got, append(head, s...)) {
			t.Errorf("%d octets begin with %x", n, got[:3])
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFC7011AppendixA builds the example message of RFC 7011 from our parts.
func TestRFC7011AppendixA(t *testing.T) {
	want := unhex(t, "000a00985f5e100000000000000000010002001c0100000500080004000c0004000f0004000200040001000401000040"+
		"c000020cc00002fec00002010000139100518c81c000021bc0000217c0000202000002ec0005ef46c0000238c0000241c0000203000000050000198600"+
		"030018010200030001008d000400290002002a000200000102001400000001015927d90000000202b24fb2")
	tmpl := NewTemplate(256, []Column{{ID: 8, Size: 4}, {ID: 12, Size: 4}, {ID: 15, Size: 4}, {ID: 2, Size: 4}, {ID: 1, Size: 4}})
	m := NewMessage(16, 1400, 0)
	add := func(set uint16, rec []byte, least int) {
		if !m.Fits(set, len(rec)) {
			t.Fatal("no room")
		}
		copy(m.Grow(set, len(rec), least), rec)
	}
	add(2, tmpl.AppendRecord(nil), 4)
	add(256, want[48:68], tmpl.Least)
	add(256, want[68:88], tmpl.Least)
	add(256, want[88:108], tmpl.Least)
	add(3, want[112:130], 4)
	add(258, want[136:144], 8)
	add(258, want[144:152], 8)
	m.EndSet()
	copy(m.Buf, want[:16])
	if !bytes.Equal(m.Buf, want) {
		t.Errorf("built\n%x, want\n%x", m.Buf, want)
	}
}

// TestRFC5103Template is the template of RFC 5103, Appendix A.
func TestRFC5103Template(t *testing.T) {
	want := unhex(t, "0100000b00960004809600040000727900080004000c000400070002000b0002000400010055000480550004000072790056000480560004"+"00007279")
	tmpl := NewTemplate(256, []Column{
		{ID: 150, Size: 4}, {ID: 150, PEN: 29305, Size: 4}, {ID: 8, Size: 4}, {ID: 12, Size: 4}, {ID: 7, Size: 2}, {ID: 11, Size: 2},
		{ID: 4, Size: 1}, {ID: 85, Size: 4}, {ID: 85, PEN: 29305, Size: 4}, {ID: 86, Size: 4}, {ID: 86, PEN: 29305, Size: 4},
	})
	if got := tmpl.AppendRecord(nil); !bytes.Equal(got, want) || len(got) != tmpl.Spec {
		t.Errorf("%x, want\n%x", got, want)
	}
}

// TestMessageProperties fills messages with random records and checks that
// sets are never empty, sizes are kept and padding is shorter than a record.
func TestMessageProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		limit := 64 + rng.IntN(1400)
		m := NewMessage(16, limit, 0)
		sizes := map[uint16]int{}
		for range rng.IntN(100) {
			id := uint16(256 + rng.IntN(4))
			if sizes[id] == 0 {
				sizes[id] = 1 + rng.IntN(40)
			}
			if !m.Fits(id, sizes[id]) {
				break
			}
			for i, b := 0, m.Grow(id, sizes[id], sizes[id]); i < len(b); i++ {
				b[i] = 0xff
			}
		}
		m.EndSet()
		if len(m.Buf) > limit {
			t.Fatalf("%d octets of %d", len(m.Buf), limit)
		}
		checkSets(t, m.Buf[16:], sizes)
	}
}

func checkSets(t *testing.T, b []byte, sizes map[uint16]int) {
	t.Helper()
	for len(b) > 0 {
		id, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		size := sizes[id]
		pad := (n - 4) % size
		if n-4 < size || pad > 3 || !bytes.Equal(b[n-pad:n], make([]byte, pad)) || b[n-pad-1] != 0xff {
			t.Fatalf("set of %d octets with records of %d", n, size)
		}
		b = b[n:]
	}
}
