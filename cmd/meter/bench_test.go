package main

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkRead meters a trace of 64-octet packets, half of them TCP, over
// conversations of a Zipf distribution, and writes its flows as IPFIX: the
// whole way.
func BenchmarkRead(b *testing.B) {
	const packets = 1_000_000
	trace := filepath.Join(b.TempDir(), "bench.pcap")
	if err := os.WriteFile(trace, benchTrace(packets, 100_000), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(packets * 64)
	b.ResetTimer()
	for range b.N {
		if status := run([]string{"read", "--top", "0", "-o", "ipfix:/dev/null", trace}, nil, io.Discard, io.Discard); status != exitOK {
			b.Fatal("status", status)
		}
	}
	b.ReportMetric(float64(packets*b.N)/b.Elapsed().Seconds(), "packets/s")
}

// benchTrace makes a pcap file of a minute.
func benchTrace(packets, conversations int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rnd, 1.1, 10, uint64(conversations-1))
	le, be := binary.LittleEndian, binary.BigEndian
	out := make([]byte, 24, 24+packets*80)
	copy(out, "\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00")
	for i := range packets {
		var rec [80]byte
		us := uint64(i) * 60e6 / uint64(packets)
		le.PutUint32(rec[0:], uint32(1_700_000_000+us/1e6))
		le.PutUint32(rec[4:], uint32(us%1e6))
		le.PutUint32(rec[8:], 64)
		le.PutUint32(rec[12:], 64)
		p := rec[16:]
		copy(p[12:], "\x08\x00\x45\x00\x00\x32\x00\x00\x40\x00\x40\x06")
		n := uint32(zipf.Uint64())
		h := n * 2654435761
		src, dst, sport, dport := 0x0a000000|h&0xffffff, 0xc0a80000|h>>16, uint16(h)|1024, uint16(443)
		if rnd.Uint32()&1 == 0 {
			src, dst, sport, dport = dst, src, dport, sport
		}
		be.PutUint32(p[26:], src)
		be.PutUint32(p[30:], dst)
		be.PutUint16(p[34:], sport)
		be.PutUint16(p[36:], dport)
		if n&1 == 0 {
			p[23] = 17
			be.PutUint16(p[38:], 30)
		} else {
			p[46], p[47] = 0x50, 0x10
		}
		out = append(out, rec[:]...)
	}
	return out
}
