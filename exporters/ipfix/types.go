package ipfix

import (
	"encoding/binary"
	"math"

	"flowmeter/exporters/internal/wire"
	"flowmeter/meter/flow"
)

// descriptions of the meter's own fields, for their type records. A field
// that is not here goes without.
var descriptions = map[string]string{
	"ruleSetId":              "rule set that made the record, numbered from 1",
	"pieceNumber":            "piece of a flow exported in several, from 0",
	"flowClass":              "1 in, 2 out, 3 internal, 4 transit, as seen from the home networks; or set by rules",
	"directionEvidence":      "why the source is the source: 1 syn, 2 synack, 3 icmp, 4 rule, 5 perimeter, 6 first packet",
	"flowKind":               "kind of flow, set by rules",
	"sourceKind":             "kind of source, set by rules",
	"destinationKind":        "kind of destination, set by rules",
	"sourceClass":            "class of source, set by rules",
	"destinationClass":       "class of destination, set by rules",
	"mplsTopLabel":           "top MPLS label, 20 bits",
	"fragment":               "1 if the packets are parts of fragmented ones",
	"tcpMaximumSegmentSize":  "MSS option of TCP, octets",
	"tcpSackPermitted":       "1 if the TCP option that permits SACK is there",
	"ipv6ExtensionHeaderSet": "IPv6 extension headers, from the lowest bit: 0, 43, 44, 51, 60, 135, 139, 140",
	"hourOfDay":              "hour of the packets, UTC",
	"dayOfWeek":              "day of the packets, UTC: 1 is Monday",
	"tunnelIdentifier":       "number in a tunnel's header: GRE key, VNI, TEID, session",

	"bucketValue8":  "bound or count of a distribution",
	"bucketValue16": "bound or count of a distribution",
	"bucketValue32": "bound or count of a distribution",
	"bucketValue64": "bound or count of a distribution",

	"packetSizeBounds":              "buckets of packetSizeCounts: octets, IP header and payload",
	"packetSizeCounts":              "packets by size; the last count is of those above all bounds",
	"reversePacketSizeCounts":       "the same from destination to source",
	"interArrivalTimeBounds":        "buckets of interArrivalTimeCounts: microseconds",
	"interArrivalTimeCounts":        "times from packet to packet in the same direction",
	"reverseInterArrivalTimeCounts": "the same from destination to source",
	"turnaroundTimeBounds":          "buckets of turnaroundTimeCounts: microseconds",
	"turnaroundTimeCounts":          "times that the source took: from a packet to it to the next from it",
	"reverseTurnaroundTimeCounts":   "times that the destination took",
	"bitRateBounds":                 "buckets of bitRateCounts: bits per second",
	"bitRateCounts":                 "windows of time by bit rate",
	"reverseBitRateCounts":          "the same from destination to source",
	"packetRateBounds":              "buckets of packetRateCounts: packets per second",
	"packetRateCounts":              "windows of time by packet rate",
	"reversePacketRateCounts":       "the same from destination to source",
}

// largest value of each unsigned type.
var largest = map[flow.Type]uint64{
	flow.Unsigned8: math.MaxUint8, flow.Unsigned16: math.MaxUint16,
	flow.Unsigned32: math.MaxUint32, flow.Unsigned64: math.MaxUint64,
}

// typeRecords returns the Information Element Type records (RFC 5610 §3.9) of
// the private fields that are exported; of those that are lists, and what they
// are of, apart.
func typeRecords(c *Config) (plain, lists [][]byte) {
	add := func(recs [][]byte, id uint16, name string, f *flow.Field) [][]byte {
		rec := binary.BigEndian.AppendUint32(nil, c.Enterprise)
		rec = binary.BigEndian.AppendUint16(rec, id)
		rec = append(rec, byte(f.Type), byte(f.Semantics))
		rec = binary.BigEndian.AppendUint16(rec, uint16(f.Units))
		rec = binary.BigEndian.AppendUint64(rec, 0)
		rec = binary.BigEndian.AppendUint64(rec, largest[f.Type])
		rec = wire.AppendString(rec, name)
		return append(recs, wire.AppendString(rec, descriptions[name]))
	}
	for _, f := range flow.Elements() {
		lists = add(lists, f.ID, f.Name, &f)
	}
	for _, f := range c.selected() {
		switch {
		case f.List != nil:
			lists = add(lists, f.ID, f.Name, &f)
			if f.ReverseID != 0 {
				lists = add(lists, f.ReverseID, f.ReverseName(), &f)
			}
		case f.Private:
			plain = add(plain, f.ID, f.Name, &f)
		}
	}
	return plain, lists
}
