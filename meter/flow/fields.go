package flow

import (
	"strconv"

	"flowmeter/rules"
)

// Precision is that of the times that are exported.
type Precision uint8

const (
	ToMillis Precision = iota // flowStartMilliseconds, flowEndMilliseconds
	ToSeconds
	ToMicros
	ToNanos
)

// timeField names a flow time at one precision.
type timeField struct {
	suffix     string
	start, end uint16 // IPFIX numbers
	typ        Type
}

var timeFields = [...]timeField{
	ToMillis:  {"Milliseconds", 152, 153, Millis},
	ToSeconds: {"Seconds", 150, 151, Seconds},
	ToMicros:  {"Microseconds", 154, 155, Micros},
	ToNanos:   {"Nanoseconds", 156, 157, Nanos},
}

// Model returns the information model: every field that a Record can have, in
// the order in which text forms show them. Times have the given precision.
func Model(p Precision) []Field {
	var fields []Field
	for _, part := range [][]Field{
		identity(), times(timeFields[p]), endpoints(), icmp(), counters(),
		headers(), link(), keyed(), sampling(), verdicts(), computed(), measuredFields(),
	} {
		fields = append(fields, part...)
	}
	for i := range fields {
		fields[i].readPlace()
	}
	return fields
}

func identity() []Field {
	return []Field{
		{Name: "ruleset", Type: String, RTFM: "RuleSet",
			Text: func(r *Record, _ Way) string { return r.RuleSet.Name }},
		{Name: "ruleSetId", ID: 5, Private: true, Type: Unsigned16, Semantics: Identifier, RTFM: "RuleSet", Wire: true,
			Uint: func(r *Record, _ Way) uint64 { return uint64(r.RuleSet.Index) + 1 }},
		{Name: "flowId", ID: 148, Type: Unsigned64, Semantics: Identifier, RTFM: "FlowIndex",
			Place: func(r *Record, _ Way) Place { return placeOf(&r.FlowID) }, Quoted: true,
			Show: func(dst []byte, r *Record, _ Way) []byte { return appendHex16(dst, r.FlowID) }},
		{Name: "pieceNumber", ID: 3, Private: true, Type: Unsigned32, Semantics: Identifier,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.Piece) }},
	}
}

func times(t timeField) []Field {
	return []Field{
		{Name: "flowStart" + t.suffix, ID: t.start, Type: t.typ, RTFM: "FirstTime", V9: 22, TwoWay: true, Uint: first, Filled: true,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].First) }},
		{Name: "flowEnd" + t.suffix, ID: t.end, Type: t.typ, RTFM: "LastActiveTime", V9: 21, TwoWay: true, Uint: last, Filled: true,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].Last) }},
	}
}

// first is the time of a direction's first packet; where nothing went forward
// in this piece, that of the piece.
func first(r *Record, w Way) uint64 {
	if r.Count[w].Packets == 0 {
		return uint64(r.FlowStart())
	}
	return uint64(r.Count[w].First)
}

func last(r *Record, w Way) uint64 {
	if r.Count[w].Packets == 0 {
		return uint64(r.FlowEnd())
	}
	return uint64(r.Count[w].Last)
}

func endpoints() []Field {
	fields := []Field{
		{Name: "ipVersion", ID: 60, Type: Unsigned8, RTFM: "SourcePeerType", V9: 60, Key: true, Needs: HasVersion,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.Key.Version) }},
		{Name: "protocolIdentifier", ID: 4, Type: Unsigned8, Semantics: Identifier, RTFM: "SourceTransType", V9: 4, Key: true, Needs: HasProto,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.Key.Proto) }},
	}
	src := func(r *Record) *rules.End { return &r.Key.Src }
	dst := func(r *Record) *rules.End { return &r.Key.Dst }
	fields = append(fields,
		address("sourceIPv4Address", 8, IPv4, 8, HasSrcV4, src),
		address("destinationIPv4Address", 12, IPv4, 12, HasDstV4, dst),
		address("sourceIPv6Address", 27, IPv6, 27, HasSrcV6, src),
		address("destinationIPv6Address", 28, IPv6, 28, HasDstV6, dst))
	fields = append(fields, prefix("sourceIPv4Prefix", 44, 9, IPv4, 8, HasSrcV4Prefix, src)...)
	fields = append(fields, prefix("destinationIPv4Prefix", 45, 13, IPv4, 12, HasDstV4Prefix, dst)...)
	fields = append(fields, prefix("sourceIPv6Prefix", 170, 29, IPv6, 27, HasSrcV6Prefix, src)...)
	fields = append(fields, prefix("destinationIPv6Prefix", 169, 30, IPv6, 28, HasDstV6Prefix, dst)...)
	return append(fields,
		Field{Name: "sourceTransportPort", ID: 7, Type: Unsigned16, Semantics: Identifier, RTFM: "SourceTransAddress", V9: 7, Key: true, Needs: HasSrcPort,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.Key.Src.Port) }},
		Field{Name: "destinationTransportPort", ID: 11, Type: Unsigned16, Semantics: Identifier, RTFM: "DestTransAddress", V9: 11, Key: true, Needs: HasDstPort,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.Key.Dst.Port) }})
}

// rtfmPeer is the RFC 2722 name of an endpoint's network address.
func rtfmPeer(name string) string {
	if name[0] == 's' {
		return "SourcePeerAddress"
	}
	return "DestPeerAddress"
}

func addressBytes(e *rules.End, t Type) []byte {
	if t == IPv4 {
		return e.Addr[12:]
	}
	return e.Addr[:]
}

func address(name string, id uint16, t Type, v9 uint16, needs Has, end func(*Record) *rules.End) Field {
	return Field{Name: name, ID: id, Type: t, RTFM: rtfmPeer(name), V9: v9, Key: true, Needs: needs,
		Bytes: func(r *Record, _ Way) []byte { return addressBytes(end(r), t) }}
}

// prefix is a masked address and its length: one field in text, two on the
// wire. NetFlow v9 has the address of a prefix as an address (types 8, 12, 27
// and 28) beside its mask length.
func prefix(name string, id, lenID uint16, t Type, v9 uint16, needs Has, end func(*Record) *rules.End) []Field {
	length := func(r *Record, _ Way) uint64 { return uint64(end(r).AddrLen) }
	return []Field{
		{Name: name, ID: id, Type: t, RTFM: rtfmPeer(name), V9: v9, Key: true, Needs: needs, Quoted: true,
			Bytes: func(r *Record, _ Way) []byte { return addressBytes(end(r), t) },
			Show: func(dst []byte, r *Record, _ Way) []byte {
				dst = append(AppendAddress(dst, addressBytes(end(r), t)), '/')
				return strconv.AppendUint(dst, uint64(end(r).AddrLen), 10)
			}},
		{Name: name + "Length", ID: lenID, Type: Unsigned8, V9: lenID, Key: true, Needs: needs, Wire: true, Uint: length},
	}
}

func icmp() []Field {
	code := func(r *Record, w Way) Place { return placeOf(&r.Count[w].ICMP) }
	return []Field{
		{Name: "icmpTypeCodeIPv4", ID: 32, Type: Unsigned16, Semantics: Identifier, V9: 32, TwoWay: true, Seen: true, Needs: HasICMP4, Place: code},
		{Name: "icmpTypeCodeIPv6", ID: 139, Type: Unsigned16, Semantics: Identifier, TwoWay: true, Seen: true, Needs: HasICMP6, Place: code},
	}
}

func counters() []Field {
	return []Field{
		{Name: "octetDeltaCount", ID: 1, Type: Unsigned64, Semantics: DeltaCounter, Units: Octets, RTFM: "ToOctets", V9: 1, V9Reverse: 23, TwoWay: true,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].Octets) }},
		{Name: "packetDeltaCount", ID: 2, Type: Unsigned64, Semantics: DeltaCounter, Units: Packets, RTFM: "ToPDUs", V9: 2, V9Reverse: 24, TwoWay: true,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].Packets) }},
		{Name: "octetTotalCount", ID: 85, Type: Unsigned64, Semantics: TotalCounter, Units: Octets, TwoWay: true,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].TotalOctets) }},
		{Name: "packetTotalCount", ID: 86, Type: Unsigned64, Semantics: TotalCounter, Units: Packets, TwoWay: true,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].TotalPackets) }},
		{Name: "layer2OctetDeltaCount", ID: 352, Type: Unsigned64, Semantics: DeltaCounter, Units: Octets, TwoWay: true,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].Layer2Octets) }},
	}
}

func headers() []Field {
	return []Field{
		{Name: "tcpControlBits", ID: 6, Type: Unsigned16, Semantics: Flags, V9: 6, TwoWay: true, Seen: true, Needs: HasTCP,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].TCPFlags) }},
		{Name: "ipClassOfService", ID: 5, Type: Unsigned8, Semantics: Identifier, V9: 5, V9Reverse: 55, TwoWay: true, Seen: true, Needs: HasIP,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].TClass) }},
		{Name: "minimumIpTotalLength", ID: 25, Type: Unsigned64, Units: Octets, V9: 25, TwoWay: true, Seen: true, Needs: HasIP,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].MinLen) }},
		{Name: "maximumIpTotalLength", ID: 26, Type: Unsigned64, Units: Octets, V9: 26, TwoWay: true, Seen: true, Needs: HasIP,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].MaxLen) }},
		{Name: "minimumTTL", ID: 52, Type: Unsigned8, Units: Hops, V9: 52, TwoWay: true, Seen: true, Needs: HasIP,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].MinTTL) }},
		{Name: "maximumTTL", ID: 53, Type: Unsigned8, Units: Hops, V9: 53, TwoWay: true, Seen: true, Needs: HasIP,
			Place: func(r *Record, w Way) Place { return placeOf(&r.Count[w].MaxTTL) }},
		{Name: "flowLabelIPv6", ID: 31, Type: Unsigned32, Semantics: Identifier, V9: 31, Needs: HasFlowLabel,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.First.FlowLabel) }},
	}
}

func link() []Field {
	return []Field{
		{Name: "sourceMacAddress", ID: 56, Type: MAC, RTFM: "SourceAdjacentAddress", V9: 56, Needs: HasSrcMAC,
			Bytes: func(r *Record, _ Way) []byte { return r.First.SrcMAC[:] }},
		{Name: "destinationMacAddress", ID: 80, Type: MAC, RTFM: "DestAdjacentAddress", V9: 80, Needs: HasDstMAC,
			Bytes: func(r *Record, _ Way) []byte { return r.First.DstMAC[:] }},
		{Name: "ethernetType", ID: 256, Type: Unsigned16, Semantics: Identifier, Needs: HasEtherType,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.First.EtherType) }},
		{Name: "dot1qVlanId", ID: 243, Type: Unsigned16, Semantics: Identifier, V9: 58, Needs: HasVLAN,
			Uint: func(r *Record, _ Way) uint64 { return uint64(r.First.VLAN & 0xfff) }},
		{Name: "dot1qPriority", ID: 244, Type: Unsigned8, Semantics: Identifier, Needs: HasVLANPrio,
			Uint: func(r *Record, _ Way) uint64 { return uint64(r.First.VLAN >> 13) }},
		{Name: "dot1qCustomerVlanId", ID: 245, Type: Unsigned16, Semantics: Identifier, Needs: HasVLAN2,
			Uint: func(r *Record, _ Way) uint64 { return uint64(r.First.VLAN2 & 0xfff) }},
		{Name: "mplsTopLabel", ID: 6, Private: true, Type: Unsigned32, Semantics: Identifier, Needs: HasMPLS,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.First.MPLS) }},
		{Name: "ingressInterface", ID: 10, Type: Unsigned32, Semantics: Identifier, RTFM: "SourceInterface", V9: 10, Needs: HasIface,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.First.Iface) }},
	}
}

func verdicts() []Field {
	return []Field{
		{Name: "flowEndReason", ID: 136, Type: Unsigned8, Semantics: Identifier,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.EndReason) }},
		{Name: "biflowDirection", ID: 239, Type: Unsigned8, Semantics: Identifier, Needs: HasEvidence,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.Biflow) }},
		{Name: "directionEvidence", ID: 2, Private: true, Type: Unsigned8, Semantics: Identifier, Needs: HasEvidence, Quoted: true,
			Place: func(r *Record, _ Way) Place { return placeOf(&r.Evidence) },
			Show:  func(dst []byte, r *Record, _ Way) []byte { return append(dst, r.Evidence.String()...) }},
		{Name: "flowClass", ID: 1, Private: true, Type: Unsigned16, Semantics: Identifier, RTFM: "FlowClass", Needs: HasClass, Quoted: true,
			Uint: func(r *Record, _ Way) uint64 { return uint64(r.class()) },
			Show: func(dst []byte, r *Record, _ Way) []byte { return append(dst, r.className()...) }},
	}
}

// class is the flow's class: that of set:, else the home class.
func (r *Record) class() uint16 {
	if r.Key.Saved&rules.FlowClass != 0 {
		return r.Key.Class
	}
	return uint16(r.Class)
}

func (r *Record) className() string {
	n := r.class()
	if name := r.RuleSet.Named(n); name != "" {
		return name
	}
	if n < uint16(rules.NumClasses) {
		return rules.Class(n).String()
	}
	return strconv.Itoa(int(n))
}

// computed returns the attributes that set: computes, each as its number and,
// where the rule set named it, its name.
func computed() []Field {
	rows := []struct {
		name       string
		id, nameID uint16
		rtfm       string
		needs      Has
		get        func(*Record) uint16
	}{
		{"flowKind", 4, 20, "FlowKind", HasKind, func(r *Record) uint16 { return r.Key.Kind }},
		{"sourceKind", 7, 21, "SourceKind", HasSrcKind, func(r *Record) uint16 { return r.Key.Src.Kind }},
		{"destinationKind", 8, 22, "DestKind", HasDstKind, func(r *Record) uint16 { return r.Key.Dst.Kind }},
		{"sourceClass", 9, 23, "SourceClass", HasSrcClass, func(r *Record) uint16 { return r.Key.Src.Class }},
		{"destinationClass", 10, 24, "DestClass", HasDstClass, func(r *Record) uint16 { return r.Key.Dst.Class }},
	}
	var fields []Field
	for _, row := range rows {
		fields = append(fields,
			Field{Name: row.name, ID: row.id, Private: true, Type: Unsigned16, Semantics: Identifier, RTFM: row.rtfm, Key: true, Needs: row.needs,
				Uint: func(r *Record, _ Way) uint64 { return uint64(row.get(r)) }},
			Field{Name: row.name + "Name", ID: row.nameID, Private: true, Type: String, Key: true, Needs: row.needs,
				Text: func(r *Record, _ Way) string { return r.RuleSet.Named(row.get(r)) }})
	}
	return fields
}
