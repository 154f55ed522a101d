package differential

import (
	"net/netip"
	"testing"
	"time"

	"flowmeter/meter"
	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
	"flowmeter/rules"
)

// summer is an exporter that adds up records, all pieces of all flows.
type summer struct{ sums account }

// Offer implements meter.Exporter.
func (s *summer) Offer(b *flow.Batch) {
	for i := range b.Records {
		s.add(&b.Records[i])
	}
	b.Release()
}

func (s *summer) add(r *flow.Record) {
	w := way{
		version: r.Key.Version,
		proto:   r.Key.Proto,
		ports:   r.Key.Saved&(rules.SrcPort|rules.DstPort) != 0,
		src:     end{addressOf(&r.Key.Src, r.Key.Version), r.Key.Src.Port},
		dst:     end{addressOf(&r.Key.Dst, r.Key.Version), r.Key.Dst.Port},
	}
	forward, reverse := r.Count[flow.Forward], r.Count[flow.Reverse]
	s.sums.add(w, forward.Packets, forward.Octets)
	w.src, w.dst = w.dst, w.src
	s.sums.add(w, reverse.Packets, reverse.Octets)
}

// addressOf keeps the IPv4-mapped addresses of IPv6 apart from those of IPv4.
func addressOf(e *rules.End, version uint8) netip.Addr {
	a := netip.AddrFrom16(e.Addr)
	if version == 4 {
		return a.Unmap()
	}
	return a
}

// metered is what the meter made of a trace.
type metered struct {
	sums   account
	totals meter.Totals
	failed error // why the trace was not read to its end
}

// forever is longer than any trace, and short enough to be added to its times.
const forever = 365 * 24 * time.Hour

// measure meters a trace with the default rules and one timeout for all, and
// returns the sums of its records. A filter may be nil.
func measure(t *testing.T, path string, timeout time.Duration, filter *rules.Filter) metered {
	t.Helper()
	cfg := meter.DefaultConfig()
	cfg.CacheSize = 1 << 10
	for _, rs := range cfg.RuleSets {
		rs.Active, rs.Idle, rs.TCPLinger = timeout, timeout, timeout
	}
	cfg.Filter = filter
	m := metered{sums: account{}}
	run := meter.New(cfg, []meter.Exporter{&summer{m.sums}})
	open := func() (meter.Source, error) { return capture.Open(path) }
	err := run.Run([]meter.Open{open}, func(err error) { m.failed = err })
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	m.totals = run.Totals()
	return m
}
