package ring

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
)

// A block of the ring begins with struct tpacket_block_desc
// (linux/if_packet.h): the offsets of its fields. Numbers are in the byte
// order of the machine.
const (
	blockStatus = 8  // who owns the block: see statusUser
	blockCount  = 12 // frames in it
	blockFirst  = 16 // where the first one's header begins
	blockHeader = 48
)

// Each frame is at struct tpacket3_hdr, behind which struct sockaddr_ll stands
// and, at an offset that the header tells, the frame itself.
const (
	frameNext     = 0
	frameSec      = 4
	frameNsec     = 8
	frameSnap     = 12 // octets captured, from the link header on
	frameLen      = 16 // octets there were
	frameStatus   = 20
	frameMAC      = 24 // where the link header begins, from this header on
	frameNet      = 26 // where the network header does
	frameTCI      = 32
	frameTPID     = 36
	addrProtocol  = 50 // sockaddr_ll: EtherType in network order,
	addrIndex     = 52
	addrHardware  = 56 // ARPHRD_,
	addrKind      = 58 // PACKET_HOST and so on,
	addrLen       = 59
	addrAddress   = 60 // 8 octets
	frameHeader   = 68
	vnetHeader    = 10 // struct virtio_net_hdr, right before the link header
	tagLen        = 4
	second        = 1_000_000_000
	defaultTPID   = 0x8100
	addressesLen  = 12   // of an Ethernet header
	vnetECN       = 0x80 // VIRTIO_NET_HDR_GSO_ECN, a flag on the type
	vnetKindTCP4  = 1
	vnetKindTCP6  = 4
	vnetKindUDPL4 = 5
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
	switch v[1] &^ vnetECN {
	case vnetKindTCP4, vnetKindTCP6, vnetKindUDPL4:
		f.Segment = binary.NativeEndian.Uint16(v[4:])
		f.Flags |= capture.Offloaded
	}
}

// putTag puts the VLAN tag that the kernel, or the NIC, took off back behind
// the addresses, which move into the headroom.
func putTag(block []byte, h *[frameHeader]byte, f *capture.Frame) {
	tpid, tci, ok := tagOf(h)
	if !ok {
		return
	}
	f.WireLen += tagLen
	if f.CapLen < addressesLen {
		return // the rule sets ignore it: all that is there is its length
	}
	f.Off -= tagLen
	f.CapLen += tagLen
	b := block[f.Off : f.Off+addressesLen+tagLen]
	copy(b, b[tagLen:])
	binary.BigEndian.PutUint16(b[addressesLen:], tpid)
	binary.BigEndian.PutUint16(b[addressesLen+2:], tci)
}

// tagOf returns the VLAN tag that came beside the frame. Kernels before 3.14
// do not say of which protocol it was.
func tagOf(h *[frameHeader]byte) (tpid, tci uint16, ok bool) {
	flags := u32(h, frameStatus)
	if flags&unix.TP_STATUS_VLAN_VALID == 0 {
		return 0, 0, false
	}
	if flags&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		return defaultTPID, uint16(u32(h, frameTCI)), true
	}
	return u16(h, frameTPID), uint16(u32(h, frameTCI)), true
}

// skipLink leaves a link header of n octets out.
func skipLink(f *capture.Frame, n uint64) {
	if n > uint64(f.CapLen) { // also where the network header is said to lie before it
		n = 0
	}
	f.Off += uint32(n)
	f.CapLen -= uint32(n)
	f.WireLen -= uint32(n)
}

// cook puts a header of LINKTYPE_LINUX_SLL in place of a link header of n
// octets, with a tag behind it where one was taken off. The kernel leaves 16
// octets and the headroom for that.
func cook(block []byte, off uint64, f *capture.Frame, n uint64) bool {
	h := (*[frameHeader]byte)(block[off:])
	tpid, tci, tagged := tagOf(h)
	size := uint32(cookedLen)
	if tagged {
		size += tagLen
	}
	skipped := min(n, uint64(f.CapLen))
	start := uint64(f.Off) + n
	if n > 1<<15 || start < off+frameHeader+uint64(size) || start > uint64(len(block)) {
		return false
	}
	f.Off = uint32(start) - size
	f.CapLen += size - uint32(skipped)
	f.WireLen = max(f.WireLen-min(uint32(n), f.WireLen)+size, f.CapLen)
	b := block[f.Off : f.Off+size]
	binary.BigEndian.PutUint16(b[0:], uint16(h[addrKind]))
	binary.BigEndian.PutUint16(b[2:], u16(h, addrHardware))
	binary.BigEndian.PutUint16(b[4:], uint16(h[addrLen]))
	copy(b[6:14], h[addrAddress:])
	copy(b[14:16], h[addrProtocol:])
	if tagged {
		binary.BigEndian.PutUint16(b[14:], tpid)
		binary.BigEndian.PutUint16(b[16:], tci)
		copy(b[18:20], h[addrProtocol:])
	}
	return true
}
