package capture

import "encoding/binary"

// ERF has no magic number: erfSure plausible records in a row are taken for
// it. A shorter trace must end with a record or, if it is cut off, have
// erfFew before that.
const (
	erfSure = 8
	erfFew  = 3
)

// looksERF tells whether data begins like an ERF trace. If it cannot tell,
// need is how many octets it wants to see; it is 0 if the answer is no.
func looksERF(data []byte, ended bool) (yes bool, need int) {
	off, whole := 0, 0
	var last int64
	for whole < erfSure {
		rest := data[off:]
		if len(rest) < erfHeader {
			return ended && (whole >= erfFew || whole > 0 && len(rest) == 0), off + erfHeader
		}
		if !plausibleERF(rest, whole == 0) {
			return false, 0
		}
		if rest[8]&0x7f != erfPad {
			sec := int64(binary.LittleEndian.Uint32(rest[4:]))
			if last != 0 && !plausibleStep(last, sec) {
				return false, 0
			}
			last = sec
		}
		size := int(binary.BigEndian.Uint16(rest[10:]))
		if len(rest) < size {
			return ended && whole >= erfFew, off + size
		}
		off += size
		whole++
	}
	return true, 0
}

// plausibleERF tells whether rest may begin with a record: a known type, a
// length that its headers fit in, and a time after 1970. Padding has no time
// and does not come first.
func plausibleERF(rest []byte, first bool) bool {
	number := rest[8] & 0x7f
	size := int(binary.BigEndian.Uint16(rest[10:]))
	if erfTypes[number] == (erfType{}) || size < erfHeader {
		return false
	}
	if number == erfPad {
		return !first
	}
	sec := binary.LittleEndian.Uint32(rest[4:])
	if sec == 0 || size == erfHeader {
		return false
	}
	return len(rest) < size || erfExtensions(rest[:size])+erfTypes[number].skip <= size
}

// plausibleStep tells whether a record may follow another: ports of a card
// are merged within a second, and a pause is shorter than a year.
func plausibleStep(from, to int64) bool {
	return to >= from-1 && to-from <= 366*86400
}
