package capture

import (
	"encoding/binary"
	"math/bits"
)

// order is the byte order of a trace: little-endian unless big. Reversing on
// a bit costs less per field than a call through binary.ByteOrder.
type order struct{ big bool }

func (o order) uint16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if o.big {
		return bits.ReverseBytes16(v)
	}
	return v
}

func (o order) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if o.big {
		return bits.ReverseBytes32(v)
	}
	return v
}

func (o order) uint64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if o.big {
		return bits.ReverseBytes64(v)
	}
	return v
}
