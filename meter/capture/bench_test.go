package capture

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
)

const benchPackets = 500_000

// recordSize is what a packet of 64 octets takes in each format.
var recordSize = map[string]int{"pcap": 80, "pcapng": 96, "erf": 88}

// benchTraces are traces of benchPackets packets of 64 octets.
func benchTraces() map[string][]byte {
	data := payload(1, 64)
	all := map[string][]byte{
		"pcap":   pcapFile(le, 0xa1b2c3d4, 1),
		"pcapng": append(ngSHB(le), ngIDB(le, 1, 0)...),
		"erf":    nil,
	}
	for i := range benchPackets {
		all["pcap"] = append(all["pcap"], pcapRecord(le, n0, uint32(i), 64, data)...)
		all["pcapng"] = append(all["pcapng"], ngEPB(le, 0, n0*1e6+uint64(i), 64, data)...)
		all["erf"] = append(all["erf"], erfRecord(2, 4, erfNow+uint64(i)<<12, 64, nil, []byte{0, 0}, data)...)
	}
	return all
}

// BenchmarkRead walks the frames of traces in the page cache, touching each
// Frame but not the octets.
func BenchmarkRead(b *testing.B) {
	for name, data := range benchTraces() {
		path := filepath.Join(b.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		pool := NewPool(DefaultReaderConfig())
		b.Run(name+"/file", func(b *testing.B) {
			benchRead(b, data, func() (*Reader, error) { return pool.Open(path) })
		})
		b.Run(name+"/memory", func(b *testing.B) {
			benchRead(b, data, func() (*Reader, error) { return pool.NewReader(name, bytes.NewReader(data)), nil })
		})
	}
}

func benchRead(b *testing.B, data []byte, open func() (*Reader, error)) {
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	cpu := cpuTime(b)
	for b.Loop() {
		r, err := open()
		if err != nil {
			b.Fatal(err)
		}
		if n := walk(b, r); n != benchPackets {
			b.Fatalf("%d packets", n)
		}
		r.Close()
	}
	perPacket(b, cpu)
}

func walk(b *testing.B, r *Reader) (packets int) {
	octets := uint64(0)
	for {
		batch, err := r.Next()
		if err == io.EOF {
			return packets
		}
		if err != nil {
			b.Fatal(err)
		}
		for i := range batch.Frames {
			octets += uint64(batch.Frames[i].WireLen)
		}
		packets += len(batch.Frames)
		batch.Release()
	}
}

// perPacket reports per packet; CPU time says more than the clock on a busy
// machine.
func perPacket(b *testing.B, cpu time.Duration) {
	total := float64(b.N) * benchPackets
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/total, "cpu-ns/packet")
	b.ReportMetric(total/b.Elapsed().Seconds(), "packets/s")
}

// cpuTime is the process's, user and system.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkScan finds the packets of one buffer that is in the cache: the walk
// without reading.
func BenchmarkScan(b *testing.B) {
	for name, data := range benchTraces() {
		b.Run(name, func(b *testing.B) {
			var ifaces interfaceList
			f, _ := detect(data[:4096], true, &ifaces)
			frames := make([]Frame, 0, 8192)
			s, err := f.scan(data[:256<<10], 0, frames) // the file header too
			if err != nil {
				b.Fatal(err)
			}
			start := len(data) - benchPackets*recordSize[name]
			packets := len(s.frames)
			b.SetBytes(int64(s.off - start))
			cpu := cpuTime(b)
			for b.Loop() {
				if s, err = f.scan(data[:256<<10], start, frames); err != nil || len(s.frames) != packets {
					b.Fatal(len(s.frames), err)
				}
			}
			b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/float64(b.N)/float64(packets), "cpu-ns/packet")
		})
	}
}

// BenchmarkGopacket reads the same pcap with pcapgo, to compare.
func BenchmarkGopacket(b *testing.B) {
	data := benchTraces()["pcap"]
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	cpu := cpuTime(b)
	for b.Loop() {
		r, err := pcapgo.NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, _, err = r.ReadPacketData()
		}
	}
	perPacket(b, cpu)
}

// BenchmarkDecompress reads the pcap through each decompressor.
func BenchmarkDecompress(b *testing.B) {
	data := benchTraces()["pcap"]
	for name, compress := range compressors {
		small := compress(b, data)
		pool := NewPool(DefaultReaderConfig())
		b.Run(name, func(b *testing.B) {
			benchRead(b, data, func() (*Reader, error) { return pool.NewReader(name, bytes.NewReader(small)), nil })
		})
	}
}
