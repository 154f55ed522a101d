package srl

import (
	"slices"
	"strings"

	"flowmeter/meter/conf"
)

// This file finds what is called and what parameters stand for, and checks
// what the grammar leaves open.

// maxCalls is how deep subroutines may call each other, as in the rules.
const maxCalls = 16

// binder checks a program.
type binder struct {
	prog *program
	subs map[string]*sub
	errs *mistakes
}

// walk calls f for a statement and those within it.
func (s *stmt) walk(f func(*stmt)) {
	if s == nil {
		return
	}
	f(s)
	s.then.walk(f)
	s.els.walk(f)
	for _, in := range s.body {
		in.walk(f)
	}
	for _, n := range s.answers {
		n.stmt.walk(f)
	}
}

func walkAll(list []*stmt, f func(*stmt)) {
	for _, s := range list {
		s.walk(f)
	}
}

// all calls f for every statement of the program.
func (p *program) all(f func(*stmt)) {
	walkAll(p.stmts, f)
	for _, s := range p.subs {
		walkAll(s.stmts, f)
	}
}

// live calls f for every statement that can be reached by calls.
func (p *program) live(f func(*stmt)) {
	walkAll(p.stmts, f)
	for _, s := range p.subs {
		if s.called {
			walkAll(s.stmts, f)
		}
	}
}

// tests calls f for each test in an expression.
func (e *expr) tests(f func(*expr)) {
	if e == nil {
		return
	}
	if e.op == opTest {
		f(e)
	}
	for _, kid := range e.kids {
		kid.tests(f)
	}
}

// bind checks a program and finds what its parameters stand for.
func bind(p *program, errs *mistakes) {
	b := &binder{prog: p, subs: map[string]*sub{}, errs: errs}
	for _, s := range p.subs {
		if b.subs[s.name] != nil {
			errs.once(s.pos, "give it another name", "there are two subroutines %s", s.name)
		}
		b.subs[s.name] = s
	}
	p.all(b.call)
	if errs.list == nil {
		b.follow(p.stmts, nil)
	}
	for _, s := range p.subs {
		for _, param := range s.params {
			b.sameClass(param)
		}
	}
	p.all(b.check)
}

// call checks the arguments of a call against the parameters.
func (b *binder) call(s *stmt) {
	if s.kind != stCall {
		return
	}
	called := b.subs[s.sub]
	if called == nil {
		var known []string
		for name := range b.subs {
			known = append(known, name)
		}
		hint := ""
		if near := conf.Nearest(s.sub, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		b.errs.once(s.labelPos, hint, "there is no subroutine %s", s.sub)
		return
	}
	if len(s.args) != len(called.params) {
		b.errs.once(s.labelPos, "", "%s has %s, and is called with %d", s.sub, plural(len(called.params), "parameter"), len(s.args))
		return
	}
	for i, a := range s.args {
		if p := called.params[i]; a.isVariable() != p.variable {
			kinds := map[bool]string{true: "variable", false: "address"}
			b.errs.once(a.pos, "", "%s is no %s, as the parameter %s of %s is", a.name, kinds[p.variable], p.name, s.sub)
		}
	}
}

func (r *ref) isVariable() bool {
	if r.param != nil {
		return r.param.variable
	}
	return r.attr.class == variable
}

// stands returns the attributes that a name may mean.
func (r *ref) stands() []*attribute {
	if r.param != nil {
		return r.param.stands
	}
	return []*attribute{r.attr}
}

// class returns what the attributes that a name may mean have in common.
func (r *ref) class() class { return r.stands()[0].class }

// follow gives the parameters of what is called the attributes that they stand
// for, along chains of calls.
func (b *binder) follow(list []*stmt, chain []*sub) {
	walkAll(list, func(s *stmt) {
		if s.kind != stCall || b.errs.list != nil {
			return
		}
		called := b.subs[s.sub]
		switch {
		case slices.Contains(chain, called):
			b.errs.once(s.labelPos, "", "%s calls itself", path(chain, called))
			return
		case len(chain) == maxCalls:
			b.errs.once(s.labelPos, "", "calls within calls, deeper than %d", maxCalls)
			return
		}
		if b.pass(s.args, called) {
			b.follow(called.stmts, append(slices.Clone(chain), called))
		}
	})
}

// pass adds what arguments stand for to the parameters, and tells whether
// anything was new: else all that follows from it has been found before.
func (b *binder) pass(args []ref, called *sub) bool {
	news := !called.called
	called.called = true
	for i, p := range called.params {
		for _, a := range args[i].stands() {
			if !slices.Contains(p.stands, a) {
				p.stands = append(p.stands, a)
				news = true
			}
		}
	}
	return news
}

func path(chain []*sub, to *sub) string {
	var names []string
	for _, s := range chain[slices.Index(chain, to):] {
		names = append(names, s.name)
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names, ", which calls ") + ", which"
}

// sameClass checks that a parameter stands for attributes of one kind, so that
// it is written in one way here.
func (b *binder) sameClass(p *param) {
	for _, a := range p.stands {
		if a.class != p.stands[0].class {
			b.errs.once(p.pos, "write a subroutine for each", "%s stands for %s and for %s, which are of different kinds",
				p.name, p.stands[0].name, a.name)
			return
		}
	}
}

// check checks the names and values of one statement. In subroutines that
// nothing calls, parameters stand for nothing.
func (b *binder) check(s *stmt) {
	s.cond.tests(func(e *expr) {
		for _, o := range flat(e.list) {
			b.operand(&e.ref, &o)
		}
		if s.save && len(e.ref.stands()) > 0 && e.ref.class() == direction {
			b.errs.once(e.ref.pos, "test it in an if of its own", "%s cannot be saved", e.ref.name)
		}
	})
	switch s.kind {
	case stSave, stSaveRule:
		b.saved(s)
	case stStore:
		if !s.ref.isVariable() {
			b.errs.once(s.ref.pos, "store is for SourceClass, DestClass, FlowClass, SourceKind, DestKind and FlowKind",
				"%s is no variable", s.ref.name)
			return
		}
		b.operand(&s.ref, &s.operand)
	}
}

func (b *binder) saved(s *stmt) {
	for _, a := range s.ref.stands() {
		switch {
		case a.class == variable:
			b.errs.once(s.ref.pos, "store saves it", "%s cannot be saved by save", s.ref.name)
			return
		case a.class == direction:
			b.errs.once(s.ref.pos, "", "%s cannot be saved", s.ref.name)
			return
		case s.kind == stSave:
			s.operand.maskOf(a, maskSize(a, &s.operand), b.errs)
		}
	}
	if s.kind == stSaveRule {
		b.operand(&s.ref, &s.operand)
	}
}

// maskSize returns how many octets a mask of save has.
func maskSize(a *attribute, o *operand) int {
	if a.class == peerAddress && (o.width > 32 || o.mask != nil && len(o.mask.octets) > 4 || o.width < 0 && o.mask == nil) {
		return 16
	}
	return a.size
}

// operand checks that a value fits all that a name may mean.
func (b *binder) operand(r *ref, o *operand) {
	for _, a := range r.stands() {
		if _, ok := o.resolve(a, b.errs); !ok {
			return
		}
	}
}
