package rules

import (
	"strconv"
	"strings"

	"flowmeter/meter/conf"
)

// This file reads what rules put into keys: save: and set:.

// parseSaves reads save: a list of attributes, each with or without a mask.
// attribute/n keeps the n leading bits: src.addr/24 of either family (an IPv4
// address has but 32), ip.src/24 of IPv4 and ipv6.src/48 of IPv6 alone; both of
// these in one list give each family its own. Ports can be masked likewise.
func parseSaves(v conf.Value) []saved {
	var list []saved
	one := func(item conf.Value) {
		if s, ok := parseSave(item); ok {
			list = append(list, s)
		}
	}
	if v.Kind == scalarNode && !v.IsNull() {
		one(v)
	} else {
		v.Each(one)
	}
	return list
}

func parseSave(v conf.Value) (saved, bool) {
	name, mask, masked := strings.Cut(v.Str(), "/")
	f := fieldByName(name)
	switch {
	case f == nil:
		v.Errorf(didYouMean(name, savable()), "unknown attribute %q", name)
		return saved{}, false
	case f.attr&computed != 0:
		v.Errorf("set: saves it too", "%s is saved by set:", name)
		return saved{}, false
	case f.attr == 0:
		v.Errorf(saveHint(f), "%s cannot be saved", name)
		return saved{}, false
	case !masked:
		return saved{f, wholeBits}, true
	}
	width := maskWidth(f)
	n, err := strconv.Atoi(mask)
	switch {
	case width == 0:
		v.ErrorAt(len(name), "addresses and ports have masks", "%s has no mask", name)
	case err != nil || n < 0 || n > width:
		v.ErrorAt(len(name)+1, "", "%q is no mask: 0 to %d leading bits", mask, width)
	default:
		return saved{f, uint8(n)}, true
	}
	return saved{}, false
}

func savable() []string {
	return fieldNames(func(f *field) bool { return f.attr != 0 })
}

// saveHint names what can be saved in place of a field that cannot.
func saveHint(f *field) string {
	if i := strings.Index(f.note, "save "); i >= 0 {
		return f.note[i:]
	}
	return ""
}

func maskWidth(f *field) int {
	switch f.typ {
	case typeAddr, typeAddr6:
		return 128
	case typeAddr4:
		return 32
	}
	if f.attr&(SrcPort|DstPort) != 0 {
		return 16
	}
	return 0
}

// assignAll reads set:, a mapping of attributes and variables to values.
func (p *reader) assignAll(r *rule, v conf.Value) {
	seen := map[string]bool{}
	v.Pairs(func(key, val conf.Value) {
		if seen[key.Value] {
			key.Errorf("remove one of the two", "key %q stands here twice", key.Value)
		}
		seen[key.Value] = true
		p.assign(r, key, val)
	})
}

// assign reads one key of set:.
func (p *reader) assign(r *rule, key, val conf.Value) {
	name := key.Value
	f := fieldByName(name)
	switch {
	case f != nil && f.attr&computed == 0:
		key.Errorf("set: changes class, kind, src.class, dst.class, src.kind, dst.kind and variables",
			"%s is a field of the packet", name)
		return
	case f == nil && !isVariable(name):
		key.Errorf("a letter, then letters, digits and _", "%q cannot be the name of a variable", name)
		return
	case f == nil:
		if f = p.names.variable(name); f == nil {
			key.Errorf("", "more than %d variables", maxVars)
			return
		}
	}
	if n, ok := p.assignedValue(f, val); ok {
		r.sets = append(r.sets, assigned{f, n})
	}
}

// assignedValue reads a number from 0 to 255 or a name.
func (p *reader) assignedValue(f *field, v conf.Value) (uint16, bool) {
	if v.Tag == "!!int" {
		errors := len(v.C.Errors)
		n := v.Int(0, firstName-1)
		return uint16(n), len(v.C.Errors) == errors
	}
	name := v.Str()
	if name == "" || len(name) > maxNameLen {
		v.Errorf("0 to 255, or a name", "%s needs a value", f.name)
		return 0, false
	}
	n, ok := p.names.intern(f.name, name)
	if !ok {
		v.Errorf("", "more than %d names", maxNames)
	}
	return n, ok
}

func isVariable(name string) bool {
	if name == "" || !isName(name) || strings.Contains(name, "-") {
		return false
	}
	tokens, m := lex(name)
	if m != nil || tokens[0].kind != tokWord {
		return false
	}
	_, m = newLiteral(tokens[0])
	return m != nil
}
