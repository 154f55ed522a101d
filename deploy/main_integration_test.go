//go:build integration

package deploy

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"flowmeter/meter/lab"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scratch is a folder for what all tests share.
var scratch string

func TestMain(m *testing.M) { os.Exit(within(m)) }

func within(m *testing.M) int {
	dir, err := os.MkdirTemp("", "meter-deploy")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// The service's user is to read what is unpacked there.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	scratch = dir
	return m.Run()
}

// packages are the paths of the two packages, built once.
type packages struct{ deb, rpm string }

var build = sync.OnceValues(func() (p packages, err error) {
	dist := filepath.Join(scratch, "dist")
	out, err := exec.Command("make", "-C", "..", "deb", "rpm", "DIST="+dist).CombinedOutput()
	if err != nil {
		return p, fmt.Errorf("make deb rpm: %w\n%s", err, out)
	}
	debs, _ := filepath.Glob(filepath.Join(dist, "*.deb"))
	rpms, _ := filepath.Glob(filepath.Join(dist, "*.rpm"))
	if len(debs) != 1 || len(rpms) != 1 {
		return p, fmt.Errorf("made %v and %v", debs, rpms)
	}
	return packages{debs[0], rpms[0]}, nil
})

func built(t *testing.T) packages {
	t.Helper()
	lab.Tool(t, "make")
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
