package text

import (
	"fmt"
	"strings"

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
	{rules.Iface, func(k *rules.Key) string { return fmt.Sprintf("iface %d", k.Iface) }},
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
