// Package lab is what tests share that run programs of other people: whether these
// are there and, with the tag integration, processes beside the test, their
// sockets, network namespaces.
package lab

import (
	"os"
	"os/exec"
	"testing"
)

// lacking ends a test for want of something. It is skipped, but in CI it fails:
// nothing is to be left out there unnoticed.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// NeedRoot ends a test that only root can do.
func NeedRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		lacking(t, "this takes root")
	}
}

// Tool returns the path of a program, and ends the test where it is missing.
func Tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		lacking(t, name+" is not installed")
	}
	return path
}
