package ring

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
)

// interfaceNumbers gives the number that Ring.Interfaces has an interface at.
type interfaceNumbers interface {
	numberOf(index int32) uint32
}

// walker finds the frames of blocks. It trusts nothing that it reads there.
type walker struct {
	vnet    bool             // there is a virtio header in front of each frame
	number  uint32           // of the interface, where all frames are of one
	numbers interfaceNumbers // where they are not; else nil
	shift   int64            // added to hardware times: see socket.checkClock
	last    int32            // index of the interface seen last, and
	lastNo  uint32           // its number, within one fill
}

// walk is where in a block the walk stands.
type walk struct {
	next uint64 // offset of the next header
	left uint32 // frames not walked yet
}

// status returns who owns a block: the kernel stores it last, and so do we.
func status(block []byte) *uint32 { return (*uint32)(unsafe.Pointer(&block[blockStatus])) }

// ready tells whether the kernel has handed the block over.
func ready(block []byte) bool { return atomic.LoadUint32(status(block))&unix.TP_STATUS_USER != 0 }

// giveBack hands the block to the kernel.
func giveBack(block []byte) { atomic.StoreUint32(status(block), unix.TP_STATUS_KERNEL) }

// begin stands before the first frame of a block.
func begin(block []byte) walk {
	return walk{
		next: uint64(binary.NativeEndian.Uint32(block[blockFirst:])),
		left: binary.NativeEndian.Uint32(block[blockCount:]),
	}
}

// fill appends frames to frames, as many as its capacity takes. Where a header
// cannot be, the rest of the block is given up: lost is how many frames that
// are.
func (w *walker) fill(block []byte, at *walk, frames []capture.Frame) (_ []capture.Frame, lost uint32) {
	w.last = -1
	for at.left > 0 && len(frames) < cap(frames) {
		frames = frames[:len(frames)+1]
		step, ok := w.frame(block, at.next, &frames[len(frames)-1])
		if !ok {
			lost, at.left = at.left, 0
			return frames[:len(frames)-1], lost
		}
		at.left--
		at.next += step
		if at.left > 0 && step < frameHeader {
			lost, at.left = at.left, 0
		}
	}
	return frames, lost
}

// frame reads the frame whose header begins at off, and returns how far the
// next header is from there. It is false if the frame is not within the
// block.
func (w *walker) frame(block []byte, off uint64, f *capture.Frame) (step uint64, ok bool) {
	if off < blockHeader || off+frameHeader > uint64(len(block)) {
		return 0, false
	}
	h := (*[frameHeader]byte)(block[off:])
	mac, net := uint64(u16(h, frameMAC)), uint64(u16(h, frameNet))
	snap, room := u32(h, frameSnap), frameHeader+w.vnetLen()
	if mac < room || off+mac+uint64(snap) > uint64(len(block)) {
		return 0, false
	}
	flags := u32(h, frameStatus)
	*f = capture.Frame{
		Time:    int64(u32(h, frameSec))*second + int64(u32(h, frameNsec)),
		Off:     uint32(off + mac),
		CapLen:  snap,
		WireLen: max(u32(h, frameLen), snap),
		Iface:   w.iface(h),
		Flags:   frameFlags(flags, h[addrKind]),
	}
	if flags&unix.TP_STATUS_TS_RAW_HARDWARE != 0 {
		f.Time += w.shift
	}
	if w.vnet {
		w.segment(block, f)
	}
	kind := kindOf(u16(h, addrHardware))
	if snap == 1 && f.WireLen > 1 {
		cutFrame(h, kind, f)
	}
	f.Link = uint16(kind.link())
	switch kind {
	case kindEthernet:
		putTag(block, h, f)
	case kindRaw:
		skipLink(f, net-mac)
	case kindCooked:
		ok = cook(block, off, f, net-mac)
		return uint64(u32(h, frameNext)), ok
	}
	return uint64(u32(h, frameNext)), true
}

func u16(h *[frameHeader]byte, at int) uint16 { return binary.NativeEndian.Uint16(h[at:]) }
func u32(h *[frameHeader]byte, at int) uint32 { return binary.NativeEndian.Uint32(h[at:]) }

func (w *walker) vnetLen() uint64 {
	if w.vnet {
		return vnetHeader
	}
	return 0
}

// iface returns the number of the frame's interface.
func (w *walker) iface(h *[frameHeader]byte) uint32 {
	if w.numbers == nil {
		return w.number
	}
	if index := int32(u32(h, addrIndex)); index != w.last {
		w.last, w.lastNo = index, w.numbers.numberOf(index)
	}
	return w.lastNo
}

func frameFlags(status uint32, kind byte) (f capture.Flags) {
	if kind == unix.PACKET_OUTGOING {
		f = capture.Outgoing
	}
	if status&unix.TP_STATUS_CSUMNOTREADY != 0 {
		f |= capture.NoChecksum
	}
	if status&unix.TP_STATUS_GSO_TCP != 0 {
		f |= capture.Offloaded
	}
	return f
}

// segment reads struct virtio_net_hdr (virtio 1.3 §5.1.6), before anything is
// written over it.
func (w *walker) segment(block []byte, f *capture.Frame) {
	v := block[f.Off-vnetHeader : f.Off]
	kind := v[1] &^ vnetECN
	switch kind {
	case vnetKindTCP4, vnetKindTCP6, vnetKindUDPL4:
		f.Segment = binary.NativeEndian.Uint16(v[4:])
		f.Flags |= capture.Offloaded
	}
	if kind == vnetKindUDPL4 {
		f.Flags |= capture.OffloadedUDP
	}
}
