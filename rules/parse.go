package rules

// maxDepth bounds how deep parentheses, negations and then/else may nest.
const maxDepth = 64

type exprKind uint8

const (
	exprAnd  exprKind = iota // all kids
	exprOr                   // any kid
	exprNot                  // not the one kid
	exprTest                 // name op items
	exprHas                  // name alone
)

// An expr is an expression as it was written, names and types unchecked.
type expr struct {
	kind  exprKind
	pos   int
	kids  []*expr
	name  string
	op    string // ==, !=, <, <=, >, >= or in
	items []item // one, but for in
}

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
	case t.kind == tokSymbol:
		return mistakef(t.pos, "a comparison is written field, operator, value", "unexpected %s", t.text)
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

var comparisons = map[string]bool{"==": true, "!=": true, "<": true, "<=": true, ">": true, ">=": true, "in": true}

func (p *parser) comparison() *expr {
	t := p.next()
	if t.kind != tokWord {
		p.fail(noField(t))
		return &expr{kind: exprHas, pos: t.pos}
	}
	e := &expr{kind: exprHas, pos: t.pos, name: t.text}
	op := p.peek()
	if op.kind != tokSymbol || !comparisons[op.text] {
		return e
	}
	if _, m := newLiteral(t); m == nil && fieldByName(t.text) == nil {
		p.fail(mistakef(t.pos, "write the field first, then the value", "%s stands where a field should", t.text))
	}
	p.next()
	e.kind, e.op = exprTest, op.text
	if op.text == "in" {
		e.items = p.set()
	} else {
		e.items = []item{{lo: p.value()}}
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

func (p *parser) value() literal {
	t := p.next()
	l, m := newLiteral(t)
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
func (p *parser) set() []item {
	open := p.peek()
	if open.kind == tokList {
		return []item{{lo: p.value()}}
	}
	if !p.accept("{") {
		p.fail(mistakef(open.pos, "write field in {a, b, c..d} or field in $list", "in needs a set"))
	}
	if t := p.peek(); t.text == "}" {
		p.fail(mistakef(t.pos, "write field in {a, b, c..d}", "the set is empty"))
	}
	var items []item
	for !p.failed {
		items = append(items, p.item())
		if !p.accept(",") {
			break
		}
	}
	if !p.accept("}") {
		p.fail(p.unclosed(open))
	}
	return items
}

func (p *parser) item() item {
	it := item{lo: p.value()}
	if p.accept("..") {
		it.ranged, it.hi = true, p.value()
	}
	return it
}
