package capture

import (
	"encoding/binary"
	"fmt"
)

// pcapng is the block format of draft-ietf-opsawg-pcapng. A trace is one or
// more sections, each with a byte order and interfaces of its own.
type pcapng struct {
	order  order
	ifaces *interfaceList
	all    []ngInterface // as in ifaces
	first  uint32        // index in all of the section's first interface
	last   int64         // time of the last packet, for those that have none
}

// ngInterface is what reading a packet needs of its interface.
type ngInterface struct {
	clock   ngClock
	link    uint16
	snaplen uint32
}

// Block types.
const (
	ngSection   = 0x0a0d0d0a // the same in both byte orders
	ngInterDesc = 1
	ngPacket    = 2 // obsolete, but written for years
	ngSimple    = 3
	ngEnhanced  = 6
)

// ngLeast is the least length, with type and both lengths, of the blocks that
// are read; of a section header it is 28 and of all others 12.
var ngLeast = [...]uint32{ngInterDesc: 20, ngPacket: 32, ngSimple: 16, ngEnhanced: 32}

const (
	ngOrderMagic = 0x1a2b3c4d
	ngBlockHead  = 12      // as much as tells the length of any block
	maxNgIfaces  = 1 << 16 // interfaces of one trace
)

// looksPcapng tells whether data begins with a section header, as far as it
// is there.
func looksPcapng(data []byte) bool {
	if binary.LittleEndian.Uint32(data) != ngSection {
		return false
	}
	if len(data) < ngBlockHead {
		return true
	}
	_, ok := ngOrder(data)
	return ok
}

// ngOrder returns the byte order of the section header at the start of b,
// if it is one.
func ngOrder(b []byte) (o order, ok bool) {
	if o.uint32(b[8:]) == ngOrderMagic {
		return o, true
	}
	o.big = true
	return o, o.uint32(b[8:]) == ngOrderMagic
}

func (p *pcapng) scan(data []byte, off int, frames []Frame) (scanned, error) {
	for len(frames) < cap(frames) {
		rest := data[off:]
		if len(rest) < ngBlockHead {
			return scanned{off, frames, ngBlockHead, "the block header"}, nil
		}
		kind, size, err := p.head(rest)
		if err != nil {
			return scanned{off: off, frames: frames}, err
		}
		if len(rest) < size {
			return scanned{off, frames, size, "the block"}, nil
		}
		if end := p.order.uint32(rest[size-4:]); end != uint32(size) {
			return scanned{off: off, frames: frames}, fmt.Errorf("a block of %d octets that says %d at its end", size, end)
		}
		n := len(frames)
		f := &frames[:n+1][n]
		held, err := p.block(kind, rest[:size-4], f)
		if err != nil {
			return scanned{off: off, frames: frames}, err
		}
		if held {
			f.Off += uint32(off)
			frames = frames[:n+1]
		}
		off += size
	}
	return scanned{off: off, frames: frames}, nil
}

// head returns type and length of the block at the start of b, and takes the
// byte order of a section that begins there.
func (p *pcapng) head(b []byte) (kind uint32, size int, err error) {
	kind = p.order.uint32(b)
	least := uint32(ngBlockHead)
	switch {
	case kind == ngSection:
		var ok bool
		if p.order, ok = ngOrder(b); !ok {
			return 0, 0, fmt.Errorf("a section header with the byte-order magic % x", b[8:12])
		}
		least = 28
	case kind < uint32(len(ngLeast)):
		least = max(least, ngLeast[kind])
	}
	n := p.order.uint32(b[4:])
	switch {
	case n < least:
		return 0, 0, fmt.Errorf("a block of type %d and %d octets, too short for it", kind, n)
	case n%4 != 0:
		return 0, 0, fmt.Errorf("a block of %d octets, not a multiple of 4", n)
	case n > maxRecord:
		return 0, 0, fmt.Errorf("a block of %d octets, more than %d", n, maxRecord)
	}
	return kind, int(n), nil
}

// block reads one whole block, without the length at its end. If it holds a
// packet, f is set; its Off is from the beginning of the block.
func (p *pcapng) block(kind uint32, b []byte, f *Frame) (held bool, err error) {
	switch kind {
	case ngEnhanced:
		return true, p.packet(b, p.order.uint32(b[8:]), f)
	case ngPacket:
		return true, p.packet(b, uint32(p.order.uint16(b[8:])), f)
	case ngSimple:
		return true, p.simple(b, f)
	case ngSection:
		return false, p.section(b)
	case ngInterDesc:
		return false, p.describe(b)
	}
	return false, nil
}

// packet reads an enhanced or an obsolete packet block, which differ only in
// where the interface stands.
func (p *pcapng) packet(b []byte, iface uint32, f *Frame) error {
	const head = 28
	in, index, err := p.iface(iface)
	if err != nil {
		return err
	}
	capLen := p.order.uint32(b[20:])
	if uint64(capLen) > uint64(len(b)-head) {
		return fmt.Errorf("%d octets captured in a block of %d", capLen, len(b)+4)
	}
	p.last = in.clock.nanos(uint64(p.order.uint32(b[12:]))<<32 | uint64(p.order.uint32(b[16:])))
	*f = Frame{
		Time:    p.last,
		Off:     head,
		CapLen:  capLen,
		WireLen: max(capLen, p.order.uint32(b[24:])),
		Iface:   index,
		Link:    in.link,
	}
	return nil
}

// simple reads a simple packet block. It has no time, so it gets that of the
// packet before it, and no captured length: that follows from the interface.
func (p *pcapng) simple(b []byte, f *Frame) error {
	const head = 12
	in, index, err := p.iface(0)
	if err != nil {
		return err
	}
	wireLen := p.order.uint32(b[8:])
	capLen := wireLen
	if in.snaplen != 0 {
		capLen = min(capLen, in.snaplen)
	}
	*f = Frame{
		Time:    p.last,
		Off:     head,
		CapLen:  min(capLen, uint32(len(b)-head)),
		WireLen: wireLen,
		Iface:   index,
		Link:    in.link,
	}
	return nil
}

// iface returns the section's interface n and its index in the trace.
func (p *pcapng) iface(n uint32) (*ngInterface, uint32, error) {
	if have := uint32(len(p.all)) - p.first; n >= have {
		return nil, 0, fmt.Errorf("a packet of interface %d in a section with %d", n, have)
	}
	return &p.all[p.first+n], p.first + n, nil
}

// section begins a new section.
func (p *pcapng) section(b []byte) error {
	p.first = uint32(len(p.all))
	if major := p.order.uint16(b[12:]); major != 1 {
		return fmt.Errorf("pcapng version %d, only 1 is read", major)
	}
	return nil
}
