package text

import (
	"testing"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

func TestSaved(t *testing.T) {
	r := flow.Record{Key: rules.Key{
		Saved: rules.VLAN | rules.TTL | rules.ICMP | rules.EtherType | rules.Proto,
		VLAN:  10, TTL: 64, ICMP: 8 << 8, EtherType: 0x800,
	}}
	if got, want := saved(&r), "vlan 10, ethertype 0x0800, ttl 64, type 8 code 0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := saved(&flow.Record{Key: rules.Key{Saved: rules.FiveTuple}}); got != "" {
		t.Errorf("of the five-tuple: %q", got)
	}
	e := rules.End{Port: 7168, PortLen: 6}
	if got := endpoint(&e, false, false, true); got != "*:7168/6" {
		t.Errorf("masked port: %q", got)
	}
}
