package capture

import (
	"encoding/binary"
	"fmt"
)

// erf is Endace's Extensible Record Format: records of a header of 16 octets,
// extension headers, a header of the record's type, the octets captured and
// padding. There is no file header. The wire length is as recorded; for
// Ethernet that usually counts the frame check sequence.
type erf struct {
	ports  [4]int64 // interface index of each port of the card, or -1
	ifaces *interfaceList
}

const erfHeader = 16

func newERF(ifaces *interfaceList) *erf {
	return &erf{ports: [4]int64{-1, -1, -1, -1}, ifaces: ifaces}
}

// erfType is what we know of a record type; of an unknown one, zero.
type erfType struct {
	link uint16
	skip int // octets between the headers and the frame
}

// erfPad is the type of records that only fill space.
const erfPad = 48

// Link types of ERF records. The PoS types hold PPP or Cisco HDLC, which
// LINKTYPE_PPP_HDLC (50) both covers.
const (
	erfEthernet = 1
	erfHDLC     = 50
	erfIPv4     = 228
	erfIPv6     = 229
)

// erfTypes holds the record types by number, after Endace's "ERF types".
var erfTypes = [128]erfType{
	1:      {erfHDLC, 0},     // HDLC_POS
	2:      {erfEthernet, 2}, // ETH: an offset and a pad octet
	3:      {unknownLink, 0}, // ATM: a cell
	4:      {unknownLink, 0}, // AAL5
	5:      {erfHDLC, 4},     // MC_HDLC: a multichannel header
	6:      {unknownLink, 4}, // MC_RAW
	7:      {unknownLink, 4}, // MC_ATM
	8:      {unknownLink, 4}, // MC_RAW_CHANNEL
	9:      {unknownLink, 4}, // MC_AAL5
	10:     {erfHDLC, 0},     // COLOR_HDLC_POS
	11:     {erfEthernet, 2}, // COLOR_ETH
	12:     {unknownLink, 4}, // MC_AAL2
	13:     {unknownLink, 0}, // IP_COUNTER
	14:     {unknownLink, 0}, // TCP_FLOW_COUNTER
	15:     {erfHDLC, 0},     // DSM_COLOR_HDLC_POS
	16:     {erfEthernet, 2}, // DSM_COLOR_ETH
	17:     {erfHDLC, 4},     // COLOR_MC_HDLC_POS
	18:     {unknownLink, 4}, // AAL2
	19:     {erfHDLC, 0},     // COLOR_HASH_POS
	20:     {erfEthernet, 2}, // COLOR_HASH_ETH
	21:     {unknownLink, 0}, // INFINIBAND
	22:     {erfIPv4, 0},     // IPV4
	23:     {erfIPv6, 0},     // IPV6
	24:     {unknownLink, 0}, // RAW_LINK
	25:     {unknownLink, 0}, // INFINIBAND_LINK
	27:     {unknownLink, 0}, // META: provenance of the trace
	28:     {unknownLink, 0}, // OPA_SNC
	29:     {unknownLink, 0}, // OPA_9B
	erfPad: {unknownLink, 0},
}

func (e *erf) scan(data []byte, off int, frames []Frame) (scanned, error) {
	for len(frames) < cap(frames) {
		rest := data[off:]
		if len(rest) < erfHeader {
			return scanned{off, frames, erfHeader, "the record header"}, nil
		}
		size := int(binary.BigEndian.Uint16(rest[10:]))
		if size < erfHeader {
			return scanned{off: off, frames: frames}, fmt.Errorf("a record of %d octets, less than its header", size)
		}
		if len(rest) < size {
			return scanned{off, frames, size, "the record"}, nil
		}
		n := len(frames)
		f := &frames[:n+1][n]
		if err := e.frame(rest[:size], f); err != nil {
			return scanned{off: off, frames: frames}, err
		}
		if rest[8]&0x7f != erfPad {
			f.Off += uint32(off)
			frames = frames[:n+1]
		}
		off += size
	}
	return scanned{off: off, frames: frames}, nil
}

// frame reads one whole record into f, whose Off is from its beginning. A type
// that is not known is a frame that nobody can decode.
func (e *erf) frame(rec []byte, f *Frame) error {
	number := rec[8] & 0x7f
	if number == 0 {
		return fmt.Errorf("a record of type 0")
	}
	t := erfTypes[number]
	if t == (erfType{}) {
		t.link = unknownLink
	}
	start := erfExtensions(rec) + t.skip
	if start > len(rec) {
		return fmt.Errorf("a record of %d octets, less than its headers", len(rec))
	}
	wireLen := uint32(binary.BigEndian.Uint16(rec[14:]))
	*f = Frame{
		Time:    erfTime(rec),
		Off:     uint32(start),
		CapLen:  min(uint32(len(rec)-start), wireLen), // without the padding
		WireLen: wireLen,
		Iface:   e.port(rec[9]&3, t.link),
		Link:    t.link,
	}
	return nil
}

// erfExtensions returns where the extension headers of a record end: 8 octets
// each, the top bit of the first telling whether another one follows. It is
// beyond the record if they are.
func erfExtensions(rec []byte) int {
	end := erfHeader
	for more := rec[8]; more&0x80 != 0; end += 8 {
		if end >= len(rec) {
			return end + 8
		}
		more = rec[end]
	}
	return end
}

// erfTime converts the little-endian count of 2⁻³² seconds since 1970,
// rounded to nanoseconds.
func erfTime(rec []byte) int64 {
	t := binary.LittleEndian.Uint64(rec)
	return int64(t>>32)*second + int64(((t&0xffffffff)*second+1<<31)>>32)
}

// port returns the interface of a port of the card.
func (e *erf) port(n byte, link uint16) uint32 {
	if e.ports[n] < 0 {
		e.ports[n] = int64(e.ifaces.add(Interface{Link: link}))
	}
	return uint32(e.ports[n])
}
