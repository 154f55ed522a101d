//go:build integration

// Package interop runs the program against the collectors, dissectors and
// scrapers of other people, and compares what they got with the JSON lines of
// the same run.
package interop

import (
	"bytes"
	"errors"
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
	if out, err := exec.Command("go", "build", "-o", meter, "flowmeter/cmd/meter").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// tool returns the path of a program. Where it is missing the test is skipped,
// but in CI it fails: nothing is to be left out there unnoticed.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("%s is not installed", name)
	default:
		t.Skipf("%s is not installed", name)
	}
	return ""
}

// runMeter runs the program to its end and returns its exit status and what it
// printed.
func runMeter(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(meter, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	return statusOf(t, cmd.Run()), out.String(), errs.String()
}

// statusOf returns the exit status that the end of a process tells.
func statusOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// output runs a tool and returns its standard output.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var errs bytes.Buffer
	cmd := exec.Command(tool(t, name), args...)
	cmd.Stderr = &errs
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, errs.String())
	}
	return string(out)
}
