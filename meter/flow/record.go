// Package flow keeps the flow table of a rule set: it finds each packet's
// flow, counts it in the right direction, ends flows by their timeouts and
// hands them on as Records. It also holds the information model, the one
// table of fields that every exporter is driven by.
package flow

import (
	"sync/atomic"

	"flowmeter/rules"
)

// Way is a direction within a bidirectional flow.
type Way uint8

const (
	Forward Way = iota // from the flow's source to its destination
	Reverse            // from its destination to its source
)

// EndReason says why a record was released; numbered as flowEndReason (IE 136).
type EndReason uint8

const (
	EndIdle       EndReason = 1 // no packet for the idle timeout
	EndActive     EndReason = 2 // the piece reached the active timeout
	EndDetected   EndReason = 3 // TCP FIN both ways, or RST
	EndForced     EndReason = 4 // the meter stopped, or its clock was set back
	EndResources  EndReason = 5 // it made room for another flow
	NumEndReasons           = 6
)

var endReasonNames = [NumEndReasons]string{"none", "idle", "active", "end", "forced", "resources"}

// String returns idle, active, end, forced or resources.
func (r EndReason) String() string { return endReasonNames[r] }

// Counters is what one direction of a flow carried within one piece.
type Counters struct {
	Octets       uint64 // IP headers and payload
	Packets      uint64
	Layer2Octets uint64 // whole frames as on the wire
	TotalOctets  uint64 // over all pieces up to and with this one
	TotalPackets uint64
	First, Last  int64  // packet times in ns since 1970; valid if Packets > 0
	MinLen       uint32 // smallest IP total length; valid if Packets > 0
	MaxLen       uint32 // largest IP total length
	TCPFlags     uint16 // OR of all packets
	ICMP         uint16 // type<<8 | code of this direction's first packet of the flow
	MinTTL       uint8
	MaxTTL       uint8
	TClass       uint8 // type of service or traffic class of the first packet of the flow
}

// Has is a set of what a Record holds; each Field names what it needs.
type Has uint64

const (
	HasSrcV4 Has = 1 << iota // whole source address, IPv4
	HasDstV4
	HasSrcV6
	HasDstV6
	HasSrcV4Prefix // masked source address, IPv4
	HasDstV4Prefix
	HasSrcV6Prefix
	HasDstV6Prefix
	HasSrcPort
	HasDstPort
	HasProto
	HasVersion
	HasICMP4 // Counters.ICMP of ICMP
	HasICMP6 // Counters.ICMP of ICMPv6
	HasTCP   // Counters.TCPFlags
	HasIP    // IP packets: lengths, TTLs, TClass
	HasSrcMAC
	HasDstMAC
	HasEtherType
	HasVLAN
	HasVLAN2
	HasMPLS
	HasFlowLabel
	HasIface
	HasClass // the flow's home class, or that of set:
	HasSrcClass
	HasDstClass
	HasKind // FlowKind of set:
	HasSrcKind
	HasDstKind
	HasEvidence
	HasForward // Count[Forward].Packets > 0
	HasReverse // Count[Reverse].Packets > 0
	HasWide    // a delta count of more than 32 bits
	HasSelector
	HasVLANPrio
	HasDSCP // what follows is in the key
	HasFragment
	HasLength
	HasMSS
	HasWindowScale
	HasSACK
	HasExtensions
	HasHour
	HasWeekday
	HasTunnelID
	HasPacketSize // distributions, in the order of rules.Quantity
	HasInterArrival
	HasTurnaround
	HasBitRate
	HasPacketRate

	HasMeasured = HasPacketSize | HasInterArrival | HasTurnaround | HasBitRate | HasPacketRate
)

// RuleSet is what a Record knows of the rule set that made it. Its Records
// share it; it is never changed.
type RuleSet struct {
	Name  string
	Index int                 // position in the configuration, from 0
	Named func(uint16) string // name of a class or kind from 256; "" if none

	Distributions *rules.Distributions // what it measures; nil for nothing

	// Selector is how the packets were chosen; nil if none was passed over, and
	// none of any other input whose records go the same way.
	Selector *Selector
}

// Record is one bidirectional flow, or one piece of a long one.
type Record struct {
	RuleSet *RuleSet
	Has     Has
	FlowID  uint64 // from key and start time; the same for all pieces
	Start   int64  // first packet of the first piece, ns since 1970
	End     int64  // decided-end time on the trace clock, ns: what records are ordered by
	Count   [2]Counters

	// Key holds what the rules saved, source to destination. The link fields
	// that it did not save are in First.
	Key   rules.Key
	First FirstPacket

	Piece     uint32 // from 0
	EndReason EndReason
	Class     rules.Class // home class of the forward direction
	Evidence  rules.Evidence
	Biflow    uint8 // biflowDirection (IE 239): 0 arbitrary, 1 initiator, 3 perimeter

	Measured *Measured // distributions, of those that Has names
}

// FirstPacket holds link and header fields of the packet that made the flow,
// seen from the flow's source to its destination.
type FirstPacket struct {
	SrcMAC, DstMAC [6]byte
	EtherType      uint16
	VLAN, VLAN2    uint16 // TCI: priority, DEI and identifier
	MPLS           uint32 // top label
	FlowLabel      uint32
	Iface          uint32 // interface number, from 1
}

// FlowStart returns the time of the piece's first packet in either direction.
func (r *Record) FlowStart() int64 {
	f, v := &r.Count[Forward], &r.Count[Reverse]
	if v.Packets == 0 || f.Packets > 0 && f.First <= v.First {
		return f.First
	}
	return v.First
}

// FlowEnd returns the time of the piece's last packet in either direction.
func (r *Record) FlowEnd() int64 {
	f, v := &r.Count[Forward], &r.Count[Reverse]
	if v.Packets == 0 || f.Packets > 0 && f.Last >= v.Last {
		return f.Last
	}
	return v.Last
}

// Interface is an interface that packets were read from.
type Interface struct {
	Index uint32 // ingressInterface (IE 10), from 1
	Name  string
}

// Statistics is the meter's account of itself, for options records
// (RFC 7011 §4). Counts are totals since the start.
type Statistics struct {
	Clock          int64 // trace clock, ns since 1970
	Packets        uint64
	Octets         uint64
	IgnoredPackets uint64 // read, but in no flow of any rule set
	IgnoredOctets  uint64
	FirstIgnored   int64 // time of the first and last such packet, ns; valid if IgnoredPackets > 0
	LastIgnored    int64
	Interfaces     []Interface
}

// Batch is a run of Records in the order of their release. Several exporters
// share one; the last one's Release gives it back.
type Batch struct {
	Records []Record
	Clock   int64       // trace clock at release, ns since 1970: export time
	Stats   *Statistics // the meter's account as of Clock; nil in most batches
	Final   bool        // the last batch of the run
	Patient bool        // may wait for an exporter that goes on, rather than be dropped

	refs    atomic.Int32
	Recycle func(*Batch) // called by the last Release; may be nil
}

// Retain adds n holders.
func (b *Batch) Retain(n int32) { b.refs.Add(n) }

// Release drops one holder; the last one's call recycles the batch.
func (b *Batch) Release() {
	if b.refs.Add(-1) == 0 && b.Recycle != nil {
		b.Recycle(b)
	}
}
