package rules

import (
	"flowmeter/meter/conf"
)

// A Set is a named list of values that any field of their type can be tested
// for: numbers, ranges, addresses, prefixes, MAC addresses, names.
type Set struct {
	items []item
	as    map[setType]*values // what the items are to fields of a type
}

// A setType is what the meaning of a set's items depends on.
type setType struct {
	typ fieldType
	max uint64
}

// Sets holds the lists of `sets:` by name.
type Sets map[string]*Set

// ParseSets reads the value of `sets:`, a mapping of names to lists. A name
// that nets has too is an error.
func ParseSets(v conf.Value, nets *Networks) Sets {
	sets := Sets{}
	if v.Node == nil || v.IsNull() {
		return sets
	}
	seen := map[string]bool{}
	v.Pairs(func(key, val conf.Value) {
		if !listName(key, seen) {
			return
		}
		if nets.lists[key.Value] != nil {
			key.Errorf("give one of them another name", "$%s is a list of networks already", key.Value)
			return
		}
		sets[key.Value] = parseSet(val)
	})
	return sets
}

func parseSet(v conf.Value) *Set {
	set := &Set{as: map[setType]*values{}}
	one := func(item conf.Value) {
		it, m := parseItem(item)
		if m != nil {
			item.ErrorAt(m.pos, m.hint, "%s", m.msg)
			return
		}
		set.items = append(set.items, it)
	}
	eachItem(v, one)
	return set
}

// parseItem reads one value or range. What looks like no value is a name, and
// so is a number in quotes.
func parseItem(v conf.Value) (item, *mistake) {
	text := v.Str()
	tokens, m := lex(text)
	if m != nil {
		return item{}, m
	}
	if len(tokens) == 2 && tokens[0].kind == tokWord {
		l, m := newLiteral(tokens[0])
		quoted := v.Style&(singleQuoted|doubleQuoted) != 0
		if m != nil && isName(text) || m == nil && quoted && l.kind == litNumber {
			l, m = literal{kind: litName, text: text}, nil
		}
		return item{lo: l}, m
	}
	p := &parser{tokens: tokens}
	it := p.item(&expr{})
	switch t := p.peek(); {
	case p.failed:
	case it.lo.kind == litList:
		p.fail(mistakef(0, "use both lists in the expression: in {$a, $b}", "a set cannot hold another"))
	case t.kind != tokEnd:
		p.fail(mistakef(t.pos, "one value or range for each item", "unexpected %s", t.text))
	}
	if len(p.mistakes) > 0 {
		return it, p.mistakes[0]
	}
	return it, nil
}

// isName tells whether a text begins like a word and is no misspelt number.
func isName(s string) bool {
	c := s[0] | 0x20
	return c >= 'a' && c <= 'z' && prefixOf(s, isNameRune) == s
}
