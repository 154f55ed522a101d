package meter

import (
	"fmt"
	"os"
	"testing"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
)

type printer struct{ n int }

func (p *printer) Offer(b *flow.Batch) {
	for i := range b.Records {
		p.n++
		if os.Getenv("SHOW") != "" {
			r := &b.Records[i]
			fmt.Println(flow.AddressText(r.Key.Src.Addr[:]), r.Key.Src.Port, flow.AddressText(r.Key.Dst.Addr[:]), r.Key.Dst.Port, r.Key.Proto, r.Count[0].Packets, r.Count[1].Packets, r.EndReason, r.Class, r.Evidence)
		}
	}
	b.Release()
}

func TestSmoke(t *testing.T) {
	cfg := DefaultConfig()
	cfg.RuleSets[0].MaxFlows = 2000000
	fmt.Sscan(os.Getenv("W"), &cfg.Workers)
	p := &printer{}
	m := New(cfg, []Exporter{p})
	err := m.Run([]Open{func() (Source, error) { return capture.Open(os.Getenv("TRACE")) }}, func(err error) { t.Log(err) })
	fmt.Printf("%+v\n%d records %v\n", m.Totals(), p.n, err)
}
