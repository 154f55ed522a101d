package srl

import (
	"strconv"
	"strings"

	"flowmeter/meter/conf"
)

// This file reads declarations and statements.

func (p *parser) subroutine() {
	s := &sub{comments: p.leading()}
	p.next()
	name := p.identifier("a subroutine needs a name")
	s.name, s.pos = name.text, name.pos
	p.prog.subs = append(p.prog.subs, s)
	p.expect("(", "write subroutine name (address a, variable v)")
	for !p.accept(")") {
		if len(s.params) > 0 {
			p.expect(",", "parameters are separated by commas")
		}
		s.params = append(s.params, p.param(s))
	}
	p.sub = s
	p.list(func() bool { return p.is("endsub") }, func(st *stmt) { s.stmts = append(s.stmts, st) })
	s.foot = p.leading()
	if !p.is("endsub") {
		p.fail(name, "write endsub; behind it", "subroutine %s is never ended", s.name)
	}
	p.next()
	p.accept(";")
	s.foot = append(s.foot, p.trailing()...)
	p.sub = nil
}

func (p *parser) param(s *sub) *param {
	t := p.next()
	if t.text != "address" && t.text != "variable" {
		p.fail(t, "write address a or variable v", "%s stands where the kind of a parameter should", shown(t))
	}
	name := p.identifier("a parameter needs a name")
	for _, o := range s.params {
		if o.name == name.text {
			p.errs.once(name.pos, "give it another name", "two parameters have the name %s", name.text)
		}
	}
	return &param{name: name.text, pos: name.pos, variable: t.text == "variable"}
}

func (p *parser) identifier(why string) token {
	t := p.next()
	switch {
	case t.kind != tokIdent:
		p.fail(t, why, "%s stands where a name should", shown(t))
	case keywords[t.text] || attributes[t.text] != nil:
		p.fail(t, "give it another name", "%s is a word of the language", shown(t))
	}
	return t
}

// statement reads one statement with its comments.
func (p *parser) statement() *stmt {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek(), "", "nested deeper than %d", maxDepth)
	}
	s := &stmt{comments: p.leading(), pos: p.peek().pos}
	p.parseInto(s)
	s.comments = append(s.comments, p.trailing()...)
	p.depth--
	return s
}

func (p *parser) parseInto(s *stmt) {
	t := p.peek()
	if t.kind != tokIdent && t.kind != tokSymbol {
		p.fail(t, "", "%s stands where a statement should", shown(t))
	}
	switch t.text {
	case "if":
		p.ifStatement(s)
	case "{":
		p.compound(s)
	case "save":
		p.save(s)
	case "store":
		p.store(s)
	case "exit":
		p.exit(s)
	case "return":
		p.returns(s)
	case "call":
		p.call(s)
	case "count":
		p.plain(s, stCount)
	case "ignore":
		p.plain(s, stIgnore)
	case "nomatch":
		p.plain(s, stNoMatch)
	case ";":
		p.plain(s, stNull)
	case "set", "format", "statistics", "optimise", "optimize":
		p.remark(s)
	default:
		p.labelled(s)
	}
}

// labelled reads label: { … }.
func (p *parser) labelled(s *stmt) {
	t := p.peek()
	if t.kind != tokIdent || keywords[t.text] || attributes[t.text] != nil || p.tokens[p.at+1].text != ":" {
		p.fail(t, statementHint(t), "%s stands where a statement should", shown(t))
	}
	p.next()
	p.next()
	s.label, s.labelPos = t.text, t.pos
	if !p.is("{") {
		p.fail(p.peek(), "write "+t.text+": { … }", "a label stands before a compound statement")
	}
	p.compound(s)
}

func statementHint(t token) string {
	if t.text == "subroutine" {
		return "declare subroutines outside of other statements"
	}
	var known []string
	for w := range keywords {
		known = append(known, w)
	}
	if near := conf.Nearest(t.text, known); near != "" && near != t.text {
		return "did you mean " + near + "?"
	}
	return ""
}

// plain reads statements of one word; the semicolon alone is one.
func (p *parser) plain(s *stmt, k stmtKind) {
	if s.kind = k; k != stNull {
		p.next()
	}
	p.end()
}

func (p *parser) end() { p.expect(";", "statements end with ;") }

// ifStatement reads an if with all its else ifs, one after the other: there may
// be many.
func (p *parser) ifStatement(s *stmt) {
	p.branch(s)
	for p.is("else") {
		lead := p.leading()
		p.next()
		if !p.is("if") {
			s.els = p.statement()
			s.els.comments = append(lead, s.els.comments...)
			return
		}
		s.els = &stmt{comments: append(lead, p.leading()...), pos: p.peek().pos}
		s = s.els
		p.branch(s)
	}
}

// branch reads an if without else.
func (p *parser) branch(s *stmt) {
	p.next()
	s.kind = stIf
	s.cond = p.or()
	if !p.accept("save") {
		s.then = p.statement()
		return
	}
	s.save = true
	if p.accept(",") {
		s.then = p.statement()
		return
	}
	p.expect(";", "write save; or save, and a statement")
	s.then = &stmt{kind: stNull, pos: s.pos, comments: p.trailing()}
}

func (p *parser) compound(s *stmt) {
	s.kind = stCompound
	open := p.next()
	for _, o := range p.labels {
		if s.label != "" && o.label == s.label {
			p.errs.once(s.labelPos, "give it another name", "label %s is within a statement of the same label", s.label)
		}
	}
	p.labels = append(p.labels, s)
	p.list(func() bool { return p.is("}") || p.is("endsub") }, func(st *stmt) { s.body = append(s.body, st) })
	s.foot = p.leading()
	if !p.accept("}") {
		p.fail(open, "", "this { is never closed")
	}
	p.labels = p.labels[:len(p.labels)-1]
}

func (p *parser) save(s *stmt) {
	p.next()
	s.kind, s.ref = stSave, p.ref()
	if p.accept("=") {
		s.kind, s.operand = stSaveRule, p.operand()
	} else {
		p.mask(&s.operand)
	}
	p.end()
}

func (p *parser) store(s *stmt) {
	p.next()
	s.kind, s.ref = stStore, p.ref()
	p.expect(":=", "write store FlowKind := 7")
	s.operand = operand{value: newValue(p.next(), p.errs), width: -1}
	p.end()
}

func (p *parser) exit(s *stmt) {
	p.next()
	s.kind = stExit
	t := p.identifier("name the label of a statement around it")
	for _, o := range p.labels {
		if o.label == t.text {
			s.target, o.used = o, true
		}
	}
	if s.target == nil {
		p.errs.once(t.pos, "exit leaves a labelled statement that it is in", "no statement around has the label %s", t.text)
	}
	p.end()
}

// maxNumber is the largest number that RETURN has here.
const maxNumber = 255

func (p *parser) returns(s *stmt) {
	t := p.next()
	s.kind = stReturn
	if p.sub == nil {
		p.errs.once(t.pos, "", "return outside of a subroutine")
	}
	if p.peek().kind == tokInt {
		s.number = p.number()
	}
	p.end()
}

func (p *parser) number() int {
	t := p.next()
	n, err := strconv.Atoi(t.text)
	if t.kind != tokInt || err != nil || n < 1 || n > maxNumber {
		p.fail(t, "", "%s is no number from 1 to %d", shown(t), maxNumber)
	}
	return n
}

func (p *parser) call(s *stmt) {
	p.next()
	s.kind = stCall
	name := p.identifier("name the subroutine")
	s.sub, s.labelPos = name.text, name.pos
	p.expect("(", "write call name (arguments) … endcall;")
	for !p.accept(")") {
		if len(s.args) > 0 {
			p.expect(",", "arguments are separated by commas")
		}
		s.args = append(s.args, p.ref())
	}
	for p.peek().kind == tokInt {
		p.try(func() { s.answers = append(s.answers, p.numbered()) })
	}
	p.expect("endcall", "write 1: and a statement, or endcall;")
	p.end()
}

func (p *parser) numbered() numbered {
	n := numbered{pos: p.peek().pos}
	for p.peek().kind == tokInt {
		n.numbers = append(n.numbers, p.number())
		p.expect(":", "write 1: and a statement")
	}
	n.stmt = p.statement()
	return n
}

// remark keeps the words of a statement that is no rule, as a comment.
func (p *parser) remark(s *stmt) {
	s.kind = stRemark
	first := p.next()
	text := []string{first.spelt}
	for !p.is(";") && p.peek().kind != tokEnd {
		text = append(text, shown(p.next()))
	}
	p.end()
	if first.text == "set" && len(text) == 2 {
		p.prog.ruleSet = clean(text[1])
		return
	}
	s.comments = append(s.comments, clean(strings.Join(text, " "))+remarks[first.text])
}

// remarks say what stands for NeTraMet's extensions here.
var remarks = map[string]string{
	"format":     " (here: fields of an exporter)",
	"statistics": " (here: the metrics of the meter)",
	"optimise":   " (here: always)",
	"optimize":   " (here: always)",
}
