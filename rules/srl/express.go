package srl

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// This file writes tests and saved attributes as the rules have them.

// expr writes an expression; around is what it stands in.
func (t *translator) expr(e *expr, around exprOp) string {
	if e.op == opTest {
		return t.test(e, around != opTest)
	}
	kids := make([]string, len(e.kids))
	for i, kid := range e.kids {
		kids[i] = t.expr(kid, e.op)
	}
	if e.op == opAnd {
		return strings.Join(kids, " && ")
	}
	text := strings.Join(kids, " || ")
	if around == opAnd {
		return "(" + text + ")"
	}
	return text
}

// never is a test that is true of no packet.
const never = "ip.version == 0"

// test writes field == value or field in {…}. An attribute that a packet lacks
// has the value 0 in SRL: so a test for 0 asks for its absence too.
func (t *translator) test(e *expr, within bool) string {
	field := fieldOf(&e.ref)
	a := e.ref.stands()[0]
	if a.class == direction {
		return t.way(e)
	}
	var items []string
	for _, g := range e.list {
		items = append(items, t.group(a, g)...)
	}
	text := ""
	switch {
	case len(items) == 1 && items[0][0] == '$':
		text = field + " in " + items[0]
	case len(items) == 1 && !strings.Contains(items[0], ".."):
		text = field + " == " + items[0]
	case len(items) > 0:
		text = field + " in {" + strings.Join(items, ", ") + "}"
	}
	switch zero := t.hasZero(e); {
	case zero && text == "":
		text = "!" + field
	case zero && within:
		text = "(" + text + " || !" + field + ")"
	case zero:
		text += " || !" + field
	case text == "":
		text = never
	}
	return text
}

// hasZero tells whether a test is true of the value 0, and the attribute may be
// absent.
func (t *translator) hasZero(e *expr) bool {
	a := e.ref.stands()[0]
	if a.class == variable || a.class == ifNumber {
		return false
	}
	return slices.ContainsFunc(flat(e.list), func(o operand) bool {
		r, _ := o.resolve(a, t.errs)
		return isZero(r.value)
	})
}

func isZero(b []byte) bool {
	return !slices.ContainsFunc(b, func(octet byte) bool { return octet != 0 })
}

// way writes a test of MatchingStoD.
func (t *translator) way(e *expr) string {
	var ways []string
	for _, o := range flat(e.list) {
		switch r, _ := o.resolve(e.ref.attr, t.errs); {
		case r.mask[0] != 0xff:
			t.errs.once(o.value.pos, "compare it with 1 or 0", "MatchingStoD has no mask")
		case r.value[0] <= 1:
			ways = append(ways, map[byte]string{0: `pass == "reverse"`, 1: `pass == "forward"`}[r.value[0]])
		}
	}
	switch len(ways) {
	case 0:
		return never
	case 1:
		return ways[0]
	}
	return `pass in {"forward", "reverse"}`
}

// group writes operands; those of a define as $name where that can be a list.
func (t *translator) group(a *attribute, g group) []string {
	items := make([]string, 0, len(g.operands))
	for _, o := range g.operands {
		if text := t.item(a, o); text != "" {
			items = append(items, text)
		}
	}
	if g.def == nil || a.class == peerType || a.class == variable || len(items) == 0 {
		return items
	}
	listed, known := t.lists[g.def.name]
	if !known {
		t.lists[g.def.name], listed = items, items
		n := named{g.def.name, g.def.comments, items}
		if a.class == peerAddress {
			t.out.networks = append(t.out.networks, n)
		} else {
			t.out.sets = append(t.out.sets, n)
		}
	}
	if !slices.Equal(listed, items) {
		return items // the same text is something else for this attribute
	}
	return []string{"$" + g.def.name}
}

// item writes one operand; "" for what no packet of this meter has.
func (t *translator) item(a *attribute, o operand) string {
	r, ok := o.resolve(a, t.errs)
	if !ok {
		return ""
	}
	switch {
	case isZero(r.mask):
		t.errs.once(o.value.pos, "leave the test out", "the mask has no bits: this is always true")
		return ""
	case r.width < 0:
		t.errs.once(o.value.pos, "only masks of leading bits are known here", "%s has a mask of other bits", a.name)
		return ""
	case a.class == peerType:
		return t.family(o, r)
	case a.class == peerAddress:
		return prefixText(r.value, r.width)
	case a.class == variable && t.chars && o.value.char:
		return quoted(o.value.text)
	}
	return spanText(a, r)
}

// family writes an address family as an IP version.
func (t *translator) family(o operand, r resolved) string {
	if r.mask[0] != 0xff {
		t.errs.once(o.value.pos, "compare it with 1 (IPv4) or 2 (IPv6)", "peer types have no mask here")
	}
	switch r.value[0] {
	case 1:
		return "4"
	case 2:
		return "6"
	}
	return ""
}

func quoted(char string) string {
	if char == `"` {
		return `'"'`
	}
	return `"` + char + `"`
}

func prefixText(octets []byte, width int) string {
	addr, _ := netip.AddrFromSlice(octets)
	if width == addr.BitLen() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, width).String()
}

// spanText writes a number, or the numbers that a mask lets through.
func spanText(a *attribute, r resolved) string {
	last := make([]byte, len(r.value))
	for i := range last {
		last[i] = r.value[i] | ^r.mask[i]
	}
	text := func(b []byte) string {
		if a.class == adjacentAddress {
			return net.HardwareAddr(b).String()
		}
		return fmt.Sprint(number(b))
	}
	if number(last) == number(r.value) {
		return text(r.value)
	}
	return text(r.value) + ".." + text(last)
}

// storedValue writes the value of STORE.
func (t *translator) storedValue(v *value) string {
	if v.char && t.chars {
		return yamlText(v.text)
	}
	octets, _ := v.fill(1)
	return fmt.Sprint(octets[0])
}

// saved writes the attribute of a SAVE statement.
func (t *translator) saved(s *stmt) string {
	a := s.ref.stands()[0]
	field := fieldOf(&s.ref)
	if s.kind == stSave {
		mask, _ := s.operand.maskOf(a, maskSize(a, &s.operand), t.errs)
		whole := s.operand.width < 0 && s.operand.mask == nil
		return t.masked(a, field, mask, whole, s.pos)
	}
	r, _ := s.operand.resolve(a, t.errs)
	switch {
	case a.class == peerType:
		t.errs.once(s.ref.pos, "leave it out: a key has the family of its packets", "%s cannot be a constant here", s.ref.name)
		return ""
	case a.class == peerAddress && r.width < 0:
		t.errs.once(s.pos, "only masks of leading bits are known here", "%s has a mask of other bits", s.ref.name)
		return ""
	case a.class == peerAddress:
		return "{" + field + ": " + yamlText(prefixText(r.value, r.width)) + "}"
	case a.class == adjacentAddress:
		return "{" + t.masked(a, field, r.mask, r.width == 48, s.pos) + ": " + yamlText(net.HardwareAddr(r.value).String()) + "}"
	}
	return fmt.Sprintf("{%s: %d}", t.masked(a, field, r.mask, r.width == 8*a.size, s.pos), number(r.value))
}

// masked writes an attribute of save: with its mask.
func (t *translator) masked(a *attribute, field string, mask []byte, whole bool, at pos) string {
	width := leading(mask)
	switch {
	case whole:
		return field
	case a.class == peerType:
		t.errs.once(at, "save it whole", "peer types have no mask here")
	case a.class == ifNumber:
		return fmt.Sprintf("%s & 0x%x", field, number(mask))
	case width >= 0:
		return fmt.Sprintf("%s/%d", field, width)
	case a.class == transType:
		return fmt.Sprintf("%s & 0x%x", field, number(mask))
	default:
		t.errs.once(at, "only masks of leading bits are known here", "%s has a mask of other bits", a.name)
	}
	return field
}

// hasMatched tells whether save: matched saves what SAVE does after a test:
// the operand that the packet matched, the first of those in a list.
func (t *translator) hasMatched(e *expr) bool {
	some := false
	ok := true
	e.tests(func(e *expr) {
		a := e.ref.stands()[0]
		some = some || a.class != variable
		all := t.resolved(e)
		for i, r := range all {
			if a.class != variable && a.class != peerAddress && r.width != 8*a.size {
				ok = false
			}
			ok = ok && !slices.ContainsFunc(all[:i], func(wide resolved) bool { return covers(wide, r) })
		}
		ok = ok && t.test(e, false) != never && !strings.HasPrefix(t.test(e, false), "!")
	})
	return some && ok
}

func (t *translator) resolved(e *expr) []resolved {
	var all []resolved
	for _, o := range flat(e.list) {
		r, _ := o.resolve(e.ref.stands()[0], t.errs)
		all = append(all, r)
	}
	return all
}

// covers tells whether an operand is true of all that another is true of.
func covers(wide, narrow resolved) bool {
	if len(wide.mask) != len(narrow.mask) {
		return false
	}
	for i, m := range wide.mask {
		if m&^narrow.mask[i] != 0 || narrow.value[i]&m != wide.value[i] {
			return false
		}
	}
	return true
}

// saves writes rules that save what made a test true, where matched would save
// something else: each operand with its own mask, the first that fits.
func (t *translator) saves(e *expr) []*rule {
	switch e.op {
	case opAnd:
		var all []*rule
		for _, kid := range e.kids {
			all = append(all, t.saves(kid)...)
		}
		return all
	case opOr:
		return t.first(len(e.kids), func(i int) (string, []*rule) { return t.expr(e.kids[i], opTest), t.saves(e.kids[i]) })
	}
	a := e.ref.stands()[0]
	if a.class == variable || a.class == direction {
		return nil
	}
	runs := sameMasks(t.resolved(e), flat(e.list))
	return t.first(len(runs), func(i int) (string, []*rule) {
		part := &expr{ref: e.ref, list: []group{{operands: runs[i]}}}
		r, _ := runs[i][0].resolve(a, t.errs)
		whole := r.width == 8*len(r.mask)
		field := fieldOf(&e.ref)
		save := &rule{save: []string{t.masked(a, field, r.mask, whole, e.ref.pos)}}
		if t.hasZero(part) {
			save.cond = field // nothing is saved of what is not there
		}
		return t.test(part, false), []*rule{save}
	})
}

// first writes alternatives of which the first that is true counts; the last
// is true if no other is.
func (t *translator) first(n int, alternative func(int) (string, []*rule)) []*rule {
	_, body := alternative(n - 1)
	if n >= manyElse {
		return t.firstOfMany(n, body, alternative)
	}
	for i := n - 2; i >= 0; i-- {
		cond, then := alternative(i)
		r := &rule{cond: cond, els: list{rules: body}}
		r.fold(list{rules: then})
		body = []*rule{r}
	}
	return body
}

// firstOfMany writes them as a block that is left, with the last as its end.
func (t *translator) firstOfMany(n int, last []*rule, alternative func(int) (string, []*rule)) []*rule {
	block := &rule{block: t.freshLabel()}
	for i := range n - 1 {
		cond, then := alternative(i)
		r := &rule{cond: cond}
		r.fold(list{rules: then})
		r.end = "leave: " + block.block
		block.then.rules = append(block.then.rules, r)
	}
	block.then.rules = append(block.then.rules, last...)
	return []*rule{block}
}

// sameMasks divides operands into runs with one mask each.
func sameMasks(all []resolved, operands []operand) (runs [][]operand) {
	for i, o := range operands {
		if i > 0 && slices.Equal(all[i].mask, all[i-1].mask) {
			runs[len(runs)-1] = append(runs[len(runs)-1], o)
		} else {
			runs = append(runs, []operand{o})
		}
	}
	return runs
}
