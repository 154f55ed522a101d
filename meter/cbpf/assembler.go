// Package cbpf assembles programs of classic BPF, as Linux takes them for
// packet sockets (the kernel's Documentation/networking/filter.rst), from
// instructions whose jumps go to labels.
package cbpf

import "golang.org/x/net/bpf"

// MaxLen is how many instructions a program has at most (BPF_MAXINSNS).
const MaxLen = 4096

// Assembler writes a program whose jumps go to labels that are placed later:
// jumps of classic BPF go forward only.
type Assembler struct {
	code   []bpf.Instruction
	places []int         // of each label
	jumps  map[int]Label // by the place of the jump
}

// Label is a place in a program, known once Place was called.
type Label int

// Label makes a label that is yet to be placed.
func (a *Assembler) Label() Label {
	a.places = append(a.places, -1)
	return Label(len(a.places) - 1)
}

// Place lets a label stand for the next instruction.
func (a *Assembler) Place(l Label) { a.places[l] = len(a.code) }

// Reaches tells whether the program, as far as it is written, can come to l.
func (a *Assembler) Reaches(l Label) bool {
	reached := make([]bool, len(a.code)+1)
	reached[0] = true
	for i, in := range a.code {
		if !reached[i] {
			continue
		}
		switch in.(type) {
		case bpf.Jump:
			if a.jumps[i] == l {
				return true
			}
			if at := a.places[a.jumps[i]]; at >= 0 {
				reached[at] = true
			}
			continue
		case bpf.RetConstant, bpf.RetA:
			continue
		case bpf.JumpIf, bpf.JumpIfX: // over the jump that stands behind it
			reached[i+2] = true
		}
		reached[i+1] = true
	}
	return false
}

// Len is how many instructions there are.
func (a *Assembler) Len() int { return len(a.code) }

// Op adds instructions.
func (a *Assembler) Op(in ...bpf.Instruction) { a.code = append(a.code, in...) }

// Jump goes to l.
func (a *Assembler) Jump(l Label) {
	if a.jumps == nil {
		a.jumps = map[int]Label{}
	}
	a.jumps[len(a.code)] = l
	a.Op(bpf.Jump{})
}

// JumpIf goes to l if A compares so to v. A conditional jump of classic BPF
// reaches no farther than 255 instructions, so it only skips one that reaches
// all.
func (a *Assembler) JumpIf(cond bpf.JumpTest, v uint32, l Label) {
	a.Op(bpf.JumpIf{Cond: cond, Val: v, SkipFalse: 1})
	a.Jump(l)
}

// JumpIfX goes to l if A compares so to X.
func (a *Assembler) JumpIfX(cond bpf.JumpTest, l Label) {
	a.Op(bpf.JumpIfX{Cond: cond, SkipFalse: 1})
	a.Jump(l)
}

// Instructions returns the program.
func (a *Assembler) Instructions() []bpf.Instruction {
	for at, l := range a.jumps {
		a.code[at] = bpf.Jump{Skip: uint32(a.places[l] - at - 1)}
	}
	return a.code
}

// Raw returns the program as the kernel takes it.
func (a *Assembler) Raw() []bpf.RawInstruction {
	raw := make([]bpf.RawInstruction, 0, len(a.code))
	for _, in := range a.Instructions() {
		r, err := in.Assemble()
		if err != nil { // an operand that does not exist: the tests would see it
			r = bpf.RawInstruction{Op: retConstant}
		}
		raw = append(raw, r)
	}
	return raw
}

// retConstant is `ret #k` (linux/bpf_common.h): with a k of 0, no frame.
const retConstant = 0x06
