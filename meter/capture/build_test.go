package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// packet is a frame with its octets, as tests compare it.
type packet struct {
	Time    int64
	WireLen uint32
	Iface   uint32
	Link    uint16
	Data    string
}

// readAll reads a trace to its end and checks what holds for every batch.
func readAll(t testing.TB, r *Reader) ([]packet, error) {
	t.Helper()
	var all []packet
	for {
		b, err := r.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return all, err
		}
		if len(b.Frames) == 0 {
			t.Fatal("a batch without frames")
		}
		for i := range b.Frames {
			f := &b.Frames[i]
			if f.WireLen < f.CapLen || f.Time < 0 || int(f.Iface) >= len(r.Interfaces()) {
				t.Fatalf("frame %d breaks its promises: %+v", i, *f)
			}
			all = append(all, packet{f.Time, f.WireLen, f.Iface, f.Link, string(b.Data(f))})
		}
		b.Release()
	}
}

// readBytes reads a trace from memory with buffers of size octets.
func readBytes(t testing.TB, data []byte, size int) ([]packet, error) {
	t.Helper()
	r := NewPool(ReaderConfig{BufferSize: size, MaxFrames: 100, MaxBuffers: 2}).NewReader("test", bytes.NewReader(data))
	defer r.Close()
	return readAll(t, r)
}

// asError returns err as *Error, or fails.
func asError(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("not an *Error: %v", err)
	}
	return e
}

// payload returns n octets that differ from one seed to the next.
func payload(seed, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(seed*31 + i)
	}
	return b
}

// The traces are built with encoding/binary's own byte orders, not with order.
type endian interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pcapFile is a classic pcap of the magic's kind; packets of times sec.frac.
func pcapFile(o endian, magic, network uint32, packets ...[]byte) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 65535, network} {
		b = o.AppendUint32(b, v)
	}
	for _, p := range packets {
		b = append(b, p...)
	}
	return b
}

func pcapRecord(o endian, sec, frac, wire uint32, data []byte) []byte {
	b := o.AppendUint32(nil, sec)
	b = o.AppendUint32(b, frac)
	b = o.AppendUint32(b, uint32(len(data)))
	b = o.AppendUint32(b, wire)
	return append(b, data...)
}

// ngBlock is a pcapng block around body, padded to 4 octets.
func ngBlock(o endian, kind uint32, body []byte) []byte {
	for len(body)%4 != 0 {
		body = append(body[:len(body):len(body)], 0)
	}
	size := uint32(len(body) + 12)
	b := o.AppendUint32(nil, kind)
	b = o.AppendUint32(b, size)
	b = append(b, body...)
	return o.AppendUint32(b, size)
}

func ngSHB(o endian) []byte {
	b := o.AppendUint32(nil, 0x1a2b3c4d)
	b = o.AppendUint16(b, 1)
	b = o.AppendUint16(b, 0)
	return ngBlock(o, 0x0a0d0d0a, o.AppendUint64(b, 1<<64-1))
}

func ngOption(o endian, code uint16, v []byte) []byte {
	b := o.AppendUint16(nil, code)
	b = o.AppendUint16(b, uint16(len(v)))
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func ngIDB(o endian, link uint16, snaplen uint32, options ...[]byte) []byte {
	b := o.AppendUint16(nil, link)
	b = o.AppendUint16(b, 0)
	b = o.AppendUint32(b, snaplen)
	return ngBlock(o, 1, append(b, bytes.Join(options, nil)...))
}

func ngEPB(o endian, iface uint32, time uint64, wire uint32, data []byte) []byte {
	b := o.AppendUint32(nil, iface)
	b = o.AppendUint32(b, uint32(time>>32))
	b = o.AppendUint32(b, uint32(time))
	b = o.AppendUint32(b, uint32(len(data)))
	b = o.AppendUint32(b, wire)
	return ngBlock(o, 6, append(b, data...))
}

func ngOPB(o endian, iface uint16, time uint64, wire uint32, data []byte) []byte {
	b := o.AppendUint16(nil, iface)
	b = o.AppendUint16(b, 7) // drops
	b = o.AppendUint32(b, uint32(time>>32))
	b = o.AppendUint32(b, uint32(time))
	b = o.AppendUint32(b, uint32(len(data)))
	b = o.AppendUint32(b, wire)
	return ngBlock(o, 2, append(b, data...))
}

func ngSPB(o endian, wire uint32, data []byte) []byte {
	return ngBlock(o, 3, append(o.AppendUint32(nil, wire), data...))
}

// erfRecord is one ERF record: ext are whole extension headers, sub the
// header of the type; the record is padded to 8 octets.
func erfRecord(kind, flags byte, time uint64, wire uint16, ext, sub, data []byte) []byte {
	size := 16 + len(ext) + len(sub) + len(data)
	pad := -size & 7
	b := binary.LittleEndian.AppendUint64(nil, time)
	b = append(b, kind, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(size+pad))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, wire)
	return append(bytes.Join([][]byte{b, ext, sub, data}, nil), make([]byte, pad)...)
}

// samples are small traces of each format, by the offsets at which their
// records end; the last is the length of the trace.
type sample struct {
	data    []byte
	ends    []int // ends of the records or blocks that hold a packet
	borders []int // where else the trace may end without being cut
}

func (s *sample) add(record []byte, holdsPacket bool) {
	s.data = append(s.data, record...)
	if holdsPacket {
		s.ends = append(s.ends, len(s.data))
	}
	s.borders = append(s.borders, len(s.data))
}

const n0 = 1_600_000_000

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

func samples() map[string]*sample {

	all := map[string]*sample{"pcap": {}, "pcap-be-ns": {}, "pcapng": {}, "erf": {}}
	all["pcap"].add(pcapFile(le, 0xa1b2c3d4, 1), false)
	all["pcap-be-ns"].add(pcapFile(be, 0xa1b23c4d, 1), false)
	ng := all["pcapng"]
	ng.add(ngSHB(le), false)
	ng.add(ngIDB(le, 1, 0, ngOption(le, 2, []byte("eth0")), ngOption(le, 9, []byte{9}), ngOption(le, 0, nil)), false)
	for i := range 12 {
		data := payload(i, 14+i*17%61)
		all["pcap"].add(pcapRecord(le, n0, uint32(i), uint32(len(data)), data), true)
		all["pcap-be-ns"].add(pcapRecord(be, n0, uint32(i), uint32(len(data)), data), true)
		ng.add(ngEPB(le, 0, n0*1e9+uint64(i), uint32(len(data)), data), true)
		all["erf"].add(erfRecord(2, 4, n0<<32+uint64(i)<<20, uint16(len(data)), nil, []byte{0, 0}, data), true)
		if i == 5 {
			ng.add(ngBlock(le, 4, payload(1, 40)), false) // a name resolution block
			ng.add(ngSHB(be), false)
			ng.add(ngIDB(be, 101, 0), false)
			ng.add(ngOPB(be, 0, n0*1e6, 60, payload(2, 20)), true)
			ng.add(ngSPB(be, 21, payload(3, 21)), true)
			ng.add(ngSHB(le), false)
			ng.add(ngIDB(le, 1, 0, ngOption(le, 9, []byte{9})), false)
		}
	}
	return all
}
