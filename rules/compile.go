package rules

import (
	"net/netip"

	"gopkg.in/yaml.v3"
)

type opcode uint8

// Tests go on at yes or no, all else at yes.
const (
	opHas      opcode = iota // all of need is there
	opSpan                   // the number is from lo to hi
	opSpans                  // the number is in spans[pool]
	opBits                   // the number is in bitmaps[pool]
	opPrefix                 // the address is in prefixes[pool]
	opList                   // the address is in lists[pool]
	opOctets                 // the octets of an address are wanted by octets[pool]
	opScan                   // scans[pool] holds
	opNested                 // tests[pool] is true of another packet of the nest
	opSave                   // put an attribute into the key
	opSaveList               // the same, an address under the mask of lists[pool] that it matched
	opPut                    // put a constant into the key
	opMark                   // save: was there, perhaps with nothing to save
	opSet                    // put a number into a computed attribute or variable
	opMeasure                // measure the quantities of lo
	opJump                   //
	opCount                  // these three end the pass; pool is the number of the rule
	opIgnore                 //
	opNoMatch                //
	opCall                   // go on at yes, and come back behind it
	opReturn                 // go back, with the number lo
	opReturned               // the number that came back is lo
	opNext                   // go on with the next rule from lo on that dispatches[pool] finds
)

// An instr is one step of a Program. Its jumps only go forward, and no
// subroutine calls itself: so a run ends.
type instr struct {
	op      opcode
	get     getter // tests: what to look at; opSave of addresses and ports too; opSet: what to change
	bits    uint8  // opSave, opPut: leading bits to keep of addresses and ports
	not     bool   // tests: the value is there and not among those wanted
	varies  bool   // looks at what can change within a conversation
	live    bool   // to be executed for each packet: see Trail
	attr    Attr   // opSave, opPut
	pool    int32
	need    have // tests: else the answer is no; opSave: else the key lacks attr
	yes, no int32
	lo, hi  uint64 // opSave: lo is the bits to keep; opPut: a number in lo, an address in both
	mask    uint64 // tests of numbers: bits to look at
}

// A prefix is compared without a table.
type prefix struct {
	v4             bool
	hi, lo         uint64 // of the 16 octets, IPv4 as IPv4-mapped IPv6
	maskHi, maskLo uint64
}

// A bitmap holds the numbers below 65536 that a test looks for.
type bitmap [max16/64 + 1]uint64

// manySpans is how many spans are looked up in a bitmap, of 8 KiB, if they fit
// into one.
const manySpans = 64

// A compiler turns rules into the instructions of a Program, one after the
// other. While it works, jumps hold the numbers of labels.
type compiler struct {
	*Program
	labels  []int32 // label → instruction
	pooled  map[*prefixList]int32
	spansAt map[*span]int32       // spans → where they are in the pool, as spans or as a bitmap
	copies  map[valuesID]int      // tables that values are in
	ends    map[*rule]int32       // blocks → label behind their list
	starts  map[*instance]int32   // what is called → label
	called  []*instance           // in the order of starts
	numbers map[*yaml.Node]uint16 // of rules that decide
}

// compile returns the Program of checked rules.
func compile(rules []*rule, nets *Networks, n *names, o Orient) *Program {
	p := &Program{nets: nets, names: n.list, source: rules, distributions: n.distributions()}
	p.setOrient(o)
	c := newCompiler(p)
	c.rules(rules)
	c.emit(instr{op: opNoMatch})
	for i := 0; i < len(c.called); i++ {
		c.place(c.starts[c.called[i]])
		c.rules(c.called[i].rules)
		c.emit(instr{op: opReturn})
	}
	c.link()
	p.findLive()
	p.leads = leadsOf(rules)
	p.fused, p.conversational = isFused(rules), isConversational(rules)
	return p
}

func newCompiler(p *Program) *compiler {
	return &compiler{Program: p, pooled: map[*prefixList]int32{}, spansAt: map[*span]int32{}, copies: map[valuesID]int{},
		ends: map[*rule]int32{}, starts: map[*instance]int32{}}
}

// link puts the places of labels into jumps.
func (c *compiler) link() {
	for i := range c.code {
		in := &c.code[i]
		in.yes, in.no = c.labels[in.yes], c.labels[in.no]
	}
	for _, d := range c.dispatches {
		for i, label := range d.starts {
			d.starts[i] = c.labels[label]
		}
	}
}

// label makes a label that is yet to be placed; 0 is never one.
func (c *compiler) label() int32 {
	if c.labels == nil {
		c.labels = []int32{0}
	}
	c.labels = append(c.labels, 0)
	return int32(len(c.labels) - 1)
}

// place lets a label stand for the next instruction.
func (c *compiler) place(label int32) { c.labels[label] = int32(len(c.code)) }

func (c *compiler) branch(in instr, yes, no int32) {
	if in.need&elsewhere != 0 {
		in = c.elsewhere(in)
	}
	in.yes, in.no = yes, no
	c.code = append(c.code, in)
}

// emit adds an instruction after which the next one follows.
func (c *compiler) emit(in instr) {
	next := c.label()
	c.branch(in, next, next)
	c.place(next)
}

func (c *compiler) rules(list []*rule) {
	d := c.dispatch(list)
	for i, r := range list {
		c.enter(d, i)
		c.rule(r)
	}
	c.enter(d, len(list))
}

func (c *compiler) rule(r *rule) {
	if r.cond == nil {
		c.body(r)
		return
	}
	body, other, end := c.label(), c.label(), c.label()
	c.cond(r.cond, body, other)
	c.place(body)
	c.body(r)
	if r.els != nil {
		c.branch(instr{op: opJump}, end, end)
	}
	c.place(other)
	c.rules(r.els)
	c.place(end)
}

func (c *compiler) body(r *rule) {
	c.effects(r)
	if r.call != nil {
		c.call(r)
	}
	end := c.label()
	c.ends[r] = end
	c.rules(r.then)
	c.place(end)
	switch r.do {
	case doReturn:
		c.emit(instr{op: opReturn, lo: uint64(r.number)})
	case doLeave:
		c.branch(instr{op: opJump}, c.ends[r.leave], c.ends[r.leave])
	case doCount:
		c.emit(instr{op: opCount, pool: c.number(r)})
	case doIgnore:
		c.emit(instr{op: opIgnore, pool: c.number(r)})
	case doNoMatch:
		c.emit(instr{op: opNoMatch, pool: c.number(r)})
	}
}

// call goes to a subroutine. Behind the call stands a test for each number that
// something is to be done for.
func (c *compiler) call(r *rule) {
	start, known := c.starts[r.call]
	if !known {
		start = c.label()
		c.starts[r.call], c.called = start, append(c.called, r.call)
	}
	end := c.label()
	c.branch(instr{op: opCall}, start, start)
	for _, a := range r.on {
		yes, next := c.label(), c.label()
		c.branch(instr{op: opReturned, lo: uint64(a.number)}, yes, next)
		c.place(yes)
		c.rules(a.rules)
		c.branch(instr{op: opJump}, end, end)
		c.place(next)
	}
	c.place(end)
}

func (c *compiler) measure(list []Quantity) {
	in := instr{op: opMeasure}
	for _, q := range list {
		in.lo |= 1 << q
	}
	c.emit(in)
}

// effects is what a rule that matches does before any other is tried.
func (c *compiler) effects(r *rule) {
	if r.explicit {
		c.emit(instr{op: opMark})
	}
	if r.matched.Node != nil {
		c.matched(r.cond)
	}
	for _, s := range r.saves {
		c.save(s)
	}
	for _, s := range r.sets {
		c.emit(instr{op: opSet, get: s.field.from[0].get, attr: s.field.attr, lo: uint64(s.value)})
	}
	if r.measures != nil {
		c.measure(r.measures)
	}
}

func (c *compiler) save(s saved) {
	from := s.field.from[0]
	if p, ok := presences[s.field.attr]; ok {
		from = p
	}
	in := instr{op: opSave, get: from.get, need: s.need(), attr: s.field.attr, bits: s.bits, lo: s.mask}
	switch {
	case !s.constant:
		in.varies = s.field.varies
	case s.field.isAddr():
		addr := s.addr.As16()
		in.op = opPut
		in.hi, in.lo = words(&addr)
	default:
		in.op, in.lo = opPut, s.num
	}
	c.emit(in)
}

// matched saves what made a condition true: of each test, the value under the
// mask of what it was equal to. Of an or, the first that is true counts.
func (c *compiler) matched(k *cond) {
	switch k.kind {
	case exprTest:
		if k.operand() {
			c.saveOperand(k)
		}
	case exprAnd:
		for _, kid := range k.kids {
			c.matched(kid)
		}
	case exprOr:
		end := c.label()
		last := len(k.kids) - 1
		for _, kid := range k.kids[:last] {
			yes, next := c.label(), c.label()
			c.cond(kid, yes, next)
			c.place(yes)
			c.matched(kid)
			c.branch(instr{op: opJump}, end, end)
			c.place(next)
		}
		c.matched(k.kids[last])
		c.place(end)
	}
}

func (c *compiler) saveOperand(k *cond) {
	s := unmasked(k.field)
	if !k.field.isAddr() {
		c.save(s)
		return
	}
	if len(k.want.prefixes) == 1 {
		s.bits = uint8(k.want.prefixes[0].Bits())
		c.save(s)
		return
	}
	from := k.field.from[0]
	c.emit(instr{op: opSaveList, get: from.get, need: from.need, attr: k.field.attr, pool: c.list(&k.want)})
}

// cond goes to yes where the expression is true, else to no.
func (c *compiler) cond(k *cond, yes, no int32) {
	switch k.kind {
	case exprNot:
		c.cond(k.kids[0], no, yes)
	case exprAnd, exprOr:
		kids := k.kids
		if k.kind == exprOr {
			kids = merged(kids)
		}
		last := len(kids) - 1
		for _, kid := range kids[:last] {
			next := c.label()
			if k.kind == exprAnd {
				c.cond(kid, next, no)
			} else {
				c.cond(kid, yes, next)
			}
			c.place(next)
		}
		c.cond(kids[last], yes, no)
	case exprHas:
		c.has(k, yes, no)
	case exprTest:
		c.test(k, yes, no)
	}
}

func (c *compiler) has(k *cond, yes, no int32) {
	if k.field.scanned() != nil {
		k.want = values{spans: []span{{0, ^uint64(0)}}}
		c.test(k, yes, no)
		return
	}
	c.branch(instr{op: opHas, need: k.field.from[0].need, varies: k.field.varies}, yes, no)
}

// test asks whether any value of the field is wanted, or all are; with not,
// whether they are there and not wanted. Of a field that is absent the answer
// is no.
func (c *compiler) test(k *cond, yes, no int32) {
	in := c.lookup(k)
	in.not, in.varies, in.need = k.not && k.field.scanned() == nil, k.field.varies, k.field.from[0].need
	if k.field.scanned() != nil {
		c.branch(in, yes, no)
		return
	}
	last := len(k.field.from) - 1
	for i, from := range k.field.from {
		in.get, in.need = from.get, from.need
		next := c.label()
		switch {
		case k.all:
			c.fits(in, i > 0, next, no)
		case i == last:
			c.branch(in, yes, no)
		default:
			c.branch(in, yes, next)
		}
		c.place(next)
	}
	if k.all {
		c.branch(instr{op: opJump}, yes, yes)
	}
}

// fits goes on at next if a value passes the test. Values behind the first
// may be missing, as the inner of two VLAN tags.
func (c *compiler) fits(in instr, optional bool, next, no int32) {
	if optional {
		there := c.label()
		c.branch(instr{op: opHas, need: in.need, varies: in.varies}, there, next)
		c.place(there)
	}
	c.branch(in, next, no)
}

// lookup chooses how to find a value among those wanted.
func (c *compiler) lookup(k *cond) instr {
	vs := &k.want
	switch {
	case k.octets != nil:
		c.Program.octets = append(c.Program.octets, k.octets)
		return instr{op: opOctets, pool: int32(len(c.Program.octets) - 1)}
	case k.field.scanned() != nil:
		c.scans = append(c.scans, &scanTest{k.field.scanned(), vs.spans, k.bits(), k.all, k.not})
		return instr{op: opScan, pool: int32(len(c.scans) - 1)}
	case k.field.isAddr() && len(vs.prefixes) == 1:
		c.prefixes = append(c.prefixes, newPrefix(vs.prefixes[0]))
		return instr{op: opPrefix, pool: int32(len(c.prefixes) - 1)}
	case k.field.isAddr():
		return instr{op: opList, pool: c.list(vs)}
	case len(vs.spans) == 1:
		return instr{op: opSpan, mask: k.bits(), lo: vs.spans[0].lo, hi: vs.spans[0].hi}
	case len(vs.spans) > manySpans && k.field.max <= max16:
		return instr{op: opBits, mask: k.bits(), pool: c.pool(vs, func() int {
			c.bitmaps = append(c.bitmaps, newBitmap(vs.spans))
			return len(c.bitmaps)
		})}
	}
	return instr{op: opSpans, mask: k.bits(), pool: c.pool(vs, func() int {
		c.spans = append(c.spans, vs.spans)
		return len(c.spans)
	})}
}

// pool returns the pool's number of some spans; tests of the same $name share
// one. Else add puts them into the pool and returns how many are in it.
func (c *compiler) pool(vs *values, add func() int) int32 {
	if len(vs.spans) == 0 {
		return int32(add() - 1)
	}
	i, known := c.spansAt[&vs.spans[0]]
	if !known {
		i = int32(add() - 1)
		c.spansAt[&vs.spans[0]] = i
	}
	return i
}

// list returns the pool's number of a list; tests of the same $name share one.
func (c *compiler) list(vs *values) int32 {
	if vs.list == nil {
		vs.list = newPrefixList(vs.prefixes)
	}
	list := vs.list
	i, known := c.pooled[list]
	if !known {
		i = int32(len(c.lists))
		c.lists, c.pooled[list] = append(c.lists, list), i
	}
	return i
}

func newPrefix(p netip.Prefix) prefix {
	addr, bits := p.Addr().As16(), p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	out := prefix{v4: p.Addr().Is4()}
	out.hi, out.lo = words(&addr)
	out.maskHi, out.maskLo = leading(min(bits, 64)), leading(max(bits-64, 0))
	return out
}

// leading returns a word whose n highest bits are set.
func leading(n int) uint64 { return ^(^uint64(0) >> n) }

func newBitmap(spans []span) *bitmap {
	b := new(bitmap)
	for _, s := range spans {
		for n := s.lo; n <= s.hi; n++ {
			b[n/64] |= 1 << (n % 64)
		}
	}
	return b
}

// holds tells whether an address is in the prefix; the IP version decides,
// not the look of the address.
func (p *prefix) holds(addr *[16]byte, l have) bool {
	hi, lo := words(addr)
	return p.v4 == l.v4() && (hi^p.hi)&p.maskHi|(lo^p.lo)&p.maskLo == 0
}
