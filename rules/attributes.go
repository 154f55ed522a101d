package rules

import (
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"flowmeter/meter/conf"
)

// This file reads what rules put into keys: save: and set:.

// matchedWord stands in save: for what the rule's if: was equal to.
const matchedWord = "matched"

// save reads save: a list of attributes, each with or without a mask.
// attribute/n keeps the n leading bits: src.addr/24 of either family (an IPv4
// address has but 32), ip.src/24 of IPv4 and ipv6.src/48 of IPv6 alone; both of
// these in one list give each family its own. A mapping gives attributes values
// that no packet has a say in.
func (p *reader) save(r *rule, v conf.Value) {
	r.explicit = true
	one := func(item conf.Value) {
		switch {
		case item.Kind == mappingNode:
			item.Pairs(func(key, val conf.Value) {
				if s, ok := p.parseSave(key); ok && p.constant(&s, key, val) {
					r.addSave(s, key)
				}
			})
		case item.Value == matchedWord && item.Kind == scalarNode:
			r.matched = item
		default:
			if s, ok := p.parseSave(item); ok {
				r.addSave(s, item)
			}
		}
	}
	if v.Kind == sequenceNode || v.IsNull() {
		v.Each(one)
	} else {
		one(v)
	}
}

func (r *rule) addSave(s saved, at conf.Value) {
	if slices.ContainsFunc(r.saves, func(o saved) bool { return o.field == s.field }) {
		at.Warnf("remove one of the two", "this rule saves %s twice: the last one counts", s.field.name)
	}
	r.saves = append(r.saves, s)
}

// constant reads the value of an attribute that is saved whatever the packet
// has. An address may bring its mask: 10.0.0.0/8.
func (p *reader) constant(s *saved, key, v conf.Value) bool {
	f := s.field
	if f.attr == Version {
		key.Errorf("save "+f.name+" alone", "the IP version of a key is always the packet's")
		return false
	}
	it, m := parseItem(v)
	if strings.HasPrefix(v.Value, "$") {
		it.ranged, m = true, nil
	}
	switch {
	case m != nil:
		v.ErrorAt(m.pos, m.hint, "%s", m.msg)
		return false
	case it.ranged:
		v.Errorf("write one value", "a key holds one value of %s", f.name)
		return false
	}
	c := &checker{at: v, nets: p.nets, sets: p.sets, names: p.names}
	s.constant = true
	if f.isAddr() {
		ok := c.addr(f, it.lo)
		if ok {
			s.bits = min(s.bits, uint8(it.lo.prefix.Bits()))
			s.addr = netip.PrefixFrom(it.lo.prefix.Addr(), int(s.bits)).Masked().Addr()
		}
		return ok
	}
	n, ok := c.number(f, it.lo)
	s.num = n & s.mask
	return ok
}

func (p *reader) parseSave(v conf.Value) (saved, bool) {
	text := v.Str()
	name, mask, masked := strings.Cut(text, "/")
	if i := strings.IndexByte(text, '&'); i >= 0 {
		return p.parseMasked(v, i)
	}
	f := p.scope.field(name)
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
		return unmasked(f), true
	}
	width := maskWidth(f)
	n, err := strconv.Atoi(mask)
	switch {
	case width == 0:
		v.ErrorAt(len(name), "save it whole", "%s has no mask", name)
		return saved{}, false
	case err != nil || n < 0 || n > width:
		v.ErrorAt(len(name)+1, "", "%q is no mask: 0 to %d leading bits", mask, width)
		return saved{}, false
	}
	s := unmasked(f)
	s.mask = wholeMask << (width - n)
	if f.isAddr() || f.isPort() {
		s.bits = uint8(n)
	}
	return s, true
}

// parseMasked reads attribute & mask, where & stands at i.
func (p *reader) parseMasked(v conf.Value, i int) (saved, bool) {
	name, text := strings.TrimRight(v.Value[:i], " "), strings.TrimLeft(v.Value[i+1:], " ")
	at := *v.Node
	at.Value = name
	s, ok := p.parseSave(conf.Value{Node: &at, C: v.C})
	n, err := strconv.ParseUint(text, 0, 64)
	switch {
	case !ok:
	case s.field.isAddr() || s.field.isPort() || s.field.typ == typeMAC || s.field.attr == Version:
		v.ErrorAt(i, "write "+name+"/n for its n leading bits", "%s has no mask of single bits", name)
		return saved{}, false
	case err != nil || n > s.field.max:
		v.ErrorAt(i, "write a number: "+name+" & 0x0f", "%q is no mask: %s is 0 to %d", text, name, s.field.max)
		return saved{}, false
	}
	s.mask = n
	return s, ok
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

// maskWidth returns how many bits a mask can keep; 0 for the IP version, which
// says how a key's addresses are to be read.
func maskWidth(f *field) int {
	switch {
	case f.typ == typeAddr4:
		return 32
	case f.isAddr():
		return 128
	case f.attr == Version:
		return 0
	}
	return bits.Len64(f.max)
}

func (f *field) isPort() bool { return f.attr&(SrcPort|DstPort) != 0 }

// operand tells whether a test has a value, or a value under a mask, that can
// be saved once the test is true.
func (k *cond) operand() bool {
	return k.equal && k.field != nil && len(k.field.from) == 1 && k.field.scanned() == nil && k.field.attr&^computed != 0
}

// checkMatched checks that there is something for save: matched to save.
func (r *rule) checkMatched() {
	if r.where.Node == nil {
		r.matched.Errorf("write if: with the values", "nothing is matched without if:")
		return
	}
	if r.cond == nil {
		return // what is wrong with it was said
	}
	some := false
	r.cond.operands(func(k *cond) {
		some = true
		if k.want.ranged {
			r.matched.Errorf("write networks", "%s matches a range of addresses, which is no mask", k.field.name)
		}
	})
	if !some {
		r.matched.Errorf("write if: with field == value or field in {…}, of fields that can be saved",
			"there is nothing in if: that could be saved")
	}
}

// operands calls f for each test whose operand save: matched may save.
func (k *cond) operands(f func(*cond)) {
	switch k.kind {
	case exprAnd, exprOr:
		for _, kid := range k.kids {
			kid.operands(f)
		}
	case exprTest:
		if k.operand() {
			f(k)
		}
	}
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
	f := p.scope.field(name)
	switch {
	case f != nil && f.attr&computed == 0 && !f.isVariable():
		if name != f.name {
			name += ", here " + f.name + ","
		}
		key.Errorf("set: changes class, kind, src.class, dst.class, src.kind, dst.kind and variables",
			"%s is a field of the packet", name)
		return
	case f == nil && !isVariable(name):
		key.Errorf("a letter, then letters, digits and _", "%q cannot be the name of a variable", name)
		return
	case f == nil:
		if f = p.variable(key, name); f == nil {
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
