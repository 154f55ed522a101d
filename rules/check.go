package rules

import (
	"maps"
	"slices"
	"strings"

	"flowmeter/meter/conf"
)

// A cond is a checked expression.
type cond struct {
	kind  exprKind
	kids  []*cond
	field *field
	want  values // of exprTest
	not   bool   // exprTest: values that are not among want
	all   bool   // exprTest: all values, and there is one; else any of them
	equal bool   // exprTest: written with == or in

	mask   uint64     // exprTest: bits of a number to look at; 0 for all
	octets *octetTest // exprTest, in place of want: the octets of an address
}

// bits returns the bits of a number that the test looks at.
func (k *cond) bits() uint64 {
	if k.mask == 0 {
		return ^uint64(0)
	}
	return k.mask
}

// A checker gives the names of one expression their meaning and reports what
// does not fit, each where it stands.
type checker struct {
	at    conf.Value // the expression's YAML scalar
	nets  *Networks
	sets  Sets
	names *names
	scope scope
}

func (c *checker) errorf(pos int, hint, format string, args ...any) {
	c.at.ErrorAt(pos, hint, format, args...)
}

func (c *checker) expr(e *expr) *cond {
	k := &cond{kind: e.kind}
	for _, kid := range e.kids {
		k.kids = append(k.kids, c.expr(kid))
	}
	if e.kind != exprTest && e.kind != exprHas {
		return k
	}
	if k.field = c.field(e); k.field == nil {
		return k
	}
	if e.kind == exprHas {
		c.alone(e, k)
	} else {
		c.test(e, k)
	}
	return k
}

func (c *checker) field(e *expr) *field {
	f := c.scope.field(e.name)
	if f == nil {
		f = c.names.find(e.name)
	}
	if f != nil {
		c.names.tested[f.name] = true
		return f
	}
	known := append(fieldNames(func(*field) bool { return true }), c.scope.names()...)
	for _, v := range c.names.vars {
		known = append(known, v.name)
	}
	known = append(known, namesLike(e.name)...)
	if _, m := newLiteral(token{tokWord, e.pos, e.name}); m == nil {
		c.errorf(e.pos, "compare a field with it; several values are written field in {a, b}", "%s stands where a field should", e.name)
		return nil
	}
	c.errorf(e.pos, unknownHint(e.name, known), "unknown field %s", e.name)
	return nil
}

func didYouMean(word string, known []string) string {
	if near := conf.Nearest(word, known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// alone checks a field that stands without a comparison.
func (c *checker) alone(e *expr, k *cond) {
	switch f := k.field; {
	case f.typ == typeName || f.typ == typePass || f.typ == typeClock:
		c.errorf(e.pos, "write "+e.name+" == …", "%s is always there: compare it with a value", e.name)
	case e.mask != nil: // is any bit set, in any value?
		k.kind, k.not = exprTest, true
		if c.isOctets(e, f) {
			c.octets(e, k)
		} else if c.masked(e, k) {
			k.want = values{spans: []span{{0, 0}}}
		}
	case e.slice != nil:
		c.octets(e, k)
		k.octets = nil
	case f.typ == typeBool:
		// A flag alone asks whether it is set, not whether it is there: the
		// other reading, that of display filters, is true of every TCP packet.
		k.kind, k.want = exprTest, values{spans: []span{{1, 1}}}
	}
}

func (c *checker) test(e *expr, k *cond) {
	f := k.field
	k.all, k.not = e.all, e.op == "!="
	ordered := strings.Contains("< <= > >=", e.op)
	switch {
	case f.typ == typeProto:
		c.errorf(e.pos, "write "+f.name+" or !"+f.name, "%s is %s: it stands alone", f.name, typeNames[f.typ])
	case ordered && (f.typ == typeBool || f.typ == typeName || f.typ == typePass):
		c.errorf(e.pos, "write "+f.name+" in {…}", "%s is %s: it has no order", f.name, typeNames[f.typ])
	case c.isOctets(e, f):
		c.octets(e, k)
	case e.mask != nil && !c.masked(e, k):
	case e.op == "~" || e.op == "contains":
		c.text(e, k)
	case ordered && f.isAddr():
		c.orderAddrs(e, k)
	case ordered:
		c.compare(e, k)
	default:
		k.equal = !k.not && e.mask == nil
		for _, it := range e.items {
			c.item(f, it, &k.want)
		}
	}
	k.want.sort()
}

// masked checks the mask of a number.
func (c *checker) masked(e *expr, k *cond) bool {
	f, l := k.field, *e.mask
	if l.kind == litBad {
		return false
	}
	if f.typ != typeNumber && f.typ != typeMAC {
		c.errorf(l.pos, "numbers and addresses have bits", "%s is %s: it has no mask", f.name, typeNames[f.typ])
		return false
	}
	n, ok := c.number(f, l)
	if ok && n == 0 {
		c.errorf(l.pos, "", "%s & 0 is always 0", f.name)
		return false
	}
	k.mask = n
	return ok
}

// compare turns <, <=, > and >= into a span.
func (c *checker) compare(e *expr, k *cond) {
	l := e.items[0].lo
	if l.kind == litBad {
		return
	}
	n, ok := c.number(k.field, l)
	if !ok {
		return
	}
	s := span{0, k.field.max}
	switch e.op {
	case "<", "<=":
		s.hi = n
	default:
		s.lo = n
	}
	if e.op == "<" && n == 0 || e.op == ">" && n == k.field.max {
		c.errorf(e.pos, "", "%s %s %s is never true", e.name, e.op, l.text)
		return
	}
	if e.op == "<" {
		s.hi--
	} else if e.op == ">" {
		s.lo++
	}
	k.want.spans = append(k.want.spans, s)
}

// item adds one value or range to those that a field is tested for.
func (c *checker) item(f *field, it item, vs *values) {
	switch {
	case it.lo.kind == litBad || it.ranged && it.hi.kind == litBad:
	case it.lo.kind == litList:
		if it.ranged {
			c.errorf(it.lo.pos, "", "a list cannot be the end of a range")
			return
		}
		c.list(f, it.lo, vs)
	case f.isAddr():
		c.addrs(f, it, vs)
	default:
		lo, ok := c.number(f, it.lo)
		hi, ok2 := lo, ok
		if it.ranged {
			hi, ok2 = c.number(f, it.hi)
		}
		vs.shared = false
		if ok && ok2 && f.typ == typeClock && lo > hi { // over midnight
			vs.spans = append(vs.spans, span{lo, f.max}, span{0, hi})
		} else if ok && ok2 && c.rising(it, lo <= hi) {
			vs.spans = append(vs.spans, span{lo, hi})
		}
	}
}

func (c *checker) rising(it item, ok bool) bool {
	if !ok {
		c.errorf(it.lo.pos, "write the smaller end first", "the range %s..%s is empty", it.lo.text, it.hi.text)
	}
	return ok
}

// list adds the values of $name.
func (c *checker) list(f *field, l literal, vs *values) {
	name := strings.TrimPrefix(l.text, "$")
	if set, ok := c.sets[name]; ok {
		c.set(f, l, set, vs)
		return
	}
	list, ok := c.nets.lists[name]
	switch {
	case !ok:
		known := append(slices.Collect(maps.Keys(c.nets.lists)), slices.Collect(maps.Keys(c.sets))...)
		slices.Sort(known)
		c.errorf(l.pos, didYouMean(name, known), "no list $%s in networks: or sets:", name)
	case !f.isAddr():
		c.mismatch(f, l, "holds networks")
	default:
		vs.add(&values{prefixes: list.prefixes, list: list})
	}
}

// set adds the values of $name from sets:. Names mean something else in each
// field and rule set; all else is worked out once for fields of a type.
func (c *checker) set(f *field, l literal, set *Set, vs *values) {
	if f.typ == typeName || f.typ == typePass {
		c.items(f, l, set, vs)
		return
	}
	t := setType{f.typ, f.max}
	known := set.as[t]
	if known == nil {
		known = &values{}
		if !c.items(f, l, set, known) {
			return
		}
		known.sort()
		if len(known.prefixes) > 0 {
			known.list = newPrefixList(known.prefixes)
		}
		set.as[t] = known
	}
	vs.add(known)
}

// items adds the values of $name one by one. The first that does not fit the
// field is reported where $name stands: the set may fit other fields.
func (c *checker) items(f *field, l literal, set *Set, vs *values) bool {
	before := len(c.at.C.Errors)
	for _, it := range set.items {
		it.lo.pos, it.hi.pos = l.pos, l.pos
		if c.item(f, it, vs); len(c.at.C.Errors) > before {
			return false
		}
	}
	return true
}

func (c *checker) addrs(f *field, it item, vs *values) {
	vs.list, vs.shared = nil, false
	if !c.addr(f, it.lo) || it.ranged && !c.addr(f, it.hi) {
		return
	}
	if !it.ranged {
		vs.prefixes = append(vs.prefixes, it.lo.prefix)
		return
	}
	lo, hi := it.lo.prefix.Addr(), it.hi.prefix.Addr()
	switch {
	case it.lo.kind == litPrefix || it.hi.kind == litPrefix || lo.BitLen() != hi.BitLen():
		c.errorf(it.lo.pos, "write two addresses of one family", "%s..%s is no range", it.lo.text, it.hi.text)
	case c.rising(it, lo.Compare(hi) <= 0):
		vs.ranged = true
		vs.prefixes = append(vs.prefixes, rangePrefixes(lo, hi)...)
	}
}

// addr checks that a literal is an address of the field's family.
func (c *checker) addr(f *field, l literal) bool {
	if l.kind != litAddr && l.kind != litPrefix {
		c.mismatch(f, l, "is "+literalNames[l.kind])
		return false
	}
	if v4 := l.prefix.Addr().Is4(); v4 && f.typ == typeAddr6 || !v4 && f.typ == typeAddr4 {
		other := strings.Replace(f.name, "ipv6.", "ip.", 1)
		if !v4 {
			other = strings.Replace(f.name, "ip.", "ipv6.", 1)
		}
		c.errorf(l.pos, "write "+other, "%s is %s, but %s is of the other family", f.name, typeNames[f.typ], l.text)
		return false
	}
	return true
}
