package capture

import "fmt"

// pcap is the classic format of libpcap (draft-ietf-opsawg-pcap): a file
// header of 24 octets, then records of a header and the octets captured.
type pcap struct {
	order
	kind   pcapKind
	begun  bool   // the file header was read
	limit  uint32 // a longer record is damage
	link   uint16
	iface  uint32
	ifaces *interfaceList
}

// pcapKind is what a magic number tells beside the byte order.
type pcapKind struct {
	magic  uint32
	nanos  int64 // nanoseconds per unit of a time's fraction
	header int   // octets of a record header
}

var pcapKinds = []pcapKind{
	{magic: 0xa1b2c3d4, nanos: 1000, header: 16},
	{magic: 0xa1b23c4d, nanos: 1, header: 16},
	{magic: 0xa1b2cd34, nanos: 1000, header: 24}, // A. Kuznetzov's: interface and protocol follow
}

const pcapFileHeader = 24

// newPcap returns a pcap if data begins with one of its magic numbers, else nil.
func newPcap(data []byte, ifaces *interfaceList) format {
	for _, o := range []order{{big: false}, {big: true}} {
		for _, k := range pcapKinds {
			if o.uint32(data) == k.magic {
				return &pcap{order: o, kind: k, ifaces: ifaces}
			}
		}
	}
	return nil
}

func (p *pcap) scan(data []byte, off int, frames []Frame) (scanned, error) {
	if !p.begun {
		if len(data)-off < pcapFileHeader {
			return scanned{off, frames, pcapFileHeader, "the file header"}, nil
		}
		p.begin(data[off:])
		off += pcapFileHeader
	}
	header, o := p.kind.header, p.order
	for len(frames) < cap(frames) {
		rest := data[off:]
		if len(rest) < header || len(rest) < 16 {
			return scanned{off, frames, header, "the record header"}, nil
		}
		capLen := o.uint32(rest[8:])
		if capLen > p.limit {
			return scanned{off: off, frames: frames}, fmt.Errorf("a record of %d octets, more than %d", capLen, p.limit)
		}
		size := header + int(capLen)
		if len(rest) < size {
			return scanned{off, frames, size, "the record"}, nil
		}
		frames = append(frames, Frame{
			Time:    int64(o.uint32(rest))*second + int64(o.uint32(rest[4:]))*p.kind.nanos,
			Off:     uint32(off + header),
			CapLen:  capLen,
			WireLen: max(capLen, o.uint32(rest[12:])),
			Iface:   p.iface,
			Link:    p.link,
		})
		off += size
	}
	return scanned{off: off, frames: frames}, nil
}

// begin reads the file header. Records longer than the stated snaplen are
// common and taken.
func (p *pcap) begin(h []byte) {
	snaplen := p.uint32(h[16:])
	p.begun = true
	p.limit = max(maxSnaplen, min(snaplen, maxRecord))
	p.link = linkType(p.uint32(h[20:]))
	p.iface = p.ifaces.add(Interface{Link: p.link, Snaplen: snaplen})
}
