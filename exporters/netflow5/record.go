package netflow5

import (
	"encoding/binary"
	"math"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

const (
	headerSize = 24
	recordSize = 48
)

// putRecord writes the forward direction of r, all but its counts. Times are
// told in ms since boot, which is in ms since 1970.
func putRecord(b []byte, r *flow.Record, boot int64) {
	clear(b[:recordSize])
	c := &r.Count[flow.Forward]
	putEnd(b, 0, 44, &r.Key.Src, r.Has&(flow.HasSrcV4|flow.HasSrcV4Prefix), r.Has&flow.HasSrcV4Prefix)
	putEnd(b, 4, 45, &r.Key.Dst, r.Has&(flow.HasDstV4|flow.HasDstV4Prefix), r.Has&flow.HasDstV4Prefix)
	if r.Has&flow.HasIface != 0 && r.First.Iface <= math.MaxUint16 {
		binary.BigEndian.PutUint16(b[12:], uint16(r.First.Iface))
	}
	binary.BigEndian.PutUint32(b[24:], uint32(c.First/1e6-boot))
	binary.BigEndian.PutUint32(b[28:], uint32(c.Last/1e6-boot))
	putPorts(b[32:], r)
	b[37] = byte(c.TCPFlags)
	b[38] = r.Key.Proto
	b[39] = c.TClass
}

// putEnd writes an address, and the length of a prefix.
func putEnd(b []byte, at, maskAt int, e *rules.End, has, prefix flow.Has) {
	if has != 0 {
		copy(b[at:at+4], e.Addr[12:])
	}
	if prefix != 0 {
		b[maskAt] = e.AddrLen
	}
}

// putPorts writes the ports; of ICMP, type and code stand as the destination's.
func putPorts(b []byte, r *flow.Record) {
	if r.Has&flow.HasICMP4 != 0 && r.Has&(flow.HasSrcPort|flow.HasDstPort) == 0 {
		binary.BigEndian.PutUint16(b[2:], r.Count[flow.Forward].ICMP)
		return
	}
	binary.BigEndian.PutUint16(b, r.Key.Src.Port)
	binary.BigEndian.PutUint16(b[2:], r.Key.Dst.Port)
}

// putCounts writes the counts of one part.
func putCounts(b []byte, packets, octets uint32) {
	binary.BigEndian.PutUint32(b[16:], packets)
	binary.BigEndian.PutUint32(b[20:], octets)
}

// parts returns into how many records counts are to be split so that each
// fits into 32 bits.
func parts(packets, octets uint64) uint64 {
	const most = math.MaxUint32
	return max(1, ceil(packets, most), ceil(octets, most))
}

func ceil(n, d uint64) uint64 {
	q := n / d
	if n%d != 0 {
		q++
	}
	return q
}

// share returns the i-th of n nearly equal parts whose sum is total. Where
// there are fewer packets than parts, which takes packets of more than 4 GiB,
// the last parts have none: the sums are exact all the same.
func share(total, i, n uint64) uint32 {
	part := total / n
	if i < total%n {
		part++
	}
	return uint32(part)
}
