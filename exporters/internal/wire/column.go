// Package wire is what the exporters of IPFIX and NetFlow v9 share: columns
// and templates compiled from the information model, messages made of sets,
// and the splitting of a bidirectional record.
package wire

import (
	"encoding/binary"
	"math/bits"

	"flowmeter/meter/flow"
)

// VarLen is the length in a field specifier of a value that carries its own
// length (RFC 7011 §7).
const VarLen = 65535

// Form is how a value is written.
type Form uint8

const (
	Number  Form = iota // big-endian, in as many octets as the column has
	Octets              // as it stands
	Text                // with its length before it
	List                // basicList (RFC 6313), with its length before it
	Seconds             // since 1970; as all that follow, read as ns since 1970
	Millis              // since 1970
	Micros              // NTP, the low 11 bits of the fraction zero (RFC 7011 §6.1.9)
	Nanos               // NTP (RFC 7011 §6.1.10)
	Uptime              // ms since the boot that Put is given
)

// Column is one value of a data record.
type Column struct {
	ID   uint16 // type number, without the enterprise bit
	PEN  uint32 // enterprise number; 0 for IANA's
	Size uint16 // octets, or VarLen
	Form Form
	Way  flow.Way
	Key  bool // a flow key

	// The one of these that Form reads, as in flow.Field.
	Uint  func(*flow.Record, flow.Way) uint64
	Bytes func(*flow.Record, flow.Way) []byte
	Text  func(*flow.Record, flow.Way) string
	List  ListOf

	stand int     // octets that the value has in a flow.Record; 0 if it is computed
	from  uintptr // where it stands there
}

// formOf gives the form of each abstract data type; numbers and addresses
// are told apart by their getters.
var formOf = map[flow.Type]Form{
	flow.Seconds: Seconds, flow.Millis: Millis, flow.Micros: Micros, flow.Nanos: Nanos,
}

// NewColumn returns the column of a field in one direction, of records that have
// h, under the number id of its enterprise.
func NewColumn(f *flow.Field, w flow.Way, h flow.Has, id uint16, pen uint32) Column {
	c := Column{ID: id, PEN: pen, Size: uint16(f.Type.Size()), Way: w, Key: f.Key,
		Form: formOf[f.Type], Uint: f.Uint, Bytes: f.Bytes, Text: f.Text, List: ListOf{f.List, pen}}
	switch {
	case f.Bytes != nil:
		c.Form = Octets
	case f.Text != nil:
		c.Form, c.Size = Text, VarLen
	case f.List != nil:
		c.Form, c.Size = List, VarLen
	}
	c.from, c.stand = f.Offset(w, h)
	return c
}

// Compute has the column's number read by get, and not as its field is.
func (c *Column) Compute(get func(*flow.Record, flow.Way) uint64) {
	c.Uint, c.stand = get, 0
}

// specSize returns the octets of the field specifier.
func (c *Column) specSize() int {
	if c.PEN != 0 {
		return 8
	}
	return 4
}

// appendSpec writes the column's field specifier (RFC 7011 §3.2).
func (c *Column) appendSpec(dst []byte) []byte {
	id := c.ID
	if c.PEN != 0 {
		id |= 1 << 15
	}
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, c.Size)
	if c.PEN != 0 {
		dst = binary.BigEndian.AppendUint32(dst, c.PEN)
	}
	return dst
}

// ntpEpoch is 1970 in seconds since 1900.
const ntpEpoch = 2208988800

// NTP returns a time in ns since 1970 as dateTimeNanoseconds: seconds since
// 1900, modulo 2³² as they begin again in 2036, and a fraction of 2⁻³² s. The
// fraction is rounded up, so that a reader who cuts it to whole ns finds the
// same time.
func NTP(ns int64) uint64 {
	return uint64(uint32(ns/1e9+ntpEpoch))<<32 | fraction(uint64(ns%1e9), 1e9, 1)
}

// NTPMicros returns a time in ns since 1970 as dateTimeMicroseconds.
func NTPMicros(ns int64) uint64 {
	return uint64(uint32(ns/1e9+ntpEpoch))<<32 | fraction(uint64(ns%1e9/1000), 1e6, 1<<11)
}

// fraction returns n/d as a multiple of step in units of 2⁻³², rounded up.
func fraction(n, d, step uint64) uint64 {
	hi, lo := bits.Mul64(n, 1<<32)
	q, _ := bits.Div64(hi, lo+d*step-1, d*step)
	return q * step
}

// StringSize returns what PutString needs for s.
func StringSize(s string) int {
	if len(s) < 255 {
		return 1 + len(s)
	}
	return 3 + len(s)
}

// PutString writes s with its length before it (RFC 7011 §7) and returns the
// octets used.
func PutString(dst []byte, s string) int {
	if len(s) < 255 {
		dst[0] = byte(len(s))
		return 1 + copy(dst[1:], s)
	}
	dst[0] = 255
	binary.BigEndian.PutUint16(dst[1:], uint16(len(s)))
	return 3 + copy(dst[3:], s)
}

// AppendString is PutString appended to dst.
func AppendString(dst []byte, s string) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, StringSize(s))...)
	PutString(dst[at:], s)
	return dst
}

// AppendTime appends a time in ns since 1970 in one of the forms of times but
// Uptime.
func AppendTime(dst []byte, ns int64, form Form) []byte {
	switch form {
	case Seconds:
		return binary.BigEndian.AppendUint32(dst, uint32(ns/1e9))
	case Micros:
		return binary.BigEndian.AppendUint64(dst, NTPMicros(ns))
	case Nanos:
		return binary.BigEndian.AppendUint64(dst, NTP(ns))
	}
	return binary.BigEndian.AppendUint64(dst, uint64(ns/1e6))
}
