//go:build integration

// Package interop runs the program against the collectors, dissectors and
// scrapers of other people, and compares what they got with the JSON lines of
// the same run.
package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// meter is the path of the program under test.
var meter string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// binaryVariable names the program where a test that runs once more need not
// build it again.
const binaryVariable = "INTEROP_METER"

func buildAndRun(m *testing.M) int {
	if meter = os.Getenv(binaryVariable); meter != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "meter-interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	meter = filepath.Join(dir, "meter")
	os.Setenv(binaryVariable, meter)
	if out, err := exec.Command("go", "build", "-o", meter, "flowmeter/cmd/meter").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// runMeter runs the program to its end and returns its exit status and what it
// printed.
func runMeter(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(meter, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the exit status tells
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
