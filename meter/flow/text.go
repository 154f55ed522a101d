package flow

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendText appends the field's text form, without quotes: what CSV shows in
// a cell and JSON as a number or between quotes.
func (f *Field) AppendText(dst []byte, r *Record, w Way) []byte {
	switch {
	case f.Show != nil:
		return f.Show(dst, r, w)
	case f.Text != nil:
		return append(dst, f.Text(r, w)...)
	case f.Bytes != nil:
		return AppendAddress(dst, f.Bytes(r, w))
	}
	if p, isTime := PrecisionOf(f.Type); isTime {
		return AppendTime(dst, int64(f.Uint(r, w)), p)
	}
	return strconv.AppendUint(dst, f.Uint(r, w), 10)
}

// AddressText writes 4 or 16 octets as an IP address (RFC 5952) and 6 octets
// as a MAC address in colon hex (RFC 7373 §4.7).
func AddressText(b []byte) string { return string(AppendAddress(nil, b)) }

// AppendAddress is AddressText appended to dst.
func AppendAddress(dst, b []byte) []byte {
	if len(b) == 6 {
		for i := range b {
			if i > 0 {
				dst = append(dst, ':')
			}
			dst = hex.AppendEncode(dst, b[i:i+1])
		}
		return dst
	}
	a, _ := netip.AddrFromSlice(b)
	return a.AppendTo(dst)
}

// fractions says how the second's fraction is cut and how many digits it has.
var fractions = [...]struct{ unit, digits int }{
	ToMillis: {1e6, 3}, ToSeconds: {1e9, 0}, ToMicros: {1e3, 6}, ToNanos: {1, 9},
}

// AppendTime writes a time in ns since 1970 as RFC 3339 UTC. It does what
// time.Time.AppendFormat does, in less than half the time: times are a large part of
// the cost of a line of JSON.
func AppendTime(dst []byte, ns int64, p Precision) []byte {
	t := time.Unix(0, ns).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10))
	dst = append2(dst, '-', int(month))
	dst = append2(dst, '-', day)
	dst = append2(dst, 'T', hour)
	dst = append2(dst, ':', minute)
	dst = append2(dst, ':', second)
	if f := fractions[p]; f.digits > 0 {
		dst = appendDigits(append(dst, '.'), t.Nanosecond()/f.unit, f.digits)
	}
	return append(dst, 'Z')
}

// append2 appends a separator and two decimal digits.
func append2(dst []byte, sep byte, v int) []byte {
	return append(dst, sep, byte('0'+v/10), byte('0'+v%10))
}

// appendDigits appends the last n decimal digits of v, n up to 9.
func appendDigits(dst []byte, v, n int) []byte {
	dst = append(dst, "000000000"[:n]...)
	for i := len(dst) - 1; v > 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// TimeNames returns the names of the fields of a flow's start and end at a
// precision.
func TimeNames(p Precision) (start, end string) {
	return "flowStart" + timeFields[p].suffix, "flowEnd" + timeFields[p].suffix
}

// PrecisionOf returns the precision that a time Type is shown with.
func PrecisionOf(t Type) (p Precision, isTime bool) {
	for i := range timeFields {
		if timeFields[i].typ == t {
			return Precision(i), true
		}
	}
	return 0, false
}

const hexDigits = "0123456789abcdef"

// appendHex16 appends v as 16 hex digits.
func appendHex16(dst []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[v>>shift&15])
	}
	return dst
}

// AppendJSONString appends s as a JSON string, quotes included (RFC 8259 §7).
// Octets that are no UTF-8 become U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			dst = appendJSONByte(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return append(dst, '"')
}

func appendJSONByte(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c < 0x20 || c == 0x7f:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, c)
}
