package rules

import (
	"maps"
	"slices"
	"strings"

	"flowmeter/meter/conf"
)

// This file reads `subroutines:` and what concerns them and blocks in rules.

const (
	maxParams = 8
	maxCalls  = 16  // subroutines that call each other
	maxReturn = 255 // largest number of return:
)

// A Subroutine is a list of rules that others call. Its parameters stand for
// fields and variables, so what is written in it has its meaning only for
// given arguments: see instance.
type Subroutine struct {
	name   string
	at     conf.Value
	params []string
	rules  conf.Value
	called bool
}

// Subroutines holds the subroutines of `subroutines:` by name.
type Subroutines map[string]*Subroutine

// ParseSubroutines reads the value of `subroutines:`, a mapping of names to
// parameters and rules. What is wrong with the rules is said where they are
// read, for each call.
func ParseSubroutines(v conf.Value) Subroutines {
	subs := Subroutines{}
	if v.Node == nil || v.IsNull() {
		return subs
	}
	v.Pairs(func(key, val conf.Value) {
		switch {
		case !isVariable(key.Value):
			key.Errorf("a letter, then letters, digits and _", "%q cannot be the name of a subroutine", key.Value)
		case subs[key.Value] != nil:
			key.Errorf("remove one of the two", "subroutine %q stands here twice", key.Value)
		default:
			subs[key.Value] = parseSubroutine(key, val)
		}
	})
	return subs
}

func parseSubroutine(key, val conf.Value) *Subroutine {
	s := &Subroutine{name: key.Value, at: key}
	val.Map(conf.Fields{
		"params": s.parseParams,
		"rules":  func(v conf.Value) { s.rules = v },
	})
	if s.rules.Node == nil {
		key.Errorf("write rules: in it", "subroutine %s has no rules", s.name)
	}
	return s
}

func (s *Subroutine) parseParams(v conf.Value) {
	v.Each(func(item conf.Value) {
		switch name := item.Str(); {
		case !isVariable(name):
			item.Errorf("a letter, then letters, digits and _", "%q cannot be the name of a parameter", name)
		case slices.Contains(s.params, name):
			item.Errorf("remove one of the two", "parameter %q stands here twice", name)
		default:
			s.params = append(s.params, name)
		}
	})
	if len(s.params) > maxParams {
		v.Errorf("", "more than %d parameters", maxParams)
	}
}

// warnUncalled reports the subroutines whose rules nothing has read.
func (subs Subroutines) warnUncalled() {
	for _, name := range slices.Sorted(maps.Keys(subs)) {
		if s := subs[name]; !s.called {
			s.at.Warnf("call it: call: "+s.name, "subroutine %s is never called, and its rules were not checked", s.name)
		}
	}
}

// A scope says what the parameters of a subroutine stand for in one instance.
// A parameter hides a field of its name.
type scope map[string]*field

// field returns what a name means, or nil. Variables are for others to find.
func (s scope) field(name string) *field {
	if f := s[name]; f != nil {
		return f
	}
	return fieldByName(name)
}

func (s scope) names() []string {
	return slices.Sorted(maps.Keys(s))
}

// An instance is a subroutine with its arguments. Its rules are read, and
// compiled, once for each list of arguments that it is called with.
type instance struct {
	sub     *Subroutine
	args    []*field
	at      conf.Value // the first call
	rules   []*rule
	returns []uint8 // the numbers that it returns; the first is 0, for none
	height  int     // calls within calls, in it
	cost    int     // rules that a packet may be tried with in it, at most
}

func (in *instance) String() string {
	names := make([]string, len(in.args))
	for i, f := range in.args {
		names[i] = f.name
	}
	return in.sub.name + "(" + strings.Join(names, ", ") + ")"
}

// index returns the place of a number among those that are returned.
func (in *instance) index(number uint8) int32 { return int32(slices.Index(in.returns, number)) }

// An answer is what a call does with one number that comes back.
type answer struct {
	number uint8
	rules  []*rule
}

// calls are the instances of one rule set.
type calls struct {
	known map[string]*instance
	order []*instance
	chain []*instance // those being read, the innermost last
}

func newCalls() calls { return calls{known: map[string]*instance{}} }

// place is where among the rules a reader is.
type place struct {
	scope  scope
	blocks []*rule // those being read, the innermost last
	cost   int     // of the list being read
}

// call reads call: and on:. The subroutine's name alone calls it without
// arguments.
func (p *reader) call(r *rule, call, on conf.Value, depth int) {
	switch {
	case call.Node != nil && call.Kind == scalarNode:
		r.call = p.instance(call, call, nil)
	case call.Node != nil:
		p.callWith(r, call)
	case on.Node != nil:
		on.Errorf("write call: beside it", "on: without call:")
	}
	if on.Node == nil {
		return
	}
	on.Pairs(func(key, val conf.Value) { p.answer(r, key, val, depth) })
}

func (p *reader) callWith(r *rule, call conf.Value) {
	if call.Kind != mappingNode || len(call.Content) != 2 {
		call.Errorf("write call: {name: [arguments]}", "a rule calls one subroutine")
		return
	}
	call.Pairs(func(key, val conf.Value) {
		var args []*field
		before := len(val.C.Errors)
		val.Each(func(item conf.Value) { args = append(args, p.argument(item)) })
		if len(val.C.Errors) == before {
			r.call = p.instance(key, val, args)
		}
	})
}

// argument reads the name of a field, a parameter or a variable.
func (p *reader) argument(v conf.Value) *field {
	name := v.Str()
	if f := p.scope.field(name); f != nil {
		return f
	}
	if !isVariable(name) {
		v.Errorf(didYouMean(name, fieldNames(func(*field) bool { return true })), "unknown field %s", name)
		return nil
	}
	return p.variable(v, name)
}

// variable returns the variable of that name, which need not have been there.
func (p *reader) variable(v conf.Value, name string) *field {
	f := p.names.variable(name)
	if f == nil {
		v.Errorf("", "more than %d variables", maxVars)
	}
	return f
}

// answer reads one number of on: with its rules.
func (p *reader) answer(r *rule, key, val conf.Value, depth int) {
	before := len(key.C.Errors)
	n := uint8(key.Int(1, maxReturn))
	bad := len(key.C.Errors) > before
	a := answer{n, p.list(val, depth)}
	switch {
	case bad:
		return
	case slices.ContainsFunc(r.on, func(o answer) bool { return o.number == n }):
		key.Errorf("remove one of the two", "number %d stands here twice", n)
	case r.call != nil && r.call.index(n) < 0:
		key.Warnf("", "%s never returns %d", r.call.sub.name, n)
	}
	r.on = append(r.on, a)
}

// instance finds what is called, and reads it if it was not called with these
// arguments before.
func (p *reader) instance(at, argsAt conf.Value, args []*field) *instance {
	s := p.subs[at.Value]
	switch {
	case s == nil:
		at.Errorf(p.knownSubroutines(at.Value), "there is no subroutine %q", at.Value)
		return nil
	case len(args) != len(s.params):
		s.called = true
		argsAt.Errorf(s.usage(), "%s takes %d arguments, not %d", s.name, len(s.params), len(args))
		return nil
	case p.calling(s):
		at.Errorf("", "%s calls itself", p.path(s))
		return nil
	}
	in := &instance{sub: s, args: args, at: at, returns: []uint8{0}}
	key := in.String()
	if known := p.known[key]; known != nil {
		in = known
	} else {
		p.known[key] = in
		p.order = append(p.order, in)
		p.readInstance(in)
	}
	return p.charge(in, at)
}

func (p *reader) readInstance(in *instance) {
	in.sub.called = true
	if len(p.chain) == maxCalls || in.sub.rules.Node == nil {
		return // charge says so, or parseSubroutine has
	}
	outer := p.place
	p.place = place{scope: scope{}}
	for i, name := range in.sub.params {
		p.scope[name] = in.args[i]
	}
	p.chain = append(p.chain, in)
	before := len(in.at.C.Errors)
	in.rules = p.rules(in.sub.rules, 0)
	in.cost = p.cost
	in.explain(before)
	p.chain = p.chain[:len(p.chain)-1]
	p.place = outer
}

// charge adds what a call costs to the list that it stands in. A packet may go
// through a subroutine once for each call, so that without a bound a short file
// could keep it busy for ever.
func (p *reader) charge(in *instance, at conf.Value) *instance {
	p.cost += in.cost
	if n := len(p.chain); n > 0 {
		p.chain[n-1].height = max(p.chain[n-1].height, in.height+1)
	}
	switch {
	case len(p.chain)+1+in.height > maxCalls:
		at.Errorf("", "calls within calls, deeper than %d", maxCalls)
		return nil
	case p.cost > maxRules:
		at.Errorf("call subroutines less often within each other", "a packet may be tried with more than %d rules", maxRules)
		p.cost = 0
		return nil
	}
	return in
}

func (p *reader) calling(s *Subroutine) bool {
	return slices.ContainsFunc(p.chain, func(in *instance) bool { return in.sub == s })
}

// path shows the calls from a subroutine back to itself.
func (p *reader) path(s *Subroutine) string {
	i := slices.IndexFunc(p.chain, func(in *instance) bool { return in.sub == s })
	var names []string
	for _, in := range p.chain[i:] {
		names = append(names, in.sub.name)
	}
	if len(names) == 1 {
		return s.name
	}
	return strings.Join(names, ", which calls ") + ", which"
}

func (p *reader) knownSubroutines(name string) string {
	known := slices.Sorted(maps.Keys(p.subs))
	switch {
	case len(known) == 0:
		return "write it into subroutines:"
	case len(known) <= 8:
		return "subroutines here: " + strings.Join(known, ", ")
	}
	return didYouMean(name, known)
}

func (s *Subroutine) usage() string {
	return "write call: {" + s.name + ": [" + strings.Join(s.params, ", ") + "]}"
}

// explain says of the errors since before what the parameters stood for, and
// drops those that another instance had in the same place.
func (in *instance) explain(before int) {
	c := in.at.C
	kept := c.Errors[:before]
	for _, e := range c.Errors[before:] {
		known := slices.ContainsFunc(kept, func(o conf.Error) bool { return o.Line == e.Line && o.Col == e.Col })
		if known {
			continue
		}
		if len(in.args) > 0 && !strings.Contains(e.Msg, "; in ") {
			e.Msg += "; in " + in.String()
		}
		kept = append(kept, e)
	}
	c.Errors = kept
}

// checkCalled checks the expressions of all that is called.
func (p *reader) checkCalled() {
	for _, in := range p.order {
		before := len(in.at.C.Errors)
		p.check(in.rules)
		in.explain(before)
	}
}

// ends notes how a rule ends its list; one way is enough.
func (p *reader) ends(r *rule, v conf.Value, do action) {
	if r.end.Node != nil {
		v.Errorf("write one of do:, return: and leave:", "this rule ends in two ways")
	}
	r.do, r.end = do, v
	if do != doReturn {
		return
	}
	if len(p.chain) == 0 {
		v.Errorf("write do: count, ignore or nomatch", "there is no subroutine here to return from")
		return
	}
	in := p.chain[len(p.chain)-1]
	if in.index(r.number) < 0 {
		in.returns = append(in.returns, r.number)
	}
}

// enter begins the list of a block.
func (p *reader) enter(r *rule, v, then conf.Value) {
	r.block = v.Str()
	switch {
	case then.Node == nil:
		v.Errorf("write then: beside it", "block: without then:")
	case !isVariable(r.block):
		v.Errorf("a letter, then letters, digits and _", "%q cannot be the name of a block", r.block)
	case p.within(r.block) != nil:
		v.Errorf("give it another name", "a block %s is within a block of the same name", r.block)
	}
	p.blocks = append(p.blocks, r)
}

// within returns the rule whose then: has that name and is being read.
func (p *reader) within(block string) *rule {
	for _, r := range p.blocks {
		if r.block == block {
			return r
		}
	}
	return nil
}

// leave reads the name of a block that the rule is in.
func (p *reader) leave(v conf.Value) *rule {
	name := v.Str()
	if r := p.within(name); r != nil {
		return r
	}
	var known []string
	for _, r := range p.blocks {
		known = append(known, r.block)
	}
	hint := "name a then: around it with block: " + name
	if len(known) > 0 {
		hint = "blocks here: " + strings.Join(known, ", ")
	}
	v.Errorf(hint, "this rule is in no block %q", name)
	return nil
}
