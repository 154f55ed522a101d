package srl

import "fmt"

// This file compiles SRL to rules of the engine, by the book: an operand is a
// rule, SAVE in an IF is PushRuleTo on the way, which is taken back by PopTo
// where the IF fails after all; parameters are meter variables.

// label is a place among the rules that is yet to be found.
type label struct{ at int } // 1-origin; 0 as long as it is not known

type tableRule struct {
	pmeRule
	to *label
}

type tabler struct {
	prog  *program
	subs  map[string]*sub
	rules []tableRule
	free  int // next meter variable
	vars  map[*sub]int
	done  map[string]*label // bodies: of a subroutine with meter variables, or with arguments
	queue []func()
	env   map[*param]int // what parameters are in the body that is written: attribute numbers
	ends  map[*stmt]*label
	most  int // largest number of the subroutine that is written
}

// table returns the rules of a program that was bound.
func table(p *program) []pmeRule {
	t := &tabler{prog: p, subs: map[string]*sub{}, free: attrV1, vars: map[*sub]int{}, done: map[string]*label{}, ends: map[*stmt]*label{}}
	for _, s := range p.subs {
		t.subs[s.name] = s
	}
	t.stmts(p.stmts)
	t.null(opNoMatch, nil)
	for len(t.queue) > 0 {
		next := t.queue[0]
		t.queue = t.queue[1:]
		next()
	}
	rules := make([]pmeRule, len(t.rules))
	for i, r := range t.rules {
		rules[i] = r.pmeRule
		if r.to != nil {
			rules[i].param = r.to.at
		}
	}
	return rules
}

func (t *tabler) place(l *label) { l.at = len(t.rules) + 1 }

func (t *tabler) add(r pmeRule, to *label) { t.rules = append(t.rules, tableRule{r, to}) }

// null adds a rule whose test always succeeds.
func (t *tabler) null(op opcode, to *label) { t.add(pmeRule{op: op}, to) }

// act adds a rule that is executed without its test, and goes on behind it
// with the test of what follows.
func (t *tabler) act(r pmeRule) {
	here, behind := &label{}, &label{}
	t.null(opGotoAct, here)
	t.place(here)
	t.add(r, behind)
	t.place(behind)
}

func (t *tabler) stmts(list []*stmt) {
	for _, s := range list {
		t.stmt(s)
	}
}

func (t *tabler) stmt(s *stmt) {
	switch s.kind {
	case stIf:
		t.ifStatement(s)
	case stCompound:
		end := &label{}
		t.ends[s] = end
		t.stmts(s.body)
		t.place(end)
	case stSave:
		a := s.ref.stands()[0]
		mask, _ := s.operand.maskOf(a, maskSize(a, &s.operand), &mistakes{})
		t.act(pmeRule{attr: t.number(&s.ref), mask: fixed(mask), op: opPushPktTo})
	case stSaveRule, stStore:
		r, _ := s.operand.resolve(s.ref.stands()[0], &mistakes{})
		t.act(pmeRule{attr: t.number(&s.ref), mask: fixed(r.mask), value: fixed(r.value), op: opPushRuleTo, constant: true})
	case stCount:
		t.null(opCount, nil)
	case stIgnore:
		t.null(opIgnore, nil)
	case stNoMatch:
		t.null(opNoMatch, nil)
	case stExit:
		t.null(opGoto, t.ends[s.target])
	case stReturn:
		n := s.number
		if n == 0 {
			n = t.most + 1
		}
		t.add(pmeRule{op: opReturn, param: n}, nil)
	case stCall:
		t.call(s)
	}
}

func fixed(b []byte) (o octets16) {
	copy(o[:], b)
	return o
}

// number returns the attribute number of a name; that of a parameter is a
// meter variable, or known where the body is written for given arguments.
func (t *tabler) number(r *ref) int {
	if r.param != nil {
		return t.env[r.param]
	}
	return r.attr.number
}

func (t *tabler) ifStatement(s *stmt) {
	other, end := &label{}, &label{}
	t.test(s.cond, s.save, 0, func(int) { t.stmt(s.then); t.null(opGoto, end) }, func(n int) {
		for range n {
			t.act(pmeRule{op: opPopTo})
		}
		t.null(opGoto, other)
	})
	t.place(other)
	if s.els != nil {
		t.stmt(s.els)
	}
	t.place(end)
}

// test writes an expression after n pushes; yes and no write what follows with
// the number of pushes so far. What follows is written once for each way there.
func (t *tabler) test(e *expr, save bool, n int, yes, no func(n int)) {
	switch e.op {
	case opAnd:
		t.all(e.kids, save, n, yes, no)
	case opOr:
		t.any(e.kids, save, n, n, yes, no)
	default:
		matched := &label{}
		for _, r := range (&translator{errs: &mistakes{}}).resolved(e) {
			rule := pmeRule{attr: t.number(&e.ref), mask: fixed(r.mask), value: fixed(r.value), op: opGoto}
			if save {
				rule.op = opPushRuleTo
			}
			t.add(rule, matched)
		}
		no(n)
		t.place(matched)
		if save {
			n++
		}
		yes(n)
	}
}

func (t *tabler) all(kids []*expr, save bool, n int, yes, no func(n int)) {
	if len(kids) == 0 {
		yes(n)
		return
	}
	t.test(kids[0], save, n, func(n int) { t.all(kids[1:], save, n, yes, no) }, no)
}

// any tries alternatives one by one; what one pushed is taken back to base
// before the next.
func (t *tabler) any(kids []*expr, save bool, base, n int, yes, no func(n int)) {
	for range n - base {
		t.act(pmeRule{op: opPopTo})
	}
	if len(kids) == 0 {
		no(base)
		return
	}
	t.test(kids[0], save, base, yes, func(n int) { t.any(kids[1:], save, base, n, yes, no) })
}

func (t *tabler) call(s *stmt) {
	called := t.subs[s.sub]
	body := t.body(called, s.args)
	if first, ok := t.vars[called]; ok {
		for i := range s.args {
			t.act(pmeRule{attr: first + i, value: octets16{byte(t.number(&s.args[i]))}, op: opAssign})
		}
	}
	most := largest(called)
	targets := make([]*label, most+2)
	end := &label{}
	for i := range targets {
		targets[i] = end
	}
	here := make([]*label, len(s.answers))
	for i, a := range s.answers {
		here[i] = &label{}
		for _, n := range a.numbers {
			if n <= most {
				targets[n] = here[i]
			}
		}
	}
	t.null(opGosub, body)
	for _, to := range targets[1:] {
		t.null(opGoto, to)
	}
	for i, a := range s.answers {
		t.place(here[i])
		t.stmt(a.stmt)
		t.null(opGoto, end)
	}
	t.place(end)
}

func largest(s *sub) (most int) {
	walkAll(s.stmts, func(st *stmt) {
		if st.kind == stReturn {
			most = max(most, st.number)
		}
	})
	return most
}

// passes tells whether a subroutine passes parameters on, which meter
// variables cannot do: Assign knows attributes only.
func passes(s *sub) (yes bool) {
	walkAll(s.stmts, func(st *stmt) {
		for _, a := range st.args {
			yes = yes || a.param != nil
		}
	})
	return yes
}

// body returns where a subroutine begins. As long as there are meter variables,
// one body serves all calls; else there is one for each list of arguments.
func (t *tabler) body(s *sub, args []ref) *label {
	_, hasVars := t.vars[s]
	if !hasVars && !passes(s) && t.free+len(s.params) <= attrV5+1 {
		t.vars[s] = t.free
		t.free += len(s.params)
		hasVars = true
	}
	env := map[*param]int{}
	key := s.name
	for i, p := range s.params {
		if env[p] = t.vars[s] + i; !hasVars {
			env[p] = t.number(&args[i])
			key += fmt.Sprint(" ", env[p])
		}
	}
	if l := t.done[key]; l != nil {
		return l
	}
	l := &label{}
	t.done[key] = l
	t.queue = append(t.queue, func() {
		t.env, t.most = env, largest(s)
		t.place(l)
		t.stmts(s.stmts)
		t.add(pmeRule{op: opReturn, param: t.most + 1}, nil)
	})
	return l
}
