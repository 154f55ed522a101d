package ring

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// ParseDDD reads a program as `tcpdump -ddd EXPRESSION` prints it: the number
// of instructions, then a line with the four numbers of each (code, jt, jf,
// k). The error says which line is wrong.
//
// Made with -i INTERFACE the program finds VLAN tags where the kernel keeps
// them, in the packet's metadata; made with -y it looks for them in the
// frame, where the outermost one no longer is.
func ParseDDD(text string) ([]bpf.RawInstruction, error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	var program []bpf.RawInstruction
	stated, number := -1, 0
	for lines.Scan() {
		number++
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if err := parseLine(fields, &stated, &program); err != nil {
			return nil, fmt.Errorf("line %d of a program (the output of tcpdump -ddd): %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d of a program: %w", number+1, err)
	}
	if stated != len(program) || stated == 0 {
		return nil, fmt.Errorf("a program (the output of tcpdump -ddd) of %d instructions, where its first line says %d", len(program), max(stated, 0))
	}
	return program, checkProgram(program)
}

// parseLine reads one line that is not empty. The first states how many
// follow.
func parseLine(fields []string, stated *int, program *[]bpf.RawInstruction) error {
	want, bits := 4, [4]int{16, 8, 8, 32}
	if *stated < 0 {
		want, bits[0] = 1, 16
	}
	if len(fields) != want {
		return fmt.Errorf("%d numbers, where there must be %d", len(fields), want)
	}
	var n [4]uint64
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, bits[i])
		if err != nil {
			return fmt.Errorf("%q is no number of %d bits", f, bits[i])
		}
		n[i] = v
	}
	if *stated < 0 {
		*stated = int(n[0])
		return nil
	}
	*program = append(*program, bpf.RawInstruction{Op: uint16(n[0]), Jt: uint8(n[1]), Jf: uint8(n[2]), K: uint32(n[3])})
	return nil
}
