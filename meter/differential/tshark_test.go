//go:build integration

package differential

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"flowmeter/meter/lab"
)

// options make tshark look at each frame by itself, as a meter does, and take
// a length of 0 as one that the network card was to fill in.
var options = []string{
	"-n", "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,",
	"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE",
	"-o", "ip.tso_support:TRUE", "-o", "ipv6.tso_support:TRUE",
}

// tshark runs the program with a configuration folder of its own.
type tshark struct{ config string }

// newTshark ends the test where there is no tshark.
func newTshark(t *testing.T) tshark {
	t.Helper()
	lab.Tool(t, "tshark")
	return tshark{t.TempDir()}
}

// version returns what tshark says of itself, as far as its number.
func (ts tshark) version() string {
	out, _ := exec.Command("tshark", "--version").Output() // for the table alone
	version, _, _ := strings.Cut(string(out), "\n")
	return version
}

// dissection is what tshark says of a trace.
type dissection struct {
	rows      []row
	complaint string // why it did not come to the end
}

func (d *dissection) whole() bool { return d.complaint == "" }

// dissect runs tshark over a trace.
func (ts tshark) dissect(path string) (d dissection, err error) {
	args := slices.Concat([]string{"-r", path}, options)
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	cmd.Env = append(os.Environ(), "WIRESHARK_CONFIG_DIR="+ts.config) // nobody's preferences
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		d.complaint = fmt.Sprintf("%v: %s", err, strings.Join(strings.Fields(said.String()), " "))
	}
	for line := range strings.Lines(string(out)) {
		r := row(strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		if len(r) != len(fields) {
			return d, fmt.Errorf("tshark gives %d columns, want %d: %q", len(r), len(fields), line)
		}
		d.rows = append(d.rows, r)
	}
	return d, nil
}
