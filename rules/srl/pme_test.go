package srl

// This file is RFC 2722's Packet Matching Engine as §4.4 describes it: a rule
// set is an array of rules, which are executed one by one. It shares nothing
// with the rules that it is compared with.

type opcode int

// The opcodes with the numbers of RFC 2722 §4.4.
const (
	opIgnore opcode = iota + 1
	opNoMatch
	opCount
	opCountPkt
	opReturn
	opGosub
	opGosubAct
	opAssign
	opAssignAct
	opGoto
	opGotoAct
	opPushRuleTo
	opPushRuleToAct
	opPushPktTo
	opPushPktToAct
	opPopTo
	opPopToAct
)

// testFlag is the column "test" of the table of opcodes.
var testFlag = map[opcode]bool{opGosub: true, opAssign: true, opGoto: true, opPushRuleTo: true, opPushPktTo: true, opPopTo: true}

// Attribute numbers that are none of a packet's.
const (
	attrNull         = 0
	attrMatchingStoD = 50
	attrV1           = 51
	attrV5           = 55
)

// octets16 is the value of an attribute, its first octet first.
type octets16 [16]byte

func (o octets16) and(m octets16) octets16 {
	for i := range o {
		o[i] &= m[i]
	}
	return o
}

// A pmeRule is attribute & mask = value: opcode, parameter.
type pmeRule struct {
	attr        int
	mask, value octets16
	op          opcode
	param       int

	// constant tells who compares keys that the value is not one that was
	// matched. The engine does not look at it.
	constant bool
}

// pushed is one entry of the pattern queue.
type pushed struct {
	attr        int
	mask, value octets16
	rule        *pmeRule
}

type outcome int

const (
	pmeIgnore outcome = iota
	pmeNoMatch
	pmeSuccess
)

// frame is what Gosub keeps: where it was, and the meter variables, which RFC
// 2123 §3.3 counts to the environment.
type frame struct {
	rule int
	v    [6]int
}

// An engine runs a rule set over one packet, in one direction.
type engine struct {
	rules    []pmeRule
	packet   map[int]octets16 // attribute → value
	computed map[int]octets16 // SourceClass … FlowKind
	queue    []pushed
	stack    []frame
	v        [6]int // v1 to v5
	steps    int
	executed map[opcode]bool
}

func newEngine(rules []pmeRule, packet map[int]octets16) *engine {
	return &engine{rules: rules, packet: packet, computed: map[int]octets16{}, executed: map[opcode]bool{}}
}

// match is match(A->B): execution begins with rule 1 and the test indicator set.
func (e *engine) match() outcome {
	i, test := 1, true
	for {
		if e.steps++; e.steps > 1_000_000 {
			panic("the rules do not end")
		}
		if i > len(e.rules) {
			return pmeNoMatch
		}
		r := &e.rules[i-1]
		if test && !e.succeeds(r) {
			i++
			continue
		}
		test = testFlag[r.op]
		e.executed[r.op] = true
		switch r.op {
		case opIgnore:
			return pmeIgnore
		case opNoMatch:
			return pmeNoMatch
		case opCount:
			e.push(r, r.value)
			return pmeSuccess
		case opCountPkt:
			e.push(r, e.value(r).and(r.mask))
			return pmeSuccess
		case opReturn:
			top := e.stack[len(e.stack)-1]
			e.stack = e.stack[:len(e.stack)-1]
			e.v = top.v
			i = top.rule + r.param
			continue
		case opGosub, opGosubAct:
			e.stack = append(e.stack, frame{i, e.v})
		case opAssign, opAssignAct:
			e.v[r.attr-attrV1+1] = int(r.value[0])
		case opPushRuleTo, opPushRuleToAct:
			e.push(r, r.value)
		case opPushPktTo, opPushPktToAct:
			e.push(r, e.value(r).and(r.mask))
		case opPopTo, opPopToAct:
			e.queue = e.queue[:len(e.queue)-1]
		}
		i = r.param
	}
}

// attribute follows a meter variable to the attribute that it holds.
func (e *engine) attribute(r *pmeRule) int {
	if r.attr >= attrV1 && r.attr <= attrV5 {
		return e.v[r.attr-attrV1+1]
	}
	return r.attr
}

func (e *engine) value(r *pmeRule) octets16 {
	a := e.attribute(r)
	if v, ok := e.computed[a]; ok {
		return v
	}
	return e.packet[a]
}

func (e *engine) succeeds(r *pmeRule) bool {
	return e.attribute(r) == attrNull || e.value(r).and(r.mask) == r.value
}

func (e *engine) push(r *pmeRule, value octets16) {
	a := e.attribute(r)
	if a == attrNull {
		return
	}
	e.queue = append(e.queue, pushed{a, r.mask, value, r})
	if a >= 36 && a <= 41 {
		e.computed[a] = value
	}
}

// reversed returns a packet's attributes with source and destination exchanged.
func reversedAttributes(packet map[int]octets16) map[int]octets16 {
	out := map[int]octets16{}
	for a, v := range packet {
		switch {
		case a >= 4 && a <= 13:
			a += 10
		case a >= 14 && a <= 23:
			a -= 10
		}
		out[a] = v
	}
	out[attrMatchingStoD] = octets16{}
	return out
}

// matchBoth is what RFC 2722 §4.3 does with a packet, up to the flow's key.
func matchBoth(rules []pmeRule, packet map[int]octets16, executed map[opcode]bool) (outcome, []pushed, bool) {
	for _, swapped := range []bool{false, true} {
		if swapped {
			packet = reversedAttributes(packet)
		}
		e := newEngine(rules, packet)
		result := e.match()
		for op := range e.executed {
			executed[op] = true
		}
		if result != pmeNoMatch {
			return result, e.queue, swapped
		}
	}
	return pmeNoMatch, nil, false
}
