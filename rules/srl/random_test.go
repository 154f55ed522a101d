package srl

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"flowmeter/rules"
)

// A source is a random program being written.
type source struct {
	*maker
	strings.Builder
	sub    int      // number of the subroutine, from 1; 0 outside
	labels []string // around
	made   int
	guard  bool // only IPv4 comes this far: constants may be addresses
}

// program makes a program of one or two subroutines that call each other.
func (m *maker) program() string {
	s := &source{maker: m}
	s.WriteString("define web = (80, 443); define Low = 0 & FC-00;\ndefine home = (10.1.2/24, 10.1/16); define both = (home, 192.168/16);\n")
	if s.guard = m.IntN(2) == 0; s.guard {
		s.WriteString("if SourcePeerType == 1 save; else ignore;\n")
	}
	for range 2 + m.IntN(4) {
		s.stmt(0)
	}
	if m.IntN(3) != 0 {
		s.WriteString("count;\n")
	}
	for s.sub = 1; s.sub <= 3; s.sub++ {
		fmt.Fprintf(s, "subroutine s%d (address a, address p, variable z)\n", s.sub)
		for range 1 + m.IntN(3) {
			s.stmt(1)
		}
		s.WriteString("return;\nendsub;\n")
	}
	return s.String()
}

func (s *source) stmt(depth int) {
	n := 14
	if depth > 2 {
		n = 9 // nothing that nests
	}
	switch s.IntN(n) {
	case 0, 1:
		s.save()
	case 2:
		fmt.Fprintf(s, "store %s := %s;\n", s.variable(), pick(s.maker, "7", "'W'", "0", "9"))
	case 3:
		s.WriteString(pick(s.maker, "count;\n", "ignore;\n", "nomatch;\n", ";\n"))
	case 4, 5:
		if s.sub > 0 {
			s.WriteString(pick(s.maker, "return;\n", "return 1;\n", "return 3;\n", "return 4;\n"))
		} else {
			s.save()
		}
	case 6:
		if len(s.labels) > 0 {
			fmt.Fprintf(s, "exit %s;\n", pick(s.maker, s.labels...))
		} else {
			s.save()
		}
	case 7, 8:
		s.WriteString("count;\n")
	case 9:
		s.call(depth)
	case 10:
		s.compound(depth)
	default:
		s.ifs(depth)
	}
}

func (s *source) variable() string {
	if s.sub > 0 && s.IntN(2) == 0 {
		return "z"
	}
	return pick(s.maker, "FlowKind", "FlowClass", "sourcekind", "DestKind", "SourceClass", "DestClass")
}

func (s *source) address() string {
	if s.sub > 0 && s.IntN(2) == 0 {
		return "a"
	}
	return pick(s.maker, "SourcePeerAddress", "DestPeerAddress")
}

func (s *source) port() string {
	if s.sub > 0 && s.IntN(2) == 0 {
		return "p"
	}
	return pick(s.maker, "SourceTransAddress", "DestTransAddress")
}

func (s *source) save() {
	text := ""
	switch s.IntN(9) {
	case 0, 1:
		text = s.address() + pick(s.maker, "", "/24", "/8", "&255.255", "/32", "/0")
	case 2, 3:
		text = s.port() + pick(s.maker, "", "/6", "&F0-00")
	case 4:
		text = pick(s.maker, "SourceTransType", "DestTransType", "SourceTransType/4", "SourceTransType & 5")
	case 5:
		text = pick(s.maker, "SourceAdjacentAddress", "DestAdjacentAddress/24", "SourceInterface", "SourcePeerType")
	case 6:
		text = s.port() + " = " + pick(s.maker, "53", "0.80", "1024/6")
	case 7:
		text = pick(s.maker, "SourceTransType = 17", "DestAdjacentAddress = 02-00-00-00-00-01")
	case 8:
		text = "SourcePeerType"
		if s.guard {
			text = s.address() + " = " + pick(s.maker, "1.2.3.4", "1.2/16", "9.0/8")
		}
	}
	s.WriteString("save " + text + ";\n")
}

func (s *source) call(depth int) {
	if s.sub == 3 {
		s.WriteString("nomatch;\n")
		return
	}
	fmt.Fprintf(s, "call s%d (%s, %s, %s)\n", s.sub+1+s.IntN(3-s.sub), s.address(), s.port(), s.variable())
	for _, labels := range []string{"1:", "2: 3:", "4:"} {
		if s.IntN(2) == 0 {
			s.WriteString(labels + " ")
			s.stmt(depth + 1)
		}
	}
	s.WriteString("endcall;\n")
}

func (s *source) compound(depth int) {
	s.made++
	label := fmt.Sprintf("l%d", s.made)
	if s.IntN(3) == 0 {
		s.WriteString("{\n")
	} else {
		s.WriteString(label + ": {\n")
		s.labels = append(s.labels, label)
		defer func() { s.labels = s.labels[:len(s.labels)-1] }()
	}
	for range s.IntN(4) {
		s.stmt(depth + 1)
	}
	s.WriteString("}\n")
}

func (s *source) ifs(depth int) {
	for range 1 + s.IntN(6) {
		cond := s.expr(2)
		fmt.Fprintf(s, "if %s", cond)
		stod := strings.Contains(cond, "StoD")
		switch {
		case s.IntN(2) == 0 && !stod:
			s.WriteString(" save;\n")
		case s.IntN(2) == 0 && !stod:
			s.WriteString(" save, ")
			s.stmt(depth + 1)
		default:
			s.WriteString(" ")
			s.WriteString("{ ") // so that an else is not that of an if within
			s.stmt(depth + 1)
			s.WriteString(" }\n")
		}
		if s.IntN(2) == 0 {
			return
		}
		s.WriteString("else ")
	}
	s.stmt(depth + 1)
}

func (s *source) expr(depth int) string {
	if depth > 0 {
		switch s.IntN(5) {
		case 0:
			return "(" + s.expr(depth-1) + " || " + s.expr(depth-1) + ")"
		case 1:
			return s.expr(depth-1) + " && " + s.expr(depth-1)
		case 2:
			return s.expr(depth-1) + " || " + s.expr(depth-1)
		}
	}
	return s.test()
}

func (s *source) test() string {
	one := func(from ...string) string {
		if s.IntN(3) != 0 {
			return pick(s.maker, from...)
		}
		return "(" + pick(s.maker, from...) + ", " + pick(s.maker, from...) + ")"
	}
	switch s.IntN(9) {
	case 0, 1, 2:
		return s.address() + " == " + one("10.1.2.3", "10.1.2/24", "10.1/16", "10.0/8", "8.8.8.8", "HOME", "both", "0A-01 & FF-FF", "192.168.4!7", "fd00::/8", "2001:db8::/32")
	case 3, 4:
		return s.port() + " == " + one("80", "web", "low", "0", "53", "4.0/6", "0.20", "1024 & FF-FF")
	case 5:
		return pick(s.maker, "SourceTransType", "DestTransType") + " == " + one("6", "17", "1", "4/6", "0", "0/3")
	case 6:
		return pick(s.maker, "SourcePeerType", "DestPeerType") + " == " + one("1", "2", "11")
	case 7:
		return pick(s.maker, "SourceAdjacentAddress == (00-1B-21-00-00-01, 02-00/8)", "DestAdjacentAddress == 00-1B-21/24", "SourceInterface == 1", "DestInterface == (1, 2)",
			"MatchingStoD == 1", "MatchingStoD == 0")
	}
	return s.variable() + " == " + one("7", "'W'", "9", "0")
}

var programsFlag = flag.Uint64("programs", 4000, "how many random programs to compare, each with 50 packets")

// run compares one random program over some packets.
func run(t *testing.T, seed uint64, packets int) *pair {
	t.Helper()
	m := newMaker(seed)
	p := newPair(t, m.program())
	for range packets {
		p.compare(t, m.packet())
	}
	return p
}

// TestTranslationEqualsEngine: random programs say of random packets what
// RFC 2722's engine says, with the rules of the program as RFC 2723 means them.
func TestTranslationEqualsEngine(t *testing.T) {
	seeds := *programsFlag
	if testing.Short() {
		seeds = 800
	}
	verdicts, executed, cases := map[rules.Verdict]int{}, map[opcode]int{}, 0
	for seed := range seeds {
		m := newMaker(seed)
		p := newPair(t, m.program())
		for range 50 {
			verdicts[p.compare(t, m.packet())]++
			cases++
		}
		for op := range p.executed {
			executed[op]++
		}
	}
	for _, op := range []opcode{opIgnore, opNoMatch, opCount, opReturn, opGosub, opAssign, opGoto, opGotoAct, opPushRuleTo, opPushPktTo, opPopTo} {
		if executed[op] < int(seeds)/50 {
			t.Errorf("opcode %d ran in %d programs alone", op, executed[op])
		}
	}
	for _, v := range []rules.Verdict{rules.Counted, rules.Ignored, rules.NoMatch, rules.NoKey} {
		if verdicts[v] < cases/100 {
			t.Errorf("%d of %d packets were %v", verdicts[v], cases, v)
		}
	}
	t.Logf("%d programs, %d cases: %v; opcodes %v", seeds, cases, verdicts, executed)
}

func FuzzTranslation(f *testing.F) {
	f.Add(uint64(1))
	f.Add(uint64(4711))
	f.Fuzz(func(t *testing.T, seed uint64) { run(t, seed, 20) })
}
