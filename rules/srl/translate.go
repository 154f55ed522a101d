package srl

import (
	"fmt"
	"slices"
	"strings"
)

// A rule is one rule of the YAML.
type rule struct {
	comments []string
	cond     string
	save     []string
	set      [][2]string
	call     string
	on       []onNumber
	block    string
	then     list
	els      list
	end      string // do: count, leave: label, …
}

// A list is rules, with the comments behind the last.
type list struct {
	rules []*rule
	foot  []string
}

// onNumber is what is done with some numbers that a call returns.
type onNumber struct {
	numbers []int
	list    list
}

// An output is the whole file.
type output struct {
	name     string
	head     []string // comments
	networks []named
	sets     []named
	subs     []subroutine
	rules    list
}

// named is a list of networks: or sets:.
type named struct {
	name     string
	comments []string
	items    []string
}

type subroutine struct {
	name     string
	comments []string
	params   []string
	list     list
}

// translator writes a program that was bound as rules.
type translator struct {
	prog   *program
	errs   *mistakes
	out    *output
	chars  bool                // character constants become names
	lists  map[string][]string // defines that are lists of the output → their items
	labels map[string]bool     // names of blocks
}

// manyElse is how many branches make an if a block that is left, and no nest of
// else: lists.
const manyElse = 4

func translate(p *program, name string, errs *mistakes) *output {
	t := &translator{prog: p, errs: errs, out: &output{name: name}, lists: map[string][]string{}, labels: map[string]bool{}}
	if p.ruleSet != "" {
		t.out.name = p.ruleSet
	}
	p.all(func(s *stmt) { t.labels[s.label] = true })
	t.chars = t.charsAreNames()
	first := &rule{comments: []string{"The key holds what is saved, and nothing else."}, save: []string{}, set: t.zeros()}
	body := t.list(p.stmts)
	for _, s := range p.subs {
		t.subroutine(s, &body)
	}
	t.defines(&body)
	body.foot = append(body.foot, p.foot...)
	body.rules = append([]*rule{first}, body.rules...)
	t.out.rules, t.out.head = body, p.head
	t.out.networks, t.out.sets = t.inOrder(t.out.networks), t.inOrder(t.out.sets)
	return t.out
}

// inOrder puts lists into the order in which they were defined.
func (t *translator) inOrder(all []named) (sorted []named) {
	for _, d := range t.prog.defines {
		for _, n := range all {
			if n.name == d.name {
				sorted = append(sorted, n)
			}
		}
	}
	return sorted
}

// defines keeps the comments of defines that became no list.
func (t *translator) defines(body *list) {
	for _, d := range t.prog.defines {
		if _, listed := t.lists[d.name]; !listed && strings.Join(d.comments, "") != "" {
			body.foot = append(body.foot, "define "+d.name+":")
			body.foot = append(body.foot, d.comments...)
		}
	}
}

func (t *translator) subroutine(s *sub, body *list) {
	if !s.called {
		body.foot = append(body.foot, s.comments...)
		body.foot = append(body.foot, "Nothing calls subroutine "+s.name+", so it is left out.")
		walkAll(s.stmts, func(s *stmt) { body.foot = append(append(body.foot, s.comments...), s.foot...) })
		body.foot = append(body.foot, s.foot...)
		return
	}
	out := subroutine{name: safe(s.name), comments: s.comments, list: t.list(s.stmts)}
	for _, p := range s.params {
		out.params = append(out.params, safe(p.name))
	}
	out.list.foot = append(out.list.foot, s.foot...)
	t.out.subs = append(t.out.subs, out)
}

// safe returns a name that is none of the words of expressions.
func safe(name string) string {
	if slices.Contains([]string{"and", "or", "not", "in", "eq", "ne", "lt", "le", "gt", "ge", "any", "all", "contains", "matches", "true", "false", "bitand"}, name) {
		return name + "_"
	}
	return name
}

// zeros gives variables the value 0 at the start where it matters that SRL's
// begin with it: FlowClass if it is tested (class would be that of the home
// networks), and all that some statement sets to 0 (else a flow with the
// variable at 0 and one without it would be two).
func (t *translator) zeros() (set [][2]string) {
	zero := map[string]bool{}
	t.prog.live(func(s *stmt) {
		s.cond.tests(func(e *expr) {
			for _, a := range e.ref.stands() {
				zero[a.field] = zero[a.field] || a.field == "class"
			}
		})
		if o, _ := s.operand.value.fill(1); s.kind == stStore && o[0] == 0 {
			for _, a := range s.ref.stands() {
				zero[a.field] = true
			}
		}
	})
	for _, a := range attributeTable {
		if zero[a.field] {
			set = append(set, [2]string{a.field, "0"})
		}
	}
	return set
}

// charsAreNames tells whether each character constant can be a name: no
// variable has its number too, none is tested under a mask, and none for a
// character that it is never given, which the rules take for a mistake.
func (t *translator) charsAreNames() bool {
	numbers, chars, ok := map[uint64]bool{}, map[uint64]bool{}, true
	type given struct {
		field string
		char  uint64
	}
	stored := map[given]bool{}
	note := func(r *ref, o operand, stores bool) {
		if !r.isVariable() {
			return
		}
		whole := o.mask == nil && (o.width < 0 || o.width == 8)
		ok = ok && whole && (o.value.single || len(o.value.octets) == 1)
		if !o.value.char {
			octets, _ := o.value.fill(1)
			numbers[uint64(octets[0])] = true
			return
		}
		chars[o.value.num] = true
		ok = ok && o.value.num > ' ' && o.value.num < 0x7f
		for _, a := range r.stands() {
			stored[given{a.field, o.value.num}] = stored[given{a.field, o.value.num}] || stores
		}
	}
	t.prog.live(func(s *stmt) {
		s.cond.tests(func(e *expr) {
			for _, o := range flat(e.list) {
				note(&e.ref, o, false)
			}
		})
		if s.kind == stStore {
			note(&s.ref, s.operand, true)
		}
	})
	for n := range chars {
		ok = ok && !numbers[n]
	}
	for _, yes := range stored {
		ok = ok && yes
	}
	return ok
}

// A writer makes the rules of one list.
type writer struct {
	*translator
	list
	open    *rule    // to which the next save, store or end may be added
	pending []string // comments for the next rule
}

func (t *translator) list(stmts []*stmt) list {
	w := &writer{translator: t}
	for _, s := range stmts {
		w.stmt(s)
	}
	w.foot = w.pending
	return w.list
}

// add begins a rule.
func (w *writer) add(s *stmt, r *rule) *rule {
	r.comments = append(append(w.pending, s.comments...), r.comments...)
	w.pending, w.open = nil, nil
	w.rules = append(w.rules, r)
	return r
}

// extend returns the rule before if it can take more, or begins one.
func (w *writer) extend(s *stmt) *rule {
	if w.open != nil && len(w.pending)+len(s.comments) == 0 {
		return w.open
	}
	r := w.add(s, &rule{})
	w.open = r
	return r
}

func (w *writer) stmt(s *stmt) {
	switch s.kind {
	case stNull, stRemark:
		w.pending = append(w.pending, s.comments...)
	case stSave, stSaveRule:
		r := w.extend(s)
		r.save = append(r.save, w.saved(s))
	case stStore:
		w.store(s)
	case stCount, stIgnore, stNoMatch, stReturn, stExit:
		w.extend(s).end = ending(s)
		w.open = nil
	case stCompound:
		w.compound(s)
	case stCall:
		w.callRule(s)
	case stIf:
		w.branches(s)
	}
}

func ending(s *stmt) string {
	switch {
	case s.kind == stCount:
		return "do: count"
	case s.kind == stIgnore:
		return "do: ignore"
	case s.kind == stNoMatch:
		return "do: nomatch"
	case s.kind == stExit:
		return "leave: " + safe(s.target.label)
	case s.number == 0:
		return "do: return"
	}
	return fmt.Sprintf("return: %d", s.number)
}

// store adds to set: of a rule, which may name a variable once.
func (w *writer) store(s *stmt) {
	r := w.extend(s)
	name := fieldOf(&s.ref)
	if slices.ContainsFunc(r.set, func(p [2]string) bool { return p[0] == name }) {
		r = w.add(s, &rule{})
		w.open = r
	}
	r.set = append(r.set, [2]string{name, w.storedValue(&s.operand.value)})
}

func (w *writer) compound(s *stmt) {
	if s.used {
		body := w.translator.list(s.body)
		body.foot = append(body.foot, s.foot...)
		w.add(s, &rule{block: safe(s.label), then: body})
		return
	}
	w.pending = append(w.pending, s.comments...)
	for _, in := range s.body {
		w.stmt(in)
	}
	w.pending = append(w.pending, s.foot...)
}

func (w *writer) callRule(s *stmt) {
	args := make([]string, len(s.args))
	for i := range s.args {
		args[i] = fieldOf(&s.args[i])
	}
	r := w.add(s, &rule{call: fmt.Sprintf("{%s: [%s]}", safe(s.sub), strings.Join(args, ", "))})
	for _, n := range s.answers {
		r.on = append(r.on, onNumber{n.numbers, w.translator.list([]*stmt{n.stmt})})
	}
}

// fieldOf returns the name here of an attribute or parameter.
func fieldOf(r *ref) string {
	if r.param != nil {
		return safe(r.param.name)
	}
	return r.attr.field
}

// branches writes an if with its else ifs.
func (w *writer) branches(s *stmt) {
	n := 0
	for b := s; b != nil && b.kind == stIf; b = b.els {
		n++
	}
	if n < manyElse {
		r := w.add(s, w.branch(s))
		if s.els != nil {
			r.els = w.translator.list([]*stmt{s.els})
		}
		return
	}
	label := w.freshLabel()
	inner := &writer{translator: w.translator}
	b := s
	for ; b != nil && b.kind == stIf; b = b.els {
		r := inner.add(b, inner.branch(b))
		if r.end == "" {
			r.end = "leave: " + label
		}
	}
	inner.rules[0].comments = nil // they stand at the block
	if b != nil {
		inner.stmt(b)
	}
	inner.foot = inner.pending
	w.add(s, &rule{block: label, then: inner.list})
}

func (t *translator) freshLabel() string {
	for i := 1; ; i++ {
		label := fmt.Sprintf("choice%d", i)
		if !t.labels[label] {
			t.labels[label] = true
			return label
		}
	}
}

// branch writes an if without its else.
func (t *translator) branch(s *stmt) *rule {
	r := &rule{cond: t.expr(s.cond, opTest)}
	body := t.list([]*stmt{s.then})
	if s.save {
		if t.hasMatched(s.cond) {
			r.save = append(r.save, "matched")
		} else {
			body.rules = append(t.saves(s.cond), body.rules...)
		}
	}
	r.fold(body)
	return r
}

// fold takes the first rule of a list into the rule that the list is of, if
// that says the same.
func (r *rule) fold(body list) {
	if len(body.rules) > 0 {
		f := body.rules[0]
		alone := len(body.rules) == 1
		plain := f.cond == "" && f.call == "" && f.block == ""
		if plain && (alone || f.end == "" && len(f.comments) == 0) {
			r.save, r.set, r.end = append(r.save, f.save...), f.set, f.end
			r.comments = append(r.comments, f.comments...)
			body.rules = body.rules[1:]
		}
	}
	if len(body.rules) == 0 {
		r.comments = append(r.comments, body.foot...)
		return
	}
	r.then = body
}
