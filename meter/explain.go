package meter

import (
	"errors"
	"fmt"

	"flowmeter/meter/flow"
	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// An Explanation is what became of one packet, and why.
type Explanation struct {
	Source  string // of the trace
	Number  uint64 // in the trace, from 1
	Headers *packet.Headers
	Data    []byte // the frame
	Outcome packet.Outcome
	Left    string // why no rule set saw it, or ""
	Sets    []Explained
}

// Explained is what one rule set says of a packet: a rule set of the
// configuration or, behind it, the reserve that it gave the packet to.
type Explained struct {
	*rules.Explanation
	flow.Fate
	Packet *packet.Headers // that the rule set was given: what is decoded, or what that carries
	Nest   *rules.Nest     // both; nil if the rules do not look inside
}

// Explain meters the sources as Run does, in one worker and without exporters,
// and shows every packet with what became of it. What it shows is good until show
// returns; an error of show ends it.
func Explain(cfg Config, open []Open, failed func(error), show func(*Explanation) error) error {
	cfg.Workers = 1
	m := New(cfg, nil)
	e := &explaining{worker: m.workers[0], reader: &m.reader, show: show, stop: m.Stop}
	for _, rs := range cfg.RuleSets {
		sets := []*rules.Explainer{rs.Program.Explain()}
		for _, reserve := range rs.Reserves() {
			sets = append(sets, reserve.Program.Explain())
		}
		e.sets = append(e.sets, sets)
	}
	m.reader.emit = e.do
	for _, o := range open {
		err := m.read(e.from(o))
		if e.failed != nil {
			return e.failed
		}
		if errors.Is(err, errLimit) {
			break
		} else if err != nil {
			failed(err)
		}
	}
	return nil
}

// explaining takes the place of a worker's own loop.
type explaining struct {
	*worker
	reader *reader
	sets   [][]*rules.Explainer // by rule set: its own, and those of its reserves, which a packet is given to one after the other
	show   func(*Explanation) error
	stop   func()
	failed error
	source string
	base   uint64 // frames of the sources before this one
}

// from notes what is being read.
func (e *explaining) from(o Open) Open {
	return func() (Source, error) {
		src, err := o()
		if err == nil {
			e.source, e.base = src.Name(), e.reader.number
		}
		return src, err
	}
}

// do takes frame by frame what a worker takes in one go.
func (e *explaining) do(j work) {
	if j.kind != frames {
		e.worker.do(&j)
		return
	}
	for i := range j.frames {
		if e.failed != nil {
			return
		}
		one := j
		one.frames, one.number = j.frames[i:i+1], j.number+uint64(i)
		if e.failed = e.frame(&one); e.failed != nil {
			e.stop()
		}
		j.clock = e.clock
	}
	e.settle()
}

func (e *explaining) frame(j *work) error {
	before := e.count
	e.frames(j)
	x := Explanation{Source: e.source, Number: j.number - e.base, Headers: &e.run[0].Headers, Data: j.batch.Data(&j.frames[0])}
	if e.n == 0 {
		x.Left, x.Outcome = e.leftOut(&before)
		x.Headers.Time, x.Headers.WireLen = j.frames[0].Time, j.frames[0].WireLen
		return e.show(&x)
	}
	defer func() { e.n = 0; e.setData(0, nil) }()
	e.setData(0, x.Data)
	x.Outcome = e.outcome(&before)
	for i := range e.lanes {
		if err := e.lane(i, &x); err != nil {
			return fmt.Errorf("%s: packet %d: %w", x.Source, x.Number, err)
		}
	}
	return e.show(&x)
}

// lane explains what a rule set, and its reserves, say of the packet at hand.
func (e *explaining) lane(i int, x *Explanation) error {
	l := &e.lanes[i]
	p := &e.packets(l)[0]
	l.table.Advance(p.Clock)
	for k, fate := range l.table.Trace(p) {
		nest := l.table.Nest(p)
		set := Explained{e.sets[i][k].Packet(&p.Headers, p.Data, nest), fate, &p.Headers, nest}
		if err := set.check(); err != nil {
			return err
		}
		x.Sets = append(x.Sets, set)
	}
	return nil
}

// check compares what was explained with what the meter did.
func (x *Explained) check() error {
	was := x.Fate.Verdict
	if was >= rules.NoRoom { // so the rules counted it
		was = rules.Counted
	}
	if x.Explanation.Verdict != was {
		return fmt.Errorf("rule set %s: the explanation comes to %v, the meter to %v; please report this", x.RuleSet.Name, x.Explanation.Verdict, x.Fate.Verdict)
	}
	return nil
}

func (e *explaining) outcome(before *Totals) packet.Outcome {
	for out := range packet.NumOutcomes {
		if e.count.Outcomes[out] != before.Outcomes[out] {
			return out
		}
	}
	return packet.OK
}

// leftOut says why a frame was given to no rule set.
func (e *explaining) leftOut(before *Totals) (string, packet.Outcome) {
	switch {
	case e.count.Unsampled != before.Unsampled:
		return "unsampled", packet.OK
	case e.count.Filtered != before.Filtered:
		return "filtered", packet.OK
	}
	out := e.outcome(before)
	return out.String(), out
}
