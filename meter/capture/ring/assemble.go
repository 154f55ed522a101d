package ring

import "golang.org/x/net/bpf"

// assembler writes a program whose jumps go to labels that are placed later.
type assembler struct {
	code   []bpf.Instruction
	places []int         // of each label
	jumps  map[int]label // by the place of the jump
}

// label is a place in a program, known once place was called.
type label int

func (a *assembler) label() label {
	a.places = append(a.places, -1)
	return label(len(a.places) - 1)
}

func (a *assembler) place(l label) { a.places[l] = len(a.code) }

func (a *assembler) op(in ...bpf.Instruction) { a.code = append(a.code, in...) }

// jump goes to l.
func (a *assembler) jump(l label) {
	if a.jumps == nil {
		a.jumps = map[int]label{}
	}
	a.jumps[len(a.code)] = l
	a.op(bpf.Jump{})
}

// jumpIf goes to l if A compares so to v. A conditional jump of cBPF reaches
// no farther than 255 instructions, so it only skips one that reaches all.
func (a *assembler) jumpIf(cond bpf.JumpTest, v uint32, l label) {
	a.op(bpf.JumpIf{Cond: cond, Val: v, SkipFalse: 1})
	a.jump(l)
}

// instructions returns the program.
func (a *assembler) instructions() []bpf.Instruction {
	for at, l := range a.jumps {
		a.code[at] = bpf.Jump{Skip: uint32(a.places[l] - at - 1)}
	}
	return a.code
}

// raw returns the program as the kernel takes it.
func (a *assembler) raw() []bpf.RawInstruction {
	raw := make([]bpf.RawInstruction, 0, len(a.code))
	for _, in := range a.instructions() {
		r, err := in.Assemble()
		if err != nil { // an operand that does not exist: the tests would see it
			r = bpf.RawInstruction{Op: opRetK}
		}
		raw = append(raw, r)
	}
	return raw
}
