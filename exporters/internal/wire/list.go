package wire

import (
	"encoding/binary"
	"math/bits"

	"flowmeter/meter/flow"
)

// ListOf is a list of numbers in a record: a basicList of one element (RFC
// 6313 §4.5.1).
type ListOf struct {
	values func(*flow.Record, flow.Way) []uint64
	pen    uint32
}

// listHead is the octets before the values: the length in its long form, what
// the list means, and the field specifier of an enterprise's element.
const listHead = 3 + 1 + 8

// ordered is the semantic of a list whose values stand in an order.
const ordered = 4

// elements are what the lists are of, from the shortest to the longest.
var elements = flow.Elements()

// size returns the octets of a list, and what it is of: the shortest element
// in which all of its values fit.
func (l *ListOf) size(r *flow.Record, w flow.Way) (size int, of *flow.Field) {
	values, all := l.values(r, w), uint64(0)
	for _, v := range values {
		all |= v
	}
	of = &elements[0]
	for i := 1; 8*of.Type.Size() < bits.Len64(all); i++ {
		of = &elements[i]
	}
	return listHead + of.Type.Size()*len(values), of
}

// put writes a list and returns the octets used.
func (l *ListOf) put(dst []byte, r *flow.Record, w flow.Way) int {
	size, of := l.size(r, w)
	each := of.Type.Size()
	dst[0] = 255
	binary.BigEndian.PutUint16(dst[1:], uint16(size-3))
	dst[3] = ordered
	binary.BigEndian.PutUint16(dst[4:], of.ID|1<<15)
	binary.BigEndian.PutUint16(dst[6:], uint16(each))
	binary.BigEndian.PutUint32(dst[8:], l.pen)
	b := dst[listHead:]
	for _, v := range l.values(r, w) {
		for i := each - 1; i >= 0; i-- {
			b[i], v = byte(v), v>>8
		}
		b = b[each:]
	}
	return size
}

// sizeIn returns the octets of a column of variable length.
func (c *Column) sizeIn(r *flow.Record) int {
	if c.Form == List {
		size, _ := c.List.size(r, c.Way)
		return size
	}
	return StringSize(c.Text(r, c.Way))
}
