package srl

import (
	"strconv"
	"strings"

	"flowmeter/meter/conf"
)

func lower(s string) string { return strings.ToLower(s) }

// A program is what was parsed.
type program struct {
	stmts   []*stmt
	subs    []*sub
	defines []*define
	ruleSet string   // of SET, an extension of NeTraMet
	head    []string // comments before the first word
	foot    []string // comments behind the last statement
}

// A sub is a subroutine declaration.
type sub struct {
	name     string // in lower case, as all names
	pos      pos
	params   []*param
	stmts    []*stmt
	comments []string
	foot     []string // comments before ENDSUB
	called   bool
}

// A param is a parameter; bind finds what it stands for.
type param struct {
	name     string
	pos      pos
	variable bool
	stands   []*attribute // what calls pass, each once
}

// A ref is the name of an attribute, or of a parameter that stands for one.
type ref struct {
	pos   pos
	name  string // as it was written
	attr  *attribute
	param *param
}

type exprOp uint8

const (
	opTest exprOp = iota
	opAnd
	opOr
)

// An expr is a test of an attribute against operands, or several of them.
type expr struct {
	op   exprOp
	kids []*expr
	ref  ref
	list []group
}

// A group is a run of operands that one define stands for, or one operand.
type group struct {
	def      *define // nil for none
	operands []operand
}

type stmtKind uint8

const (
	stIf stmtKind = iota
	stCompound
	stSave     // the packet's value, under a mask
	stSaveRule // a constant
	stStore
	stCount
	stIgnore
	stNoMatch
	stExit
	stReturn
	stCall
	stNull
	stRemark // an extension of NeTraMet that is no rule
)

// A stmt is a statement.
type stmt struct {
	kind     stmtKind
	pos      pos
	comments []string
	cond     *expr
	save     bool // of stIf
	then     *stmt
	els      *stmt // nil without
	label    string
	labelPos pos
	used     bool // some EXIT leaves it
	body     []*stmt
	foot     []string // comments before }
	ref      ref
	operand  operand // a constant, or a mask alone
	number   int     // of RETURN; 0 for none
	sub      string  // of CALL
	args     []ref
	answers  []numbered
	target   *stmt // of EXIT
}

// A numbered statement is what a CALL does with some numbers.
type numbered struct {
	numbers []int
	pos     pos
	stmt    *stmt
}

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
