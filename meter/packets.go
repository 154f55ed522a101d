package meter

import (
	"errors"

	"flowmeter/meter/packet"
)

// Packets shows the packets of sources that rule sets would see: decoded, not left
// out by the filter, with the ports of known fragments. What it shows, the headers and
// the frame, is good until show returns.
func Packets(cfg Config, open []Open, failed func(error), show func(*packet.Headers, []byte)) {
	cfg.Workers, cfg.RuleSets = 1, nil
	m := New(cfg, nil)
	w := m.workers[0]
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
				show(&w.run[k].Headers, j.batch.Data(&j.frames[i]))
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
