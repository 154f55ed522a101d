package rules

// maxDepth bounds how deep parentheses, negations and then/else may nest.
const maxDepth = 64

type exprKind uint8

const (
	exprAnd  exprKind = iota // all kids
	exprOr                   // any kid
	exprNot                  // not the one kid
	exprTest                 // name op items
	exprHas                  // name alone, or name & mask: is any bit set?
)

// An expr is an expression as it was written, names and types unchecked.
type expr struct {
	kind  exprKind
	pos   int
	kids  []*expr
	name  string
	all   bool         // exprTest: all values of the field are meant, not any
	slice []octetRange // octets of the field, not all of it
	mask  *literal     // of & mask
	op    string       // ==, !=, <, <=, >, >=, in, contains or ~ (matches)
	items []item       // one, but for in
}

// octets tells whether the values are written as octets.
func (e *expr) octets() bool { return e.slice != nil || e.op == "contains" }

// parser reads tokens by recursive descent. After a mistake of structure it
// stands at the end of the tokens, so that every loop stops; words that are no
// values are noted, and it goes on.
type parser struct {
	tokens   []token
	depth    int
	mistakes []*mistake
	failed   bool
}

// parseExpr reads an expression. Precedence, from the strongest: comparison,
// !, &&, ||; as in display filters. The expression is nil if its structure is
// not clear.
func parseExpr(text string) (*expr, []*mistake) {
	tokens, m := lex(text)
	if m != nil {
		return nil, []*mistake{m}
	}
	p := &parser{tokens: tokens}
	if p.peek().kind == tokEnd {
		return nil, []*mistake{mistakef(0, "without if: a rule matches every packet", "the expression is empty")}
	}
	e := p.or()
	if t := p.peek(); t.kind != tokEnd {
		p.fail(unexpected(t))
	}
	if p.failed {
		return nil, p.mistakes
	}
	return e, p.mistakes
}

func unexpected(t token) *mistake {
	switch {
	case t.text == ")":
		return mistakef(t.pos, "", "this ) was never opened")
	case t.text == "{" || t.text == "}" || t.text == "," || t.text == "..":
		return mistakef(t.pos, "sets are written field in {a, b, c..d}", "unexpected %s", t.text)
	case t.kind == tokSlice:
		return mistakef(t.pos, "a slice stands behind a field: eth.src[0:3]", "unexpected [")
	case t.kind == tokSymbol:
		name := t.text
		if name == "~" {
			name = "matches"
		}
		return mistakef(t.pos, "a comparison is written field, operator, value", "unexpected %s", name)
	}
	return mistakef(t.pos, "join comparisons with && or ||", "unexpected %s", t.text)
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) next() token {
	t := p.tokens[0]
	if t.kind != tokEnd {
		p.tokens = p.tokens[1:]
	}
	return t
}

// accept takes the next token if it is the given symbol.
func (p *parser) accept(symbol string) bool {
	if t := p.peek(); t.kind != tokSymbol || t.text != symbol {
		return false
	}
	p.next()
	return true
}

// fail notes the first mistake of structure and skips all that is left.
func (p *parser) fail(m *mistake) {
	if !p.failed {
		p.mistakes = append(p.mistakes, m)
	}
	p.failed = true
	p.tokens = p.tokens[len(p.tokens)-1:]
}

func (p *parser) or() *expr { return p.chain(exprOr, "||", p.and) }

func (p *parser) and() *expr { return p.chain(exprAnd, "&&", p.unary) }

func (p *parser) chain(kind exprKind, symbol string, operand func() *expr) *expr {
	first := operand()
	if t := p.peek(); t.kind != tokSymbol || t.text != symbol {
		return first
	}
	e := &expr{kind: kind, pos: first.pos, kids: []*expr{first}}
	for p.accept(symbol) {
		e.kids = append(e.kids, operand())
	}
	return e
}

func (p *parser) unary() *expr {
	t := p.peek()
	if p.depth++; p.depth > maxDepth {
		p.fail(mistakef(t.pos, "split the rule with then: and else:", "nested deeper than %d", maxDepth))
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("!"):
		return &expr{kind: exprNot, pos: t.pos, kids: []*expr{p.unary()}}
	case p.accept("("):
		e := p.or()
		if !p.accept(")") {
			p.fail(p.unclosed(t))
		}
		return e
	}
	return p.comparison()
}

// unclosed says what keeps a bracket from being closed.
func (p *parser) unclosed(open token) *mistake {
	if t := p.peek(); t.kind != tokEnd {
		return unexpected(t)
	}
	return mistakef(open.pos, "", "this %s is never closed", open.text)
}

// A comparison is what an operator asks.
type comparison struct {
	op  string
	all bool // of all values of the field, unless it says any
}

var comparisons = map[string]comparison{
	"==": {"==", false}, "===": {"==", true}, "!=": {"!=", true}, "!==": {"!=", false},
	"<": {"<", false}, "<=": {"<=", false}, ">": {">", false}, ">=": {">=", false},
	"in": {"in", false}, "contains": {"contains", false}, "~": {"~", false},
}

// comparison reads a field alone, or one and what it is compared with.
func (p *parser) comparison() *expr {
	quantifier := p.quantifier()
	t := p.next()
	if t.kind != tokWord {
		p.fail(noField(t))
		return &expr{kind: exprHas, pos: t.pos}
	}
	e := &expr{kind: exprHas, pos: t.pos, name: t.text}
	if next := p.peek(); next.kind == tokSymbol && next.text == "(" {
		p.fail(mistakef(t.pos, "compare a field with a value", "there is no function %s", t.text))
	}
	if s := p.peek(); s.kind == tokSlice {
		p.next()
		e.slice = p.ranges(s)
	}
	if p.accept("&") {
		if t := p.peek(); fieldByName(t.text) != nil {
			p.fail(mistakef(t.pos, "write && for and", "a mask is a value, and %s is a field", t.text))
		}
		e.mask = new(literal)
		*e.mask = p.value(e)
	}
	return p.compared(e, t, quantifier)
}

// quantifier reads any or all in front of a field.
func (p *parser) quantifier() string {
	t := p.peek()
	if t.kind != tokWord || t.text != "any" && t.text != "all" || len(p.tokens) < 2 || p.tokens[1].kind != tokWord {
		return ""
	}
	p.next()
	return t.text
}

// compared reads operator and value, if there are any.
func (p *parser) compared(e *expr, field token, quantifier string) *expr {
	op, not := p.peek(), false
	if op.kind == tokSymbol && op.text == "!" && p.tokens[1].kind == tokSymbol && p.tokens[1].text == "in" {
		p.next()
		op, not = p.peek(), true
	}
	c, known := comparisons[op.text]
	switch {
	case op.kind != tokSymbol || !known:
		if quantifier != "" {
			p.fail(mistakef(op.pos, "write "+quantifier+" "+e.name+" == value", "%s needs a comparison", quantifier))
		}
		return e
	case quantifier != "" && (not || op.text == "===" || op.text == "!=="):
		p.fail(mistakef(op.pos, "write "+quantifier+" with ==, !=, <, <=, >, >= or in", "%s does not go with this operator", quantifier))
	}
	if _, m := newLiteral(field); m == nil && fieldByName(field.text) == nil {
		p.fail(mistakef(field.pos, "write the field first, then the value", "%s stands where a field should", field.text))
	}
	p.next()
	e.kind, e.op, e.all = exprTest, c.op, c.all
	if quantifier != "" {
		e.all = quantifier == "all"
	}
	if c.op == "in" {
		e.items = p.set(e)
	} else {
		e.items = []item{{lo: p.value(e)}}
	}
	if not {
		return &expr{kind: exprNot, pos: e.pos, kids: []*expr{e}}
	}
	return e
}

// noField explains a token where a field should stand.
func noField(t token) *mistake {
	switch t.kind {
	case tokEnd:
		return mistakef(t.pos, "", "the expression ends where a field should stand")
	case tokString:
		return mistakef(t.pos, "write the field first: kind == "+quote(t.text), "a text stands where a field should")
	case tokList:
		return mistakef(t.pos, "write src.addr in $"+t.text, "$%s stands where a field should", t.text)
	}
	return unexpected(t)
}

// value reads what e is compared with.
func (p *parser) value(e *expr) literal {
	t := p.next()
	l, m := newLiteral(t)
	if t.kind == tokWord && e.octets() {
		l, m = newOctets(t)
	}
	switch {
	case m != nil && t.kind == tokWord:
		p.mistakes = append(p.mistakes, m)
		l.kind = litBad
	case m != nil:
		p.fail(m)
	}
	return l
}

// set reads {a, b..c} or $name.
func (p *parser) set(e *expr) []item {
	open := p.peek()
	if open.kind == tokList {
		return []item{{lo: p.value(e)}}
	}
	if !p.accept("{") {
		p.fail(mistakef(open.pos, "write field in {a, b, c..d} or field in $list", "in needs a set"))
	}
	if t := p.peek(); t.text == "}" {
		p.fail(mistakef(t.pos, "write field in {a, b, c..d}", "the set is empty"))
	}
	var items []item
	for !p.failed {
		items = append(items, p.item(e))
		if !p.accept(",") {
			break
		}
	}
	if t := p.peek(); t.kind == tokWord || t.kind == tokString {
		p.fail(mistakef(t.pos, "write commas between the values of a set", "unexpected %s", t.text))
	}
	if !p.accept("}") {
		p.fail(p.unclosed(open))
	}
	return items
}

func (p *parser) item(e *expr) item {
	it := item{lo: p.value(e)}
	if p.accept("..") {
		it.ranged, it.hi = true, p.value(e)
	}
	return it
}
