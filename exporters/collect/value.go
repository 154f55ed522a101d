package collect

import (
	"encoding/binary"
	"encoding/hex"
	"math"

	"flowmeter/meter/flow"
)

// value reads a value of the given type (RFC 7011 §6). Octets that cannot be
// of that type, for their length or their content, are shown in hex, as are
// octet arrays.
func value(t flow.Type, b []byte) any {
	var v any
	switch {
	case t >= flow.Unsigned8 && t <= flow.Unsigned64:
		v = unsigned(b)
	case t >= signed8 && t <= signed64:
		v = signed(b)
	case t >= flow.Seconds && t <= flow.Nanos:
		v = timeText(t, b)
	default:
		v = other(t, b)
	}
	if v == nil {
		return hex.EncodeToString(b)
	}
	return v
}

// unsigned reads 1 to 8 octets: exporters may leave out leading zeros.
func unsigned(b []byte) any {
	if len(b) == 0 || len(b) > 8 {
		return nil
	}
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func signed(b []byte) any {
	u, ok := unsigned(b).(uint64)
	if !ok {
		return nil
	}
	shift := 64 - 8*len(b)
	return int64(u<<shift) >> shift
}

func other(t flow.Type, b []byte) any {
	switch {
	case t == flow.String:
		return string(b)
	case t == flow.IPv4 && len(b) == 4, t == flow.IPv6 && len(b) == 16, t == flow.MAC && len(b) == 6:
		return flow.AddressText(b)
	case t == float64bit && len(b) == 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	case (t == float64bit || t == float32bit) && len(b) == 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case t == boolean && len(b) == 1 && b[0] == 1:
		return true
	case t == boolean && len(b) == 1 && b[0] == 2:
		return false
	}
	return nil
}

// lastMilli is the last millisecond that a 64-bit count of ns reaches, in 2262.
const lastMilli = math.MaxInt64 / 1_000_000

// timeText writes a time as RFC 3339 with the digits of its type.
func timeText(t flow.Type, b []byte) any {
	p, _ := flow.PrecisionOf(t)
	switch {
	case t == flow.Seconds && len(b) == 4:
		return timeString(int64(binary.BigEndian.Uint32(b))*1e9, p)
	case t == flow.Millis && len(b) == 8 && binary.BigEndian.Uint64(b) <= lastMilli:
		return timeString(int64(binary.BigEndian.Uint64(b))*1e6, p)
	case t == flow.Micros && len(b) == 8:
		return timeString(fromNTP(binary.BigEndian.Uint64(b)&^0x7ff, 1e3), p) // RFC 7011 §6.1.9: 11 bits mean nothing
	case t == flow.Nanos && len(b) == 8:
		return timeString(fromNTP(binary.BigEndian.Uint64(b), 1), p)
	}
	return nil
}

func timeString(ns int64, p flow.Precision) string {
	return string(flow.AppendTime(nil, ns, p))
}

// ntpEpoch is 1970 in seconds since 1900.
const ntpEpoch = 2_208_988_800

// fromNTP returns an NTP timestamp as ns since 1970, rounded to unit ns: an
// exporter cuts its time to the 2^-32 s below. Times from 1900 to 1968 are
// taken for those of the era that begins in 2036 (RFC 5905 §6).
func fromNTP(ntp uint64, unit int64) int64 {
	seconds := int64(ntp>>32) - ntpEpoch
	if ntp>>63 == 0 {
		seconds += 1 << 32
	}
	perSecond := uint64(1e9 / unit)
	fraction := (ntp&0xffffffff*perSecond + 1<<31) >> 32
	return seconds*1e9 + int64(fraction)*unit
}
