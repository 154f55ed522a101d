package meter

import (
	"testing"
	"time"

	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// arp is an ARP frame: a question to all or the answer to it.
func arp(op, from, to byte) []byte {
	dst := []byte{2, 0, 0, 0, 0, to}
	if op == 1 {
		dst = []byte{255, 255, 255, 255, 255, 255}
	}
	b := append(dst, 2, 0, 0, 0, 0, from, 8, 6, 0, 1, 8, 0, 6, 4, 0, op, 2, 0, 0, 0, 0, from, 10, 0, 0, from)
	return append(b, 0, 0, 0, 0, 0, 0, 10, 0, 0, to, 0, 0)
}

// TestARP: a question and its answer, which workers are given by different MAC
// addresses, are in one flow of whoever asked.
func TestARP(t *testing.T) {
	tr := newTrace()
	now := int64(1_700_000_000) * int64(time.Second)
	for i := range 200 {
		from, to := byte(1+i%7), byte(20+i%5)
		tr.add(now+int64(2*i)*1e6, arp(1, from, to), 1<<16)
		tr.add(now+int64(2*i+1)*1e6, arp(2, to, from), 1<<16)
	}
	cfg := DefaultConfig()
	cfg.RuleSets = ruleSets(t, "rulesets: [{name: who, rules: [{if: arp, save: [arp.src.proto_ipv4, arp.dst.proto_ipv4], do: count}]}]")
	o := everyWay(t, cfg, tr.open(50))
	if len(o.records) != 7*5 {
		t.Errorf("%d flows, want %d", len(o.records), 7*5)
	}
	for i := range o.records {
		r := &o.records[i]
		if r.Count[0].Packets != r.Count[1].Packets || r.Key.Src.Addr[15] > 7 || r.Class != rules.NoClass ||
			r.Has&(flow.HasSrcV4|flow.HasDstV4) == 0 || r.Has&(flow.HasIP|flow.HasVersion) != 0 {
			t.Errorf("%+v", r)
		}
	}
}
