package rules

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// List writes the compiled Program, one instruction a line: its place, what it
// does, and where it goes on: "yes" and "no" of tests; nothing where that is the next.
func (p *Program) List(w io.Writer) {
	for i := range p.code {
		in := &p.code[i]
		line := fmt.Sprintf("%5d  %s", i, p.instruction(in))
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-60s %s", line, p.goesOn(i, in)), " "))
	}
}

func (p *Program) goesOn(i int, in *instr) string {
	switch in.op {
	case opCount, opIgnore, opNoMatch:
		return p.decidedBy(in)
	case opReturn, opNext:
		return ""
	}
	switch next := int32(i + 1); {
	case in.yes == in.no && in.yes == next:
		return ""
	case in.yes == in.no:
		return fmt.Sprintf("to %d", in.yes)
	}
	return fmt.Sprintf("yes %d, no %d", in.yes, in.no)
}

func (p *Program) decidedBy(in *instr) string {
	if n := int(in.pool); n > 0 && n <= len(p.deciders) {
		return p.deciders[n-1].At.String()
	}
	return "the end of the rules"
}

func (p *Program) instruction(in *instr) string {
	not := ""
	if in.not {
		not = "not "
	}
	what := p.fieldOf(in)
	if in.op <= opBits && in.op != opHas && in.mask != 0 && in.mask != ^uint64(0) {
		what += fmt.Sprintf(" & %#x", in.mask)
	}
	switch in.op {
	case opHas:
		return "has " + what
	case opSpan:
		return fmt.Sprintf("test %s %sin %s", what, not, spanText([]span{{in.lo, in.hi}}))
	case opSpans:
		return fmt.Sprintf("test %s %sin %s", what, not, spanText(p.spans[in.pool]))
	case opBits:
		return fmt.Sprintf("test %s %sin a bitmap", what, not)
	case opPrefix:
		return fmt.Sprintf("test %s %sin %s", what, not, p.prefixes[in.pool].text())
	case opList:
		return fmt.Sprintf("test %s %sin a table of %d prefixes", what, not, len(p.lists[in.pool].prefixes))
	case opNested:
		return p.nested(&p.tests[in.pool])
	case opMeasure:
		return "measure"
	case opOctets:
		return fmt.Sprintf("test octets of %s", what)
	case opScan:
		return fmt.Sprintf("test %s in %s", what, p.scans[in.pool].text())
	case opSave:
		return "save " + what + maskOf(in)
	case opSaveList:
		return "save " + what + " under its longest mask"
	case opPut:
		return "save a constant as " + strings.Join(attrNames(in.attr), ", ")
	case opSet:
		return fmt.Sprintf("set %s = %d", what, in.lo)
	}
	return plainOps[in.op]
}

// nested is a test of another packet of the nest, or of the tunnel's header.
func (p *Program) nested(test *instr) string {
	there := *test
	there.need &^= elsewhere
	switch {
	case test.need&ofOuter != 0:
		return "in the outermost packet, " + p.instruction(&there)
	case test.need&ofInner != 0:
		return "in the innermost packet, " + p.instruction(&there)
	}
	for i := range tunnelFields {
		if from := tunnelFields[i].from[0]; from.get == test.get && from.need == test.need {
			return "test " + tunnelFields[i].name
		}
	}
	return "test the tunnel"
}

// plainOps are the instructions that are about no field.
var plainOps = map[opcode]string{
	opMark: "save", opJump: "go", opCount: "count", opIgnore: "ignore", opNoMatch: "nomatch",
	opNext: "look up the next rule that may be true", opCall: "call", opReturn: "return", opReturned: "test what was returned",
}

// fieldOf returns a name for what an instruction looks at.
func (p *Program) fieldOf(in *instr) string {
	for i := range fields {
		for _, from := range fields[i].from {
			if p.looksAt(in, &fields[i], from) {
				return fields[i].name
			}
		}
	}
	switch {
	case in.op == opHas:
		return fmt.Sprintf("layers %#x", uint64(in.need))
	case in.op == opSet && in.attr != 0:
		return strings.Join(attrNames(in.attr), ", ")
	}
	return fmt.Sprintf("variable %d", int(in.get)-int(getVar))
}

func (p *Program) looksAt(in *instr, f *field, from reading) bool {
	if in.op == opScan || from.scan != nil {
		return in.op == opScan && from.scan == p.scans[in.pool].scan
	}
	return from.get == in.get && from.need == in.need && (in.op == opHas) == (f.typ == typeProto)
}

func maskOf(in *instr) string {
	if in.attr&(SrcAddr|DstAddr|SrcPort|DstPort) != 0 && in.bits != wholeBits {
		return fmt.Sprintf("/%d", in.bits)
	}
	if in.lo != wholeMask && in.lo != 0 {
		return fmt.Sprintf(" & %#x", in.lo)
	}
	return ""
}

func (t *scanTest) text() string {
	text := spanText(t.spans)
	if t.not {
		text = "all but " + text
	}
	if t.mask != ^uint64(0) {
		text += fmt.Sprintf(" under %#x", t.mask)
	}
	return text
}

// shownSpans is how many spans are written out.
const shownSpans = 8

func spanText(spans []span) string {
	var words []string
	for i, s := range spans {
		switch {
		case i == shownSpans:
			return "{" + strings.Join(words, ", ") + fmt.Sprintf(", … %d more}", len(spans)-i)
		case s.lo == s.hi:
			words = append(words, fmt.Sprint(s.lo))
		default:
			words = append(words, fmt.Sprintf("%d..%d", s.lo, s.hi))
		}
	}
	return "{" + strings.Join(words, ", ") + "}"
}

func (p *prefix) text() string {
	var octets, mask [16]byte
	putWords(&octets, p.hi, p.lo)
	putWords(&mask, p.maskHi, p.maskLo)
	bits := 0
	for _, b := range mask {
		for ; b != 0; b <<= 1 {
			bits++
		}
	}
	a := netip.AddrFrom16(octets)
	if p.v4 {
		return netip.PrefixFrom(a.Unmap(), bits-96).String()
	}
	return netip.PrefixFrom(a, bits).String()
}

func putWords(to *[16]byte, hi, lo uint64) {
	for i := range 8 {
		to[i], to[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
}
