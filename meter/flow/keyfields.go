package flow

import "flowmeter/rules"

// keyed returns the header fields that records have only where the rules saved
// them. What else may be saved shows in the fields that every record has: flags
// in tcpControlBits, ECN in ipClassOfService.
func keyed() []Field {
	rows := []struct {
		name    string
		id      uint16
		private bool
		typ     Type
		needs   Has
		get     func(*rules.Key) uint64
	}{
		{"ipDiffServCodePoint", 195, false, Unsigned8, HasDSCP, func(k *rules.Key) uint64 { return uint64(k.DSCP) }},
		{"ipTotalLength", 224, false, Unsigned64, HasLength, func(k *rules.Key) uint64 { return uint64(k.Length) }},
		{"tcpWindowScale", 238, false, Unsigned16, HasWindowScale, func(k *rules.Key) uint64 { return uint64(k.WindowScale) }},
		{"fragment", 40, true, Unsigned8, HasFragment, func(k *rules.Key) uint64 { return uint64(k.Presence & rules.FragmentThere) }},
		{"tcpMaximumSegmentSize", 41, true, Unsigned16, HasMSS, func(k *rules.Key) uint64 { return uint64(k.MSS) }},
		{"tcpSackPermitted", 42, true, Unsigned8, HasSACK, func(k *rules.Key) uint64 { return uint64(k.Presence & rules.SACKThere / rules.SACKThere) }},
		{"ipv6ExtensionHeaderSet", 43, true, Unsigned8, HasExtensions, func(k *rules.Key) uint64 { return uint64(k.Extensions) }},
		{"hourOfDay", 44, true, Unsigned8, HasHour, func(k *rules.Key) uint64 { return uint64(k.Hour) }},
		{"tunnelIdentifier", 47, true, Unsigned32, HasTunnelID, func(k *rules.Key) uint64 { return k.TunnelID }},
		{"dayOfWeek", 45, true, Unsigned8, HasWeekday, func(k *rules.Key) uint64 { return uint64(k.Weekday) }},
	}
	var fields []Field
	for _, row := range rows {
		fields = append(fields, Field{Name: row.name, ID: row.id, Private: row.private, Type: row.typ, Semantics: Identifier,
			Key: true, Needs: row.needs, Uint: func(r *Record, _ Way) uint64 { return row.get(&r.Key) }})
	}
	return fields
}
