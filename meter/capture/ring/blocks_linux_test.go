package ring

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
)

// made is a frame as the kernel would put it into a block.
type made struct {
	data     string
	length   uint32 // 0: of data
	link     int    // octets of the link header in data
	status   uint32
	hardware uint16
	kind     byte
	index    int32
	protocol uint16
	tpid     uint16
	tci      uint16
	sec      uint32
	nsec     uint32
	vnet     []byte
}

// makeBlock lays frames out as tpacket_rcv and prb_fill_curr_block of the kernel
// do: headers at multiples of 8, the network header at a multiple of 16 plus
// the reserve and the virtio header.
func makeBlock(size int, vnet bool, frames ...made) []byte {
	ne := binary.NativeEndian
	b := make([]byte, size)
	off := blockHeader
	ne.PutUint32(b[blockFirst:], uint32(off))
	ne.PutUint32(b[blockCount:], uint32(len(frames)))
	for i, m := range frames {
		h := b[off:]
		net := (frameHeader+max(m.link, 16)+15)/16*16 + tagLen
		if vnet {
			net += vnetHeader
		}
		mac := net - m.link
		length := m.length
		if length == 0 {
			length = uint32(len(m.data))
		}
		next := (mac + len(m.data) + 7) / 8 * 8
		if i < len(frames)-1 {
			ne.PutUint32(h[frameNext:], uint32(next))
		}
		ne.PutUint32(h[frameSec:], m.sec)
		ne.PutUint32(h[frameNsec:], m.nsec)
		ne.PutUint32(h[frameSnap:], uint32(len(m.data)))
		ne.PutUint32(h[frameLen:], length)
		ne.PutUint32(h[frameStatus:], m.status|unix.TP_STATUS_USER)
		ne.PutUint16(h[frameMAC:], uint16(mac))
		ne.PutUint16(h[frameNet:], uint16(net))
		ne.PutUint32(h[frameTCI:], uint32(m.tci))
		ne.PutUint16(h[frameTPID:], m.tpid)
		ne.PutUint16(h[addrProtocol-2:], unix.AF_PACKET)
		binary.BigEndian.PutUint16(h[addrProtocol:], m.protocol)
		ne.PutUint32(h[addrIndex:], uint32(m.index))
		ne.PutUint16(h[addrHardware:], m.hardware)
		h[addrKind], h[addrLen] = m.kind, 6
		copy(h[addrAddress:], "\x02\x00\x00\x00\x00\x09\x00\x00")
		copy(h[mac:], m.data)
		if vnet {
			copy(h[mac-vnetHeader:mac], m.vnet)
		}
		off += next
	}
	ne.PutUint32(b[blockStatus:], unix.TP_STATUS_USER)
	return b
}

// walkBlock walks a whole block in batches of n frames.
func walkBlock(w *walker, block []byte, n int) (all []capture.Frame, lost uint32) {
	at := begin(block)
	for at.left > 0 {
		frames, l := w.fill(block, &at, make([]capture.Frame, 0, n))
		all = append(all, frames...)
		lost += l
	}
	return all, lost
}

// numbersOf is a list of indexes; the place is the number.
type numbersOf []int32

func (n numbersOf) numberOf(index int32) uint32 {
	for i, have := range n {
		if have == index {
			return uint32(i)
		}
	}
	return 99
}

const (
	macs = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"
	ip   = "\x08\x00E.......................................payload"
	tags = unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
)

// TestWalk walks one block of each kind of frame.
func TestWalk(t *testing.T) {
	cooked := "\x00\x00\x00\x20\x00\x06\x02\x00\x00\x00\x00\x09\x00\x00"
	tests := []struct {
		name  string
		frame made
		data  string
		want  capture.Frame // without Off and CapLen
	}{
		{"ethernet", made{data: macs + ip, link: 14, hardware: 1, sec: 7, nsec: 9, length: 2000}, macs + ip,
			capture.Frame{Time: 7e9 + 9, WireLen: 2000, Link: 1}},
		{"tag", made{data: macs + ip, link: 14, hardware: 1, status: tags, tpid: 0x88a8, tci: 0x6007}, macs + "\x88\xa8\x60\x07" + ip,
			capture.Frame{WireLen: uint32(len(macs+ip)) + 4, Link: 1}},
		{"tag of an old kernel", made{data: macs + ip, link: 14, hardware: 1, status: unix.TP_STATUS_VLAN_VALID, tci: 7}, macs + "\x81\x00\x00\x07" + ip,
			capture.Frame{WireLen: uint32(len(macs+ip)) + 4, Link: 1}},
		{"tag 0", made{data: macs + ip, link: 14, hardware: 1, status: tags, tpid: 0x8100}, macs + "\x81\x00\x00\x00" + ip,
			capture.Frame{WireLen: uint32(len(macs+ip)) + 4, Link: 1}},
		{"tag of a frame cut to an octet", made{data: "\x02", length: 60, link: 14, hardware: 1, status: tags, tpid: 0x8100, tci: 7}, "\x02",
			capture.Frame{WireLen: 64, Link: 1, Flags: capture.Cut, LinkLen: 18}},
		{"IP cut to an octet", made{data: "\x02", length: 74, link: 14, hardware: 1, protocol: 0x86dd}, "\x02",
			capture.Frame{WireLen: 74, Link: 1, Flags: capture.Cut | capture.CutIP, LinkLen: 14}},
		{"tun, cut to an octet", made{data: "\x45", length: 60, hardware: 0xfffe, protocol: 0x0800}, "\x45",
			capture.Frame{WireLen: 60, Link: 101, Flags: capture.Cut | capture.CutIP}},
		{"a frame of an octet", made{data: "\x02", hardware: 801}, "\x02", capture.Frame{WireLen: 1, Link: 105}},
		{"loopback", made{data: macs + ip, link: 14, hardware: 772, kind: unix.PACKET_OUTGOING}, macs + ip,
			capture.Frame{WireLen: uint32(len(macs + ip)), Link: 1, Flags: capture.Outgoing}},
		{"no checksum", made{data: macs + ip, link: 14, hardware: 1, status: unix.TP_STATUS_CSUMNOTREADY | unix.TP_STATUS_GSO_TCP}, macs + ip,
			capture.Frame{WireLen: uint32(len(macs + ip)), Link: 1, Flags: capture.NoChecksum | capture.Offloaded}},
		{"tun", made{data: ip[2:], hardware: 0xfffe, protocol: 0x0800}, ip[2:],
			capture.Frame{WireLen: uint32(len(ip[2:])), Link: 101}},
		{"ppp with a header", made{data: "\xff\x03\x00\x21" + ip[2:], link: 4, hardware: 512, length: 1000}, ip[2:],
			capture.Frame{WireLen: 996, Link: 101}},
		{"infiniband", made{data: "0123456789012345678901234567890123456789abcd" + ip[2:], link: 44, hardware: 32, protocol: 0x0800, length: 1000}, cooked + ip,
			capture.Frame{WireLen: 1000 - 44 + 16, Link: 113}},
		{"infiniband, tagged", made{data: "0123" + ip[2:], link: 4, hardware: 32, protocol: 0x0800, status: tags, tpid: 0x8100, tci: 7}, cooked + "\x81\x00\x00\x07" + ip,
			capture.Frame{WireLen: uint32(len(ip[2:])) + 20, Link: 113}},
		{"infiniband, cut to an octet", made{data: "0", link: 44, hardware: 32, protocol: 0x0800, length: 1000}, cooked + "\x08\x00",
			capture.Frame{WireLen: 1000 - 44 + 16, Link: 113, Flags: capture.Cut | capture.CutIP, LinkLen: 16}},
		{"monitor", made{data: "whatever", hardware: 803}, "whatever", capture.Frame{WireLen: 8, Link: 127}},
		{"wifi", made{data: "whatever", hardware: 801}, "whatever", capture.Frame{WireLen: 8, Link: 105}},
	}
	for _, tt := range tests {
		for _, vnet := range []bool{false, true} {
			w := walker{vnet: vnet, number: 3}
			tt.frame.vnet = make([]byte, vnetHeader)
			block := makeBlock(4096, vnet, tt.frame)
			frames, lost := walkBlock(&w, block, 10)
			if len(frames) != 1 || lost != 0 {
				t.Fatalf("%s: %d frames, %d lost", tt.name, len(frames), lost)
			}
			f := frames[0]
			if data := string(block[f.Off:][:f.CapLen]); data != tt.data {
				t.Errorf("%s: % x, not % x", tt.name, data, tt.data)
			}
			tt.want.Off, tt.want.CapLen, tt.want.Iface = f.Off, f.CapLen, 3
			if f != tt.want {
				t.Errorf("%s: %+v, not %+v", tt.name, f, tt.want)
			}
		}
	}
}

// TestSegments reads the virtio header, also where the tag comes to lie over
// it.
func TestSegments(t *testing.T) {
	tests := []struct {
		kind    byte
		segment uint16
	}{{0, 0}, {1, 1448}, {3, 0}, {4, 1428}, {5, 1200}, {1 | vnetECN, 1448}}
	for _, tt := range tests {
		vnet := []byte{1, tt.kind, 0, 0, 0, 0, 0, 0, 0, 0}
		binary.NativeEndian.PutUint16(vnet[4:], tt.segment)
		frame := made{data: macs + ip, length: 60000, link: 14, hardware: 1, status: tags, tpid: 0x8100, tci: 7, vnet: vnet}
		block := makeBlock(4096, true, frame, frame)
		frames, _ := walkBlock(&walker{vnet: true}, block, 10)
		for _, f := range frames {
			if f.Segment != tt.segment || (f.Flags&capture.Offloaded != 0) != (tt.segment > 0) || (f.Flags&capture.OffloadedUDP != 0) != (tt.kind == 5) {
				t.Errorf("type %d: %+v", tt.kind, f)
			}
			if data := string(block[f.Off:][:f.CapLen]); data != macs+"\x81\x00\x00\x07"+ip {
				t.Errorf("type %d: % x", tt.kind, data)
			}
		}
		if len(frames) != 2 {
			t.Errorf("%d frames", len(frames))
		}
	}
}

// TestBatches walks a block in batches of every size: the frames are the same.
func TestBatches(t *testing.T) {
	var frames []made
	for i := range 20 {
		frames = append(frames, made{data: macs + ip[:10+i], link: 14, hardware: 1, index: int32(i % 3), nsec: uint32(i)})
	}
	w := walker{numbers: numbersOf{2, 1, 0}}
	want, _ := walkBlock(&w, makeBlock(8192, false, frames...), 100)
	for n := 1; n <= 21; n++ {
		got, lost := walkBlock(&w, makeBlock(8192, false, frames...), n)
		if len(got) != 20 || lost != 0 {
			t.Fatalf("batches of %d: %d frames, %d lost", n, len(got), lost)
		}
		for i := range got {
			if got[i] != want[i] || got[i].Iface != uint32(2-i%3) || got[i].Time != int64(i) {
				t.Errorf("batches of %d: frame %d is %+v, not %+v", n, i, got[i], want[i])
			}
		}
	}
}

// TestDamagedBlock puts nonsense into the header of the second of three
// frames: the first is delivered, and all others count as lost.
func TestDamagedBlock(t *testing.T) {
	frame := made{data: macs + ip, link: 14, hardware: 1}
	cook := made{data: macs + ip, link: 14, hardware: 32}
	for _, second := range []made{frame, cook} {
		whole := makeBlock(4096, false, frame, second, frame)
		at := blockHeader + int(binary.NativeEndian.Uint32(whole[blockHeader+frameNext:]))
		for name, damage := range map[string]func(h []byte){
			"far":   func(h []byte) { binary.NativeEndian.PutUint32(h[frameSnap:], 1<<31) },
			"near":  func(h []byte) { binary.NativeEndian.PutUint16(h[frameMAC:], frameHeader-1) },
			"early": func(h []byte) { binary.NativeEndian.PutUint16(h[frameNet:], 1); h[addrHardware] = 32 },
		} {
			block := append([]byte(nil), whole...)
			damage(block[at:])
			if frames, lost := walkBlock(&walker{}, block, 10); len(frames) != 1 || lost != 2 {
				t.Errorf("%s: %d frames, %d lost", name, len(frames), lost)
			}
		}
		block := append([]byte(nil), whole...)
		binary.NativeEndian.PutUint32(block[at+frameNext:], 8) // back into itself
		if frames, lost := walkBlock(&walker{}, block, 10); len(frames) != 2 || lost != 1 {
			t.Errorf("next: %d frames, %d lost", len(frames), lost)
		}
	}
}

// FuzzWalk takes any octets for a block: each frame is within it, no frame
// is left uncounted, nothing panics and the walk ends.
func FuzzWalk(f *testing.F) {
	for _, hardware := range []uint16{1, 32, 512, 0xfffe, 801} {
		frame := made{data: macs + ip, link: 14, hardware: hardware, status: tags, tci: 7, tpid: 0x8100, vnet: make([]byte, vnetHeader)}
		f.Add(makeBlock(1024, true, frame, frame, frame), true)
		f.Add(makeBlock(512, false, frame, frame), false)
	}
	f.Fuzz(func(t *testing.T, block []byte, vnet bool) {
		if len(block) < blockHeader {
			return
		}
		if n := begin(block).left; n > 1<<16 {
			return // it would only take long
		}
		count := begin(block).left
		w := walker{vnet: vnet, numbers: numbersOf{1, 2}}
		frames, lost := walkBlock(&w, block, 7)
		if uint32(len(frames))+lost != count {
			t.Errorf("%d frames and %d lost, of %d", len(frames), lost, count)
		}
		for _, f := range frames {
			if uint64(f.Off)+uint64(f.CapLen) > uint64(len(block)) || f.WireLen < f.CapLen || f.Off < blockHeader {
				t.Errorf("%+v in %d octets", f, len(block))
			}
		}
	})
}
