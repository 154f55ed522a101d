package rules

import (
	"slices"
	"strconv"

	"flowmeter/meter/packet"
)

// This file walks the rules of a rule set one by one, as they stand in the file,
// and writes down what it sees: the slow way to what a Program finds fast.

// An Explainer tells how a rule set comes to what it says of a packet. It
// belongs to one goroutine.
type Explainer struct {
	program *Program
	tests   map[*cond]*Program // each comparison by itself: ignores where it is true
	effects map[*rule]*Program // what each rule saves and sets
}

// An Explanation is the way of one packet through a rule set.
type Explanation struct {
	Match
	Passes []Pass
}

// A Pass is the rules tried once, from the first on (RFC 2722 §4.3).
type Pass struct {
	Swapped bool     // the packet is seen the other way round
	Class   Class    // as seen so
	Tries   []Try    // in the order in which the rules were tried
	Verdict Verdict  // how it ended: Counted, Ignored, NoMatch or NoKey
	Decided int      // index in Tries of the rule that ended it; -1: the end of the list
	Lacking []string // saved, but the frame lacks it: why it ended with NoKey
	Default bool     // it counted and nothing was saved: the key is the five-tuple
}

// A Try is one rule, tried.
type Try struct {
	At    Place
	Depth int    // of nesting in then: and else:
	If    string // as written; "" without a condition
	Tests []Test // comparisons that were looked at, in their order
	True  bool
	Saved []Value // what it put into the key
	Set   []Value
	Asks  []Quantity // to be measured, of packets that are counted
	Calls string     // the subroutine with its arguments, whose rules come next
	Does  string     // count, ignore, nomatch, return or leave, if it came to that
}

// A Place is where a rule stands. Rules that are built in stand in the files
// default and overflow.
type Place struct {
	File      string
	Line, Col int
}

// String returns file:line.
func (p Place) String() string { return p.File + ":" + strconv.Itoa(p.Line) }

// Exact returns file:line:column, which no other rule has.
func (p Place) Exact() string { return p.String() + ":" + strconv.Itoa(p.Col) }

// A Test is one comparison of an expression.
type Test struct {
	Field  string
	Values []string // that the packet has; none if the field is absent
	True   bool
}

// A Value is what an attribute was given.
type Value struct {
	Name  string
	Value string // "" if the frame lacks it
}

// Explain returns an Explainer of the Program's rules.
func (p *Program) Explain() *Explainer {
	return &Explainer{p, map[*cond]*Program{}, map[*rule]*Program{}}
}

// Packet explains a packet, whose frame is data, in a nest; nil where the
// Program does not look inside. The Match in it is what Program.MatchNest says, but for
// Constant.
func (e *Explainer) Packet(h *packet.Headers, data []byte, n *Nest) *Explanation {
	x := &Explanation{Match: Match{Class: e.program.nets.Class(h)}}
	s := state{h: h, data: data, have: haveOf(h), key: &x.Key, nest: n}
	swapped := e.program.swapsFirst(h, x.Class)
	e.pass(x, &s, swapped)
	if x.Verdict == NoMatch {
		x.Turned = x.Rule
		s.second, swapped = true, !swapped
		e.pass(x, &s, swapped)
	}
	if x.Verdict == Counted {
		x.Swapped, x.Evidence = swapped, e.program.Evidence(h, x.Class, swapped)
		x.Foreign, x.Measures = s.foreign, s.measures
	}
	return x
}

// pass tries the rules once.
func (e *Explainer) pass(x *Explanation, s *state, swapped bool) {
	s.begin(x.Class, swapped)
	x.Passes = append(x.Passes, Pass{Swapped: swapped, Class: s.class, Decided: -1})
	x.Rule = EndOfRules
	w := tracer{e, s, x, &x.Passes[len(x.Passes)-1]}
	if w.rules(e.program.source, 0) == nil {
		w.pass.Verdict = NoMatch
	}
	x.Verdict = w.pass.Verdict
	if x.Verdict == NoKey {
		w.pass.Lacking = attrNames(s.lacking &^ s.key.Saved)
	}
}

// A tracer is one pass.
type tracer struct {
	*Explainer
	s    *state
	x    *Explanation
	pass *Pass
}

// An exit is how a list was left before its end.
type exit struct {
	do     action
	number uint8 // of doReturn
	leave  *rule // of doLeave
}

// rules tries a list, and returns nil at its end.
func (w *tracer) rules(list []*rule, depth int) *exit {
	for _, r := range list {
		if x := w.rule(r, depth); x != nil {
			return x
		}
	}
	return nil
}

func (w *tracer) rule(r *rule, depth int) *exit {
	i := len(w.pass.Tries)
	try := Try{At: r.place(), Depth: depth, True: true}
	var fit []*cond
	if r.cond != nil {
		try.If = r.where.Value
		try.True = w.cond(r.cond, &try, &fit)
	}
	if try.True {
		w.affect(r, &try, fit)
	}
	w.pass.Tries = append(w.pass.Tries, try)
	if !try.True {
		return w.rules(r.els, depth+1)
	}
	if x := w.call(r, depth); x != nil {
		return x
	}
	switch x := w.rules(r.then, depth+1); {
	case x != nil && x.leave != r:
		return x
	case r.do == doNext:
		return nil
	}
	w.pass.Tries[i].Does = r.does()
	w.end(r, i)
	return &exit{r.do, r.number, r.leave}
}

// end ends the pass, if the rule does.
func (w *tracer) end(r *rule, at int) {
	switch r.do {
	case doCount:
		w.pass.Default = !w.s.explicit
		w.pass.Verdict = w.s.count()
	case doIgnore:
		w.pass.Verdict = Ignored
	case doNoMatch:
		w.pass.Verdict = NoMatch
	default:
		return
	}
	w.pass.Decided, w.x.Rule = at, w.number(r)
}

// call tries the rules of a subroutine, and then those for the number that came back.
func (w *tracer) call(r *rule, depth int) *exit {
	if r.call == nil {
		return nil
	}
	x := w.rules(r.call.rules, depth+1)
	if x == nil || x.do != doReturn {
		return x
	}
	for _, a := range r.on {
		if a.number == x.number {
			return w.rules(a.rules, depth+1)
		}
	}
	return nil
}

// does writes how the rule ends its list.
func (r *rule) does() string {
	switch {
	case r.do == doLeave:
		return "leave " + r.leave.block
	case r.do == doReturn && r.number > 0:
		return "return " + strconv.Itoa(int(r.number))
	}
	return actionNames[r.do]
}

// number finds a rule among those that decide.
func (w *tracer) number(r *rule) uint16 {
	i := slices.IndexFunc(w.program.deciders, func(d Decider) bool { return d.At == r.place() })
	if i < 0 {
		return beyond
	}
	return uint16(i + 1)
}

// place is where the rule stands, by the first of its keys.
func (r *rule) place() Place { return Place{r.at.C.File, r.at.Line, r.at.Column} }

// cond evaluates an expression from left to right, no further than it must, and
// notes the comparisons that were true.
func (w *tracer) cond(k *cond, try *Try, fit *[]*cond) bool {
	switch k.kind {
	case exprNot:
		return !w.cond(k.kids[0], try, fit)
	case exprAnd, exprOr:
		for _, kid := range k.kids {
			if is := w.cond(kid, try, fit); is == (k.kind == exprOr) {
				return is
			}
		}
		return k.kind == exprAnd
	}
	t := Test{Field: k.field.name, Values: w.s.texts(k.field, w.program), True: w.test(k)}
	try.Tests = append(try.Tests, t)
	if t.True {
		*fit = append(*fit, k)
	}
	return t.True
}

// test asks one comparison.
func (w *tracer) test(k *cond) bool {
	p := w.tests[k]
	if p == nil {
		p = compileTest(k, w.program.nets)
		w.tests[k] = p
	}
	return p.run(w.s) == Ignored
}

// affect does what a rule saves and sets, when its comparisons in fit were true.
func (w *tracer) affect(r *rule, try *Try, fit []*cond) {
	p := w.effects[r]
	if p == nil {
		p = compileEffects(r, w.program.nets)
		w.effects[r] = p
	}
	p.run(w.s)
	try.Asks = r.measures
	if r.call != nil {
		try.Calls = r.call.String()
	}
	for _, k := range fit {
		if r.matched.Node != nil && k.operand() {
			try.Saved = append(try.Saved, Value{"matched " + k.field.name, w.s.savedText(k.field.attr)})
		}
	}
	for _, s := range r.saves {
		try.Saved = append(try.Saved, Value{s.String(), w.s.savedText(s.field.attr)})
	}
	for _, s := range r.sets {
		try.Set = append(try.Set, Value{s.field.name, s.field.text(uint64(s.value), w.program)})
	}
}

// compileTest compiles one comparison into a Program that ignores where it is
// true.
func compileTest(k *cond, nets *Networks) *Program {
	c := newCompiler(&Program{nets: nets})
	yes, no := c.label(), c.label()
	c.cond(k, yes, no)
	c.place(yes)
	c.emit(instr{op: opIgnore})
	c.place(no)
	c.emit(instr{op: opNoMatch})
	c.link()
	return c.Program
}

func compileEffects(r *rule, nets *Networks) *Program {
	c := newCompiler(&Program{nets: nets})
	c.effects(r)
	c.emit(instr{op: opNoMatch})
	c.link()
	return c.Program
}
