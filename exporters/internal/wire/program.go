package wire

import (
	"encoding/binary"

	"flowmeter/meter/flow"
)

// op is one step of writing a data record: a Column made ready for the loop
// that runs a million times.
type op struct {
	kind  kind
	way   flow.Way
	at    uint16 // where the value stands if all strings are empty
	uint  func(*flow.Record, flow.Way) uint64
	bytes func(*flow.Record, flow.Way) []byte
	text  func(*flow.Record, flow.Way) string
	list  ListOf
}

// kind is a form and a size in one, so that one jump finds the code.
type kind uint8

const (
	number1 kind = iota
	number2
	number4
	number8
	millis8
	octets4
	octets6
	octets16
	text
	list
	seconds4
	micros8
	nanos8
	uptime4
)

var kinds = map[Form]map[uint16]kind{
	Number:  {1: number1, 2: number2, 4: number4, 8: number8},
	Octets:  {4: octets4, 6: octets6, 16: octets16},
	Text:    {VarLen: text},
	List:    {VarLen: list},
	Seconds: {4: seconds4},
	Millis:  {8: millis8},
	Micros:  {8: micros8},
	Nanos:   {8: nanos8},
	Uptime:  {4: uptime4},
}

// compile turns columns into a program.
func compile(cols []Column) []op {
	var ops []op
	at := 0
	for i := range cols {
		c := &cols[i]
		ops = append(ops, op{kinds[c.Form][c.Size], c.Way, uint16(at), c.Uint, c.Bytes, c.Text, c.List})
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
	for i := range t.program {
		o := &t.program[i]
		b := dst[o.at:]
		switch o.kind {
		case number1:
			b[0] = byte(o.uint(r, o.way))
		case number2:
			binary.BigEndian.PutUint16(b, uint16(o.uint(r, o.way)))
		case number4:
			binary.BigEndian.PutUint32(b, uint32(o.uint(r, o.way)))
		case number8:
			binary.BigEndian.PutUint64(b, o.uint(r, o.way))
		case millis8:
			binary.BigEndian.PutUint64(b, o.uint(r, o.way)/1e6)
		case octets4:
			*(*[4]byte)(b) = [4]byte(o.bytes(r, o.way))
		case octets6:
			*(*[6]byte)(b) = [6]byte(o.bytes(r, o.way))
		case octets16:
			*(*[16]byte)(b) = [16]byte(o.bytes(r, o.way))
		case text:
			dst = dst[PutString(b, o.text(r, o.way))-1:]
		case list:
			dst = dst[o.list.put(b, r, o.way)-1:]
		default:
			o.putTime(b, r, boot)
		}
	}
}

// putTime writes the forms of times that are rarely asked for.
func (o *op) putTime(b []byte, r *flow.Record, boot int64) {
	ns := int64(o.uint(r, o.way))
	switch o.kind {
	case seconds4:
		binary.BigEndian.PutUint32(b, uint32(ns/1e9))
	case micros8:
		binary.BigEndian.PutUint64(b, NTPMicros(ns))
	case nanos8:
		binary.BigEndian.PutUint64(b, NTP(ns))
	case uptime4:
		binary.BigEndian.PutUint32(b, uint32(ns/1e6-boot))
	}
}
