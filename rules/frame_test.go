package rules

import (
	"encoding/binary"
	"math/rand/v2"

	"flowmeter/meter/packet"
)

// Where random packets have their headers.
const (
	labelsAt    = 8
	networkAt   = 80
	transportAt = 320
)

// frameOf makes the octets of a frame for the headers of a packet: always the
// same for the same packet, seen either way round. It holds what
// only frames say: options, extension headers and labels.
func frameOf(h *packet.Headers) []byte {
	r := rand.New(rand.NewPCG(uint64(h.Seq)<<32|uint64(h.FragID), uint64(h.WireLen)<<32|uint64(h.TotalLen)<<8|uint64(h.TTL)))
	data := make([]byte, transportAt+60)
	for i := range data {
		data[i] = byte(r.IntN(256))
	}
	for i := range 4 {
		binary.BigEndian.PutUint32(data[labelsAt+4*i:], uint32(r.IntN(3)*2048)<<12|uint32(r.IntN(1<<12)))
	}
	binary.BigEndian.PutUint32(data[labelsAt:], h.MPLSLabel<<12|uint32(r.IntN(1<<12)))
	ip := data[networkAt:]
	ip[0] = 0x40 | byte(5+r.IntN(11))
	randomOptions(r, ip[20:60])
	if h.Layers&packet.HasIPv6 != 0 {
		randomExtensions(r, ip)
	}
	transport := data[transportAt:]
	transport[12] = byte(4+r.IntN(12)) << 4
	randomOptions(r, transport[20:])
	if r.IntN(4) == 0 { // cut by the capture
		return data[:labelsAt+4+r.IntN(len(data)-labelsAt-4)]
	}
	return data
}

func randomOptions(r *rand.Rand, b []byte) {
	sizes := map[byte]int{2: 4, 3: 3, 4: 2, 5: 10, 8: 10, 148: 4}
	for len(b) > 0 {
		kind := []byte{0, 1, 1, 2, 3, 4, 5, 8, 148}[r.IntN(9)]
		b[0] = kind
		size := 1
		if kind > 1 && len(b) > 1 {
			size = sizes[kind]
			if r.IntN(8) == 0 {
				size = r.IntN(12)
			}
			b[1] = byte(size)
			if len(b) > 3 && kind == 2 { // values that are asked for
				b[2], b[3] = []byte{0, 5}[r.IntN(2)], []byte{64, 220}[r.IntN(2)]
			}
		}
		b = b[min(max(size, 1), len(b)):]
	}
}

func randomExtensions(r *rand.Rand, ip []byte) {
	kinds := []byte{0, 43, 44, 51, 60, 6, 17}
	next := &ip[6]
	for at := 40; at+8 < transportAt-networkAt; {
		*next = kinds[r.IntN(len(kinds))]
		ip[at+1] = byte(r.IntN(3))
		if r.IntN(2) == 0 {
			ip[at+2], ip[at+3] = 0, ip[at+3]&1
		}
		size := 8 * (int(ip[at+1]) + 1)
		switch *next {
		case 44:
			size = 8
		case 51:
			size = 4 * (int(ip[at+1]) + 2)
		}
		next = &ip[at]
		at += size
	}
	*next = 59
}
