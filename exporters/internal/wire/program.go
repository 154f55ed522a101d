package wire

import (
	"encoding/binary"

	"flowmeter/meter/flow"
)

// op is one step of writing a data record: a Column made ready for the loop
// that runs a million times.
type op struct {
	at    uint16 // where the value stands if all strings are empty
	way   flow.Way
	uint  func(*flow.Record, flow.Way) uint64
	bytes func(*flow.Record, flow.Way) []byte
	text  func(*flow.Record, flow.Way) string
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
	seconds4
	micros8
	nanos8
	uptime4
)

var kinds = map[Form]map[uint16]kind{
	Number:  {1: number1, 2: number2, 4: number4, 8: number8},
	Octets:  {4: octets4, 6: octets6, 16: octets16},
	Text:    {VarLen: text},
	Seconds: {4: seconds4},
	Millis:  {8: millis8},
	Micros:  {8: micros8},
	Nanos:   {8: nanos8},
	Uptime:  {4: uptime4},
}

// run is consecutive steps of one kind: one jump for all of them.
type run struct {
	kind kind
	ops  []op
}

// compile turns columns into a program.
func compile(cols []Column) []run {
	var runs []run
	at := 0
	for i := range cols {
		c := &cols[i]
		k := kinds[c.Form][c.Size]
		if len(runs) == 0 || runs[len(runs)-1].kind != k {
			runs = append(runs, run{kind: k})
		}
		last := &runs[len(runs)-1]
		last.ops = append(last.ops, op{uint16(at), c.Way, c.Uint, c.Bytes, c.Text})
		if c.Form == Text {
			at++
		} else {
			at += int(c.Size)
		}
	}
	return runs
}

// Put writes r, which dst has room for. Columns of form Uptime count from
// boot, in ms since 1970.
func (t *Template) Put(dst []byte, r *flow.Record, boot int64) {
	for i := range t.program {
		ops := t.program[i].ops
		switch t.program[i].kind {
		case number1:
			for j := range ops {
				dst[ops[j].at] = byte(ops[j].uint(r, ops[j].way))
			}
		case number2:
			for j := range ops {
				binary.BigEndian.PutUint16(dst[ops[j].at:], uint16(ops[j].uint(r, ops[j].way)))
			}
		case number4:
			for j := range ops {
				binary.BigEndian.PutUint32(dst[ops[j].at:], uint32(ops[j].uint(r, ops[j].way)))
			}
		case number8:
			for j := range ops {
				binary.BigEndian.PutUint64(dst[ops[j].at:], ops[j].uint(r, ops[j].way))
			}
		case millis8:
			for j := range ops {
				binary.BigEndian.PutUint64(dst[ops[j].at:], ops[j].uint(r, ops[j].way)/1e6)
			}
		case octets4:
			for j := range ops {
				*(*[4]byte)(dst[ops[j].at:]) = [4]byte(ops[j].bytes(r, ops[j].way))
			}
		case octets6:
			for j := range ops {
				*(*[6]byte)(dst[ops[j].at:]) = [6]byte(ops[j].bytes(r, ops[j].way))
			}
		case octets16:
			for j := range ops {
				*(*[16]byte)(dst[ops[j].at:]) = [16]byte(ops[j].bytes(r, ops[j].way))
			}
		case text:
			for j := range ops {
				dst = dst[PutString(dst[ops[j].at:], ops[j].text(r, ops[j].way))-1:]
			}
		default:
			putTimes(dst, t.program[i], r, boot)
		}
	}
}

// putTimes writes the forms of times that are rarely asked for.
func putTimes(dst []byte, p run, r *flow.Record, boot int64) {
	for j := range p.ops {
		o := &p.ops[j]
		b, ns := dst[o.at:], int64(o.uint(r, o.way))
		switch p.kind {
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
}
