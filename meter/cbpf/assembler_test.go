package cbpf

import (
	"testing"

	"golang.org/x/net/bpf"
)

// run runs a program over one octet.
func run(t *testing.T, a *Assembler, octet byte) int {
	t.Helper()
	code, ok := bpf.Disassemble(a.Raw())
	if !ok {
		t.Fatal("no program")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run([]byte{octet})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFarJumps goes over more instructions than a conditional jump reaches.
func TestFarJumps(t *testing.T) {
	var a Assembler
	far, same := a.Label(), a.Label()
	a.Op(bpf.LoadConstant{Dst: bpf.RegX, Val: 9}, bpf.LoadAbsolute{Size: 1})
	a.JumpIf(bpf.JumpEqual, 7, far)
	a.JumpIfX(bpf.JumpEqual, same)
	for range 600 {
		a.Op(bpf.LoadConstant{Dst: bpf.RegA, Val: 1})
	}
	a.Op(bpf.RetA{})
	a.Place(far)
	a.Op(bpf.RetConstant{Val: 2})
	a.Place(same)
	a.Op(bpf.RetConstant{Val: 3})
	for octet, want := range map[byte]int{0: 1, 7: 2, 9: 3} {
		if n := run(t, &a, octet); n != want {
			t.Errorf("%d: %d, not %d", octet, n, want)
		}
	}
	if want := 2 + 2 + 2 + 600 + 1 + 2; a.Len() != want {
		t.Errorf("%d instructions, not %d", a.Len(), want)
	}
}

// TestReaches finds out where a program can come to, not what it names.
func TestReaches(t *testing.T) {
	var a Assembler
	yes, no, never := a.Label(), a.Label(), a.Label()
	a.Op(bpf.LoadAbsolute{Size: 1})
	a.JumpIf(bpf.JumpEqual, 7, yes)
	a.Jump(no)
	a.JumpIf(bpf.JumpEqual, 8, never) // nothing comes here
	if !a.Reaches(yes) || !a.Reaches(no) || a.Reaches(never) {
		t.Error(a.Reaches(yes), a.Reaches(no), a.Reaches(never))
	}
	a.Place(yes)
	a.Jump(never)
	if !a.Reaches(never) {
		t.Error("a label is not followed")
	}
}
