package ring

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
)

// Classes and modes of instructions (linux/bpf_common.h).
const (
	classMask = 0x07
	classJump = 0x05
	classRet  = 0x06
	opJA      = 0x05 // jump always, by K
	opRetK    = 0x06
	opRetA    = 0x16
	opJEQ     = 0x15 // jump if A equals K
	opLoadK   = 0x00 // A = K
	opTAX     = 0x07 // X = A
	jumpMask  = 0xf0
)

// dropAll takes no frame at all.
var dropAll = []bpf.RawInstruction{{Op: opRetK}}

// checkPrograms says what of a filter and a cut cannot work.
func checkPrograms(filter, cut []bpf.RawInstruction) error {
	var errs []error
	if filter != nil {
		if err := checkProgram(filter); err != nil {
			errs = append(errs, fmt.Errorf("filter: %w", err))
		}
	}
	if cut != nil {
		if err := checkProgram(cut); err != nil {
			errs = append(errs, fmt.Errorf("cut: %w", err))
		}
		for i, in := range cut {
			if in.Op == opRetA || in.Op == opRetK && in.K == 0 {
				errs = append(errs, fmt.Errorf("cut: instruction %d may drop a frame, which would not be counted: it must return a constant of at least 1", i))
			}
		}
	}
	if n := len(filter) + len(cut) + combineRoom; n > bpfMax {
		errs = append(errs, fmt.Errorf("filter and cut have %d instructions together: %d can be had", len(filter)+len(cut), bpfMax-combineRoom))
	}
	return errors.Join(errs...)
}

// checkProgram sees to it that a program ends, and jumps only forward within
// itself. The kernel checks the rest.
func checkProgram(program []bpf.RawInstruction) error {
	n := uint64(len(program))
	if n == 0 || n > bpfMax {
		return fmt.Errorf("a program of %d instructions: 1 to %d can be had", n, bpfMax)
	}
	if program[n-1].Op&classMask != classRet {
		return errors.New("the last instruction does not return")
	}
	for i, in := range program {
		if in.Op&classMask != classJump {
			continue
		}
		far := uint64(max(in.Jt, in.Jf))
		if in.Op&jumpMask == opJA&jumpMask {
			far = uint64(in.K)
		}
		if uint64(i)+1+far >= n {
			return fmt.Errorf("instruction %d jumps behind the end", i)
		}
	}
	return nil
}

// combineRoom is how many instructions combine adds at most.
const combineRoom = 16

// combine makes one program of a filter, which drops, and a cut, which says
// how many octets to capture of the rest. Before them it refuses what the
// loopback shows a second time.
//
// Where the filter returns, it must go on instead: `ret k` becomes a jump, and
// so does `ret a`, to a place that asks what A is. Both are one instruction
// for one, so no other jump changes. A cut begins with registers of 0, as it
// would alone.
func combine(filter, cut []bpf.RawInstruction, snaplen int) []bpf.RawInstruction {
	program := refuseTwins()
	if filter != nil {
		program = append(program, goOn(filter)...)
		program = append(program,
			bpf.RawInstruction{Op: opJEQ, Jf: 1}, // a `ret a` comes here
			bpf.RawInstruction{Op: opRetK},
			bpf.RawInstruction{Op: opLoadK}, // a `ret k` comes here
			bpf.RawInstruction{Op: opTAX})
	}
	if cut == nil {
		return append(program, bpf.RawInstruction{Op: opRetK, K: uint32(snaplen)})
	}
	for _, in := range cut {
		if in.Op == opRetK {
			in.K = min(in.K, uint32(snaplen))
		}
		program = append(program, in)
	}
	return program
}

// goOn returns a filter that goes on behind its end where it accepts.
func goOn(filter []bpf.RawInstruction) []bpf.RawInstruction {
	program := make([]bpf.RawInstruction, len(filter))
	for i, in := range filter {
		end := uint32(len(filter) - i - 1)
		switch {
		case in.Op == opRetA:
			in = bpf.RawInstruction{Op: opJA, K: end}
		case in.Op == opRetK && in.K > 0:
			in = bpf.RawInstruction{Op: opJA, K: end + 2}
		}
		program[i] = in
	}
	return program
}

// refuseTwins drops what leaves through the loopback: it comes in there again
// at once. It leaves the registers at 0.
func refuseTwins() []bpf.RawInstruction {
	var a cbpf.Assembler
	first := a.Label()
	a.Op(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
	a.JumpIf(bpf.JumpNotEqual, loopback, first)
	a.Op(bpf.LoadExtension{Num: bpf.ExtType})
	a.JumpIf(bpf.JumpNotEqual, packetOutgoing, first)
	a.Op(bpf.RetConstant{Val: 0})
	a.Place(first)
	a.Op(bpf.LoadConstant{Dst: bpf.RegA})
	return a.Raw()
}
