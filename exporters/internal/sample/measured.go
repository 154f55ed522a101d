package sample

import (
	"math/rand/v2"
	"time"

	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

const measuring = `
- if: src.port < 100 || dst.port < 100
  measure: [packet_size: {linear: 40..1500, buckets: 8}, turnaround: {log: 1ms..20s, buckets: 12}, bit_rate: {linear: 0..100k, buckets: 3}]
- if: src.port >= 50
  measure: [inter_arrival: {log: 10us..1000s, buckets: 9}, packet_rate: {linear: 0..100, buckets: 5, window: 1s}]
- do: count
`

// Measured returns n records of a flow table whose rules measure most of what
// they count; some have one direction.
func Measured(seed uint64, n int) []flow.Record {
	v, _ := conf.Parse("measuring", []byte(measuring))
	sets, _ := rules.ParseFile(v, rules.DefaultNetworks())
	rs := *RuleSet
	rs.Distributions = sets[0].Program.Distributions()
	table := flow.NewTable(flow.Config{RuleSet: &rs, Program: sets[0].Program, Active: time.Hour, Idle: time.Hour,
		TCPLinger: time.Hour, MaxFlows: n + 1, Seed: flow.Seed{1, 2, 3, 4}})
	rng := rand.New(rand.NewPCG(seed, 9))
	clock := Epoch
	for range 100 * n {
		clock += rng.Int64N(1e9 / int64(n))
		p := flow.Packet{Clock: clock}
		p.Time, p.Layers, p.Version, p.Proto = clock, packet.HasIPv4|packet.HasPorts|packet.HasUDP, 4, packet.ProtoUDP
		p.TotalLen = 28 + uint32(rng.IntN(1600))
		p.WireLen, p.TTL = p.TotalLen+14, 64
		ends := ipv4(rand.New(rand.NewPCG(1, 1)))
		p.Src, p.Dst = ends.Addr, [16]byte{10: 0xff, 11: 0xff, 12: 192, 15: 1}
		p.SrcPort, p.DstPort = uint16(40+rng.IntN(n)), 4000
		if p.SrcPort%5 != 0 && rng.IntN(3) == 0 {
			p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
		}
		p.Prepare(&flow.Seed{1, 2, 3, 4})
		table.Update([]flow.Packet{p})
	}
	table.Flush(clock, flow.EndForced)
	out := make([]flow.Record, table.Ready(flow.Everything))
	for i := range out {
		table.Next(&out[i])
	}
	return out
}
