package meter

import (
	"errors"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// A Packet is one as rule sets are given it.
type Packet struct {
	Headers *packet.Headers
	Data    []byte      // the frame
	Inner   *rules.Nest // with what it carries; nil if no rule set of Packets looks inside
}

// Match asks rules about the packet, or about the innermost that it carries if that
// is what they are of, and returns the headers of the one that they were asked about.
func (p *Packet) Match(rs *rules.Program, m *rules.Match) *packet.Headers {
	h := p.Headers
	if rs.Decapsulate() == rules.Innermost {
		h = p.Inner.Inner
	}
	if rs.LooksInside() {
		rs.MatchNest(h, p.Data, p.Inner, m)
	} else {
		rs.Match(h, p.Data, m)
	}
	return h
}

// Packets shows the packets of sources that rule sets would see: decoded, not left
// out by the filter, with the ports of known fragments. What it shows is good until
// show returns.
func Packets(cfg Config, sets []*rules.RuleSet, open []Open, failed func(error), show func(*Packet)) {
	cfg.Workers, cfg.RuleSets = 1, nil
	m := New(cfg, nil)
	w := m.workers[0]
	if asksInside(sets) && w.tunnels == nil {
		w.tunnels = newTunnels(w)
	}
	m.reader.emit = func(j work) {
		if j.kind != frames {
			w.do(&j)
			return
		}
		for i := range j.frames {
			one := j
			one.frames, one.number = j.frames[i:i+1], j.number+uint64(i)
			w.frames(&one)
			for k := range w.n {
				p := Packet{Headers: &w.run[k].Headers, Data: j.batch.Data(&j.frames[i])}
				if w.tunnels != nil {
					p.Inner = &w.tunnels.nests[k]
				}
				show(&p)
			}
			w.n = 0
			j.clock = w.clock
		}
	}
	for _, o := range open {
		if err := m.read(o); errors.Is(err, errLimit) {
			return
		} else if err != nil {
			failed(err)
		}
	}
}
