package wire

import (
	"encoding/binary"
	"unsafe"

	"flowmeter/meter/flow"
)

// op is one step of writing a data record: a Column made ready for the loop
// that runs a million times.
type op struct {
	kind kind
	at   uint16 // where the value stands in the data record, if all strings are empty
	from uint16 // where it stands in the flow.Record, if it is not computed
	col  uint16 // of the template
}

// kind says in one what is done with a value: where it comes from, and its form
// and size, so that one jump finds the code.
type kind uint8

const (
	computed kind = iota // by the Column's function
	copy1                // a number as the flow.Record has it, in so many octets
	copy2
	copy4
	copy8
	narrow8to4 // a number of eight octets in four
	millis8    // a time, in milliseconds
	octets4    // as it stands
	octets6
	octets16
)

// source is how a value stands in a flow.Record and is written.
type source struct {
	form  Form
	stand int    // octets in the flow.Record
	size  uint16 // octets in the data record
}

var kinds = map[source]kind{
	{Number, 1, 1}: copy1, {Number, 2, 2}: copy2, {Number, 4, 4}: copy4, {Number, 8, 8}: copy8,
	{Number, 8, 4}: narrow8to4, {Millis, 8, 8}: millis8,
	{Octets, 4, 4}: octets4, {Octets, 6, 6}: octets6, {Octets, 16, 16}: octets16,
}

// compile turns columns into a program.
func compile(cols []Column) []op {
	var ops []op
	at := 0
	for i := range cols {
		c := &cols[i]
		ops = append(ops, op{kinds[source{c.Form, c.stand, c.Size}], uint16(at), uint16(c.from), uint16(i)})
		if c.Size == VarLen {
			at++
		} else {
			at += int(c.Size)
		}
	}
	return ops
}

// Put writes r, which dst has room for. Columns of form Uptime count from
// boot, in ms since 1970.
func (t *Template) Put(dst []byte, r *flow.Record, boot int64) {
	for _, o := range t.program {
		b := dst[o.at:]
		v := unsafe.Add(unsafe.Pointer(r), o.from)
		switch o.kind {
		case copy1:
			b[0] = *(*byte)(v)
		case copy2:
			binary.BigEndian.PutUint16(b, *(*uint16)(v))
		case copy4:
			binary.BigEndian.PutUint32(b, *(*uint32)(v))
		case copy8:
			binary.BigEndian.PutUint64(b, *(*uint64)(v))
		case narrow8to4:
			binary.BigEndian.PutUint32(b, uint32(*(*uint64)(v)))
		case millis8:
			binary.BigEndian.PutUint64(b, *(*uint64)(v)/1e6)
		case octets4:
			*(*[4]byte)(b) = *(*[4]byte)(v)
		case octets6:
			*(*[6]byte)(b) = *(*[6]byte)(v)
		case octets16:
			*(*[16]byte)(b) = *(*[16]byte)(v)
		case computed:
			dst = dst[t.cols[o.col].put(b, r, boot):]
		}
	}
}

// put writes the column's value and returns by how many octets all that
// follows stands further behind than if it were empty.
func (c *Column) put(b []byte, r *flow.Record, boot int64) int {
	switch c.Form {
	case Number:
		putNumber(b, c.Uint(r, c.Way), c.Size)
	case Octets:
		copy(b, c.Bytes(r, c.Way))
	case Text:
		return PutString(b, c.Text(r, c.Way)) - 1
	case List:
		return c.List.put(b, r, c.Way) - 1
	default:
		c.putTime(b, int64(c.Uint(r, c.Way)), boot)
	}
	return 0
}

func putNumber(b []byte, n uint64, size uint16) {
	switch size {
	case 1:
		b[0] = byte(n)
	case 2:
		binary.BigEndian.PutUint16(b, uint16(n))
	case 4:
		binary.BigEndian.PutUint32(b, uint32(n))
	default:
		binary.BigEndian.PutUint64(b, n)
	}
}

func (c *Column) putTime(b []byte, ns, boot int64) {
	switch c.Form {
	case Seconds:
		binary.BigEndian.PutUint32(b, uint32(ns/1e9))
	case Millis:
		binary.BigEndian.PutUint64(b, uint64(ns)/1e6)
	case Micros:
		binary.BigEndian.PutUint64(b, NTPMicros(ns))
	case Nanos:
		binary.BigEndian.PutUint64(b, NTP(ns))
	case Uptime:
		binary.BigEndian.PutUint32(b, uint32(ns/1e6-boot))
	}
}
