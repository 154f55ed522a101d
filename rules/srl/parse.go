package srl

import (
	"strconv"
	"strings"

	"flowmeter/meter/conf"
)

func lower(s string) string { return strings.ToLower(s) }

// maxDepth bounds how deep statements and parentheses nest.
const maxDepth = 60

// parser reads tokens by recursive descent. A mistake ends the statement that
// it is in; the next is read as if nothing had been.
type parser struct {
	tokens   []token
	at       int
	comments []comment
	errs     *mistakes
	prog     *program
	sub      *sub    // that is being read
	labels   []*stmt // compound statements around
	depth    int
}

// panicked ends a statement after a mistake. It never leaves the package.
type panicked struct{}

// parse reads a program as far as it can be read.
func parse(src string, errs *mistakes) *program {
	s := &scanner{src: src, line: 1, errs: errs}
	head := s.head()
	tokens, defines := s.tokens()
	p := &parser{tokens: tokens, comments: s.comments, errs: errs, prog: &program{defines: defines, head: head}}
	p.list(func() bool { return false }, func(s *stmt) { p.prog.stmts = append(p.prog.stmts, s) })
	p.prog.foot = p.leading()
	return p.prog
}

// list reads statements up to where stop says, or the end of the program. Of
// one with a mistake nothing is kept.
func (p *parser) list(stop func() bool, keep func(*stmt)) {
	for !stop() && p.peek().kind != tokEnd {
		p.try(func() {
			if p.sub == nil && len(p.labels) == 0 && p.depth == 0 && p.is("subroutine") {
				p.subroutine()
				return
			}
			keep(p.statement())
		})
	}
}

// try reads something. After a mistake it goes on behind the statement that
// holds it.
func (p *parser) try(read func()) {
	begin, depth, labels, sub := p.at, p.depth, p.labels, p.sub
	defer func() {
		switch r := recover(); r {
		case nil:
		case panicked{}:
			p.depth, p.labels, p.sub = depth, labels, sub
			p.skip(begin)
		default:
			panic(r)
		}
	}()
	read()
}

// skip goes on behind the next semicolon, or before what closes the list that
// the statement is in; but at least one word from where it began.
func (p *parser) skip(begin int) {
	for open := 0; p.peek().kind != tokEnd; p.next() {
		switch {
		case p.is("{"):
			open++
		case p.is("}") && open > 0:
			open--
		case open > 0 || p.at == begin:
		case p.is("}") || p.is("endsub") || p.is("endcall"):
			return
		case p.is(";"):
			p.next()
			return
		}
	}
}

func before(a, b pos) bool { return a.line < b.line || a.line == b.line && a.col < b.col }

// claim takes the next comments as long as want accepts them.
func (p *parser) claim(want func(comment) bool) (texts []string) {
	for len(p.comments) > 0 && want(p.comments[0]) {
		texts = append(texts, p.comments[0].text)
		p.comments = p.comments[1:]
	}
	return texts
}

// leading claims the comments before the next word.
func (p *parser) leading() []string {
	next := p.peek()
	return p.claim(func(c comment) bool { return next.kind == tokEnd || before(c.pos, next.pos) })
}

// trailing claims those behind the last word in its line.
func (p *parser) trailing() []string {
	if p.at == 0 {
		return nil
	}
	line, next := p.tokens[p.at-1].pos.line, p.peek()
	return p.claim(func(c comment) bool {
		return c.pos.line <= line && (next.kind == tokEnd || before(c.pos, next.pos))
	})
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

func (p *parser) is(text string) bool {
	t := p.peek()
	return (t.kind == tokSymbol || t.kind == tokIdent) && t.text == text
}

func (p *parser) accept(text string) bool {
	if !p.is(text) {
		return false
	}
	p.next()
	return true
}

// shown names a token in a message.
func shown(t token) string {
	if t.kind == tokEnd {
		return "the end of the program"
	}
	if t.spelt == "" {
		return t.text
	}
	return t.spelt
}

func (p *parser) fail(t token, hint, format string, args ...any) {
	if t.kind != tokBad { // said already
		p.errs.once(t.pos, hint, format, args...)
	}
	panic(panicked{})
}

func (p *parser) expect(text, hint string) {
	if !p.accept(text) {
		p.fail(p.peek(), hint, "%s stands where %s should", shown(p.peek()), text)
	}
}

func (p *parser) or() *expr { return p.chain(opOr, "||", p.and) }

func (p *parser) and() *expr { return p.chain(opAnd, "&&", p.factor) }

func (p *parser) chain(op exprOp, symbol string, operand func() *expr) *expr {
	first := operand()
	if !p.is(symbol) {
		return first
	}
	e := &expr{op: op, kids: []*expr{first}}
	for p.accept(symbol) {
		e.kids = append(e.kids, operand())
	}
	return e
}

func (p *parser) factor() *expr {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek(), "", "nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.accept("(") {
		e := p.or()
		p.expect(")", "")
		return e
	}
	e := &expr{ref: p.ref()}
	p.expect("==", "write attribute == value")
	e.list = p.operands()
	return e
}

// ref reads the name of an attribute or parameter.
func (p *parser) ref() ref {
	t := p.next()
	if t.kind != tokIdent {
		p.fail(t, "", "%s stands where an attribute should", shown(t))
	}
	r := ref{pos: t.pos, name: t.spelt, attr: attributes[t.text]}
	if p.sub != nil {
		for _, param := range p.sub.params {
			if param.name == t.text {
				r.attr, r.param = nil, param
			}
		}
	}
	switch {
	case r.param == nil && r.attr == nil:
		near := conf.Nearest(t.text, lowered(names()))
		hint := ""
		if near != "" {
			hint = "did you mean " + attributes[near].name + "?"
		}
		p.fail(t, hint, "there is no attribute %s", t.spelt)
	case r.attr != nil && r.attr.class == unknown:
		p.fail(t, r.attr.hint, "%s is not known to this meter", r.attr.name)
	}
	return r
}

func lowered(list []string) []string {
	for i, s := range list {
		list[i] = lower(s)
	}
	return list
}

// operands reads one operand or several in parentheses. Within them defines
// may bring parentheses of their own.
func (p *parser) operands() []group {
	begin := p.at
	var list []group
	if p.accept("(") {
		for {
			if p.depth++; p.depth > maxDepth {
				p.fail(p.peek(), "", "nested deeper than %d", maxDepth)
			}
			list = append(list, p.operands()...)
			p.depth--
			if !p.accept(",") {
				break
			}
		}
		p.expect(")", "operands are separated by commas")
	} else {
		list = []group{{operands: []operand{p.operand()}}}
	}
	for _, x := range p.tokens[begin].begins {
		if x.end == p.at {
			return []group{{x.def, flat(list)}}
		}
	}
	return list
}

func flat(list []group) (all []operand) {
	for _, g := range list {
		all = append(all, g.operands...)
	}
	return all
}

func (p *parser) operand() operand {
	o := operand{value: newValue(p.next(), p.errs)}
	p.mask(&o)
	return o
}

// mask reads /width or &mask; there may be none.
func (p *parser) mask(o *operand) {
	o.width = -1
	if o.value.text == "" { // SAVE has a mask without a value
		o.value.pos = p.peek().pos
	}
	switch {
	case p.accept("/"):
		t := p.next()
		n, err := strconv.Atoi(t.text)
		if t.kind != tokInt || err != nil {
			p.fail(t, "write /24", "%s is no width", shown(t))
		}
		o.width = n
	case p.accept("&"):
		v := newValue(p.next(), p.errs)
		o.mask = &v
	}
}
