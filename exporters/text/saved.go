package text

import (
	"fmt"
	"strings"
	"time"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// savedRows are the attributes of a key that no other column shows.
var savedRows = []struct {
	attr rules.Attr
	text func(k *rules.Key) string
}{
	{rules.VLAN, func(k *rules.Key) string { return fmt.Sprintf("vlan %d", k.VLAN) }},
	{rules.VLAN2, func(k *rules.Key) string { return fmt.Sprintf("inner vlan %d", k.VLAN2) }},
	{rules.MPLS, func(k *rules.Key) string { return fmt.Sprintf("mpls %d", k.MPLS) }},
	{rules.EtherType, func(k *rules.Key) string { return fmt.Sprintf("ethertype %#04x", k.EtherType) }},
	{rules.TClass, func(k *rules.Key) string { return fmt.Sprintf("tos %#02x", k.TClass) }},
	{rules.TTL, func(k *rules.Key) string { return fmt.Sprintf("ttl %d", k.TTL) }},
	{rules.FlowLabel, func(k *rules.Key) string { return fmt.Sprintf("label %#05x", k.FlowLabel) }},
	{rules.ICMP, func(k *rules.Key) string { return fmt.Sprintf("type %d code %d", k.ICMP>>8, k.ICMP&0xff) }},
	{rules.DSCP, func(k *rules.Key) string { return fmt.Sprintf("dscp %d", k.DSCP) }},
	{rules.ECN, func(k *rules.Key) string { return fmt.Sprintf("ecn %d", k.ECN) }},
	{rules.VLANPrio, func(k *rules.Key) string { return fmt.Sprintf("priority %d", k.VLANPrio) }},
	{rules.Fragment, func(k *rules.Key) string { return yesNo(k.Presence&rules.FragmentThere, "fragment", "whole") }},
	{rules.Length, func(k *rules.Key) string { return fmt.Sprintf("length %d", k.Length) }},
	{rules.TCPFlags, func(k *rules.Key) string { return fmt.Sprintf("flags %#03x", k.TCPFlags) }},
	{rules.MSS, func(k *rules.Key) string { return fmt.Sprintf("mss %d", k.MSS) }},
	{rules.WindowScale, func(k *rules.Key) string { return fmt.Sprintf("window scale %d", k.WindowScale) }},
	{rules.SACK, func(k *rules.Key) string { return yesNo(k.Presence&rules.SACKThere, "sack", "no sack") }},
	{rules.Extensions, func(k *rules.Key) string { return fmt.Sprintf("extensions %#02x", k.Extensions) }},
	{rules.Weekday, func(k *rules.Key) string { return time.Weekday(k.Weekday % 7).String() }},
	{rules.Hour, func(k *rules.Key) string { return fmt.Sprintf("%02d h", k.Hour) }},
	{rules.TunnelID, func(k *rules.Key) string { return fmt.Sprintf("tunnel %d", k.TunnelID) }},
	{rules.Iface, func(k *rules.Key) string { return fmt.Sprintf("iface %d", k.Iface) }},
}

func yesNo(bit uint8, yes, no string) string {
	if bit != 0 {
		return yes
	}
	return no
}

// saved writes what else the rules saved of a flow.
func saved(r *flow.Record) string {
	var parts []string
	for _, row := range savedRows {
		if r.Key.Saved&row.attr != 0 {
			parts = append(parts, row.text(&r.Key))
		}
	}
	return strings.Join(parts, ", ")
}
