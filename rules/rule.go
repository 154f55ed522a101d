package rules

import (
	"net/netip"
	"strings"

	"gopkg.in/yaml.v3"

	"flowmeter/meter/conf"
)

const (
	scalarNode   = yaml.ScalarNode
	mappingNode  = yaml.MappingNode
	sequenceNode = yaml.SequenceNode
	singleQuoted = yaml.SingleQuotedStyle
	doubleQuoted = yaml.DoubleQuotedStyle
)

// Bounds on what a file may ask for. YAML aliases can make a small file large.
const (
	maxRules   = 200_000 // of all rule sets of a file together
	maxExprLen = 1 << 16 // octets; each exprUnit of them counts as a rule
	exprUnit   = 512
	maxErrors  = 1000
	maxNameLen = 64 // octets
)

type action uint8

const (
	doNext action = iota
	doCount
	doIgnore
	doNoMatch
	doReturn // from the subroutine that the rule is in
	doLeave  // the block that the rule is in
)

var actionNames = []string{"next", "count", "ignore", "nomatch", "return"}

// A rule as it stands in the file. What matches is done in this order: save,
// set, measure, call, then, do.
type rule struct {
	at    conf.Value
	expr  *expr // as written; nil without if:
	where conf.Value
	cond  *cond // expr, checked
	then  []*rule
	els   []*rule
	saves []saved // of save:, if explicit
	// explicit is set by any save:, also an empty one.
	explicit bool
	matched  conf.Value // the word in save:; no Node where it is not there
	sets     []assigned
	call     *instance // nil without call:
	on       []answer
	measures []Quantity
	do       action
	end      conf.Value // the key that do was read from
	number   uint8      // of doReturn: 1 to 255, or 0 for none
	block    string     // name of then:, to be left by leave:
	leave    *rule      // of doLeave: the rule that the block belongs to
	scope    scope      // what the names of parameters mean in it
}

// saved is one attribute of save:.
type saved struct {
	field *field
	bits  uint8  // leading bits to keep of an address or port; whole if wholeBits
	mask  uint64 // bits to keep of all else

	// constant tells that num or addr is saved, whatever the packet holds.
	constant bool
	num      uint64
	addr     netip.Addr
}

const (
	wholeBits = 255
	wholeMask = ^uint64(0)
)

func unmasked(f *field) saved { return saved{field: f, bits: wholeBits, mask: wholeMask} }

// need returns what a packet must have for the attribute to be saved: for an
// address that is a constant, its family, so that a key is of one family.
func (s *saved) need() have {
	switch {
	case !s.constant && presences[s.field.attr].need != 0:
		return presences[s.field.attr].need
	case !s.constant:
		return s.field.from[0].need
	case !s.field.isAddr():
		return 0
	case s.field.from[0].need == arp4:
		return arp4
	case s.addr.Is4():
		return anyIP | ip4
	}
	return anyIP | ip6
}

// assigned is one attribute or variable of set:.
type assigned struct {
	field *field
	value uint16
}

// reader reads the rule sets of one file.
type reader struct {
	nets  *Networks
	sets  Sets
	subs  Subroutines
	names *names // of the rule set being read
	left  int    // rules that may still come
	calls
	place
}

func (p *reader) rules(v conf.Value, depth int) []*rule {
	var list []*rule
	v.Each(func(item conf.Value) {
		if p.spend(item, 1) {
			p.cost++
			list = append(list, p.rule(item, depth))
		}
	})
	return list
}

// spend takes n from the rules that may still come. When they are used up, it
// says so once and nothing more is read.
func (p *reader) spend(v conf.Value, n int) bool {
	if p.left >= 0 && p.left < n {
		v.Errorf("put long lists into networks: or sets:", "more than %d rules", maxRules)
		p.left = -1
	}
	if p.left < 0 || len(v.C.Errors) > maxErrors {
		return false
	}
	p.left -= n
	return true
}

func (p *reader) rule(v conf.Value, depth int) *rule {
	r := &rule{at: v, scope: p.scope}
	var then, els, call, on, block conf.Value
	keep := func(to *conf.Value) func(conf.Value) { return func(v conf.Value) { *to = v } }
	v.Map(conf.Fields{
		"if":      func(v conf.Value) { r.where, r.expr = v, p.parseIf(v) },
		"then":    keep(&then),
		"else":    keep(&els),
		"save":    func(v conf.Value) { p.save(r, v) },
		"set":     func(v conf.Value) { p.assignAll(r, v) },
		"measure": func(v conf.Value) { p.measure(r, v) },
		"call":    keep(&call),
		"on":      keep(&on),
		"block":   keep(&block),
		"do":      func(v conf.Value) { p.ends(r, v, action(v.Enum(actionNames...))) },
		"return":  func(v conf.Value) { r.number = uint8(v.Int(1, maxReturn)); p.ends(r, v, doReturn) },
		"leave":   func(v conf.Value) { r.leave = p.leave(v); p.ends(r, v, doLeave) },
	})
	p.call(r, call, on, depth)
	if block.Node != nil {
		p.enter(r, block, then)
		r.then = p.list(then, depth)
		p.blocks = p.blocks[:len(p.blocks)-1]
	} else {
		r.then = p.nested(r, "then", then, depth)
	}
	r.els = p.nested(r, "else", els, depth)
	return r
}

// nested reads a list that is tried if the condition is true, or if it is not.
func (p *reader) nested(r *rule, key string, v conf.Value, depth int) []*rule {
	if v.Node != nil && r.where.Node == nil {
		v.Errorf("write if: beside it", "%s: without if:", key)
	}
	return p.list(v, depth)
}

// list reads a list within a rule; there may be none.
func (p *reader) list(v conf.Value, depth int) []*rule {
	switch {
	case v.Node == nil:
		return nil
	case depth == maxDepth:
		v.Errorf("", "rules nested deeper than %d", maxDepth)
		return nil
	}
	return p.rules(v, depth+1)
}

// parseIf reads an expression and reports what is wrong with its text.
func (p *reader) parseIf(v conf.Value) *expr {
	const hint = "write the expression in quotes"
	switch {
	case v.Kind != scalarNode:
		v.Errorf(hint, "an expression stands in one piece of text")
		return nil
	case !strings.HasPrefix(v.Tag, "!!"):
		v.Errorf(hint+": '"+v.Tag+" …'", "YAML takes %s for a tag", v.Tag)
		return nil
	case len(v.Value) > maxExprLen:
		v.Errorf("put long lists into networks: or sets:", "the expression is longer than %d octets", maxExprLen)
		return nil
	case !p.spend(v, len(v.Value)/exprUnit):
		return nil
	}
	e, mistakes := parseExpr(v.Value)
	for _, m := range mistakes {
		v.ErrorAt(m.pos, m.hint, "%s", m.msg)
	}
	return e
}

// check gives all expressions their meaning, once all names are known.
func (p *reader) check(rules []*rule) {
	for _, r := range rules {
		if r.expr != nil && len(r.where.C.Errors) <= maxErrors {
			c := &checker{at: r.where, nets: p.nets, sets: p.sets, names: p.names, scope: r.scope}
			r.cond = c.expr(r.expr)
		}
		if r.matched.Node != nil {
			r.checkMatched()
		}
		for _, list := range r.lists() {
			p.check(list)
		}
	}
}

// lists returns the lists within a rule.
func (r *rule) lists() [][]*rule {
	lists := [][]*rule{r.then, r.els}
	for _, a := range r.on {
		lists = append(lists, a.rules)
	}
	return lists
}

// visit calls f for all rules of a list and of what they call, each once.
func visit(rules []*rule, f func(*rule)) { visitCalls(rules, f, map[*instance]bool{}) }

func visitCalls(rules []*rule, f func(*rule), seen map[*instance]bool) {
	for _, r := range rules {
		f(r)
		if r.call != nil && !seen[r.call] {
			seen[r.call] = true
			visitCalls(r.call.rules, f, seen)
		}
		for _, list := range r.lists() {
			visitCalls(list, f, seen)
		}
	}
}
