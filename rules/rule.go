package rules

import (
	"strings"

	"gopkg.in/yaml.v3"

	"flowmeter/meter/conf"
)

const (
	scalarNode   = yaml.ScalarNode
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
)

var actionNames = []string{"next", "count", "ignore", "nomatch"}

// A rule as it stands in the file. What matches is done in this order: save,
// set, then, do.
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
	sets     []assigned
	do       action
}

// saved is one attribute of save:.
type saved struct {
	field *field
	bits  uint8 // leading bits to keep of an address or port; whole if wholeBits
}

const wholeBits = 255

// assigned is one attribute or variable of set:.
type assigned struct {
	field *field
	value uint16
}

// reader reads the rule sets of one file.
type reader struct {
	nets  *Networks
	sets  Sets
	names *names // of the rule set being read
	left  int    // rules that may still come
}

func (p *reader) rules(v conf.Value, depth int) []*rule {
	var list []*rule
	v.Each(func(item conf.Value) {
		if p.spend(item, 1) {
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
	r := &rule{at: v}
	var then, els conf.Value
	v.Map(conf.Fields{
		"if":   func(v conf.Value) { r.where, r.expr = v, p.parseIf(v) },
		"then": func(v conf.Value) { then = v },
		"else": func(v conf.Value) { els = v },
		"save": func(v conf.Value) { r.explicit, r.saves = true, parseSaves(v) },
		"set":  func(v conf.Value) { p.assignAll(r, v) },
		"do":   func(v conf.Value) { r.do = action(v.Enum(actionNames...)) },
	})
	r.then = p.nested(r, "then", then, depth)
	r.els = p.nested(r, "else", els, depth)
	return r
}

func (p *reader) nested(r *rule, key string, v conf.Value, depth int) []*rule {
	switch {
	case v.Node == nil:
		return nil
	case r.where.Node == nil:
		v.Errorf("write if: beside it", "%s: without if:", key)
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
			c := &checker{at: r.where, nets: p.nets, sets: p.sets, names: p.names}
			r.cond = c.expr(r.expr)
		}
		p.check(r.then)
		p.check(r.els)
	}
}
