package flow

import (
	"encoding/hex"
	"net/netip"
	"time"
)

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

// timeLayouts are RFC 3339 in UTC with the digits of each precision.
var timeLayouts = [...]string{
	ToMillis:  "2006-01-02T15:04:05.000Z",
	ToSeconds: "2006-01-02T15:04:05Z",
	ToMicros:  "2006-01-02T15:04:05.000000Z",
	ToNanos:   "2006-01-02T15:04:05.000000000Z",
}

// AppendTime writes a time in ns since 1970 as RFC 3339 UTC.
func AppendTime(dst []byte, ns int64, p Precision) []byte {
	return time.Unix(0, ns).UTC().AppendFormat(dst, timeLayouts[p])
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
