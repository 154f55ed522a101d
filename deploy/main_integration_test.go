//go:build integration

package deploy

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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

// needRoot ends a test that only root can do.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("this takes root")
	}
	t.Skip("this takes root")
}

// output runs a program and returns all that it prints; it is to succeed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
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
	tool(t, "make")
	p, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// buffer may be read while a process writes to it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// process is a program that runs beside the test, at most until its end.
type process struct {
	*exec.Cmd
	log  buffer // all that it prints
	done chan error
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(args[0], args[1:]...), done: make(chan error, 1)}
	p.Stdout, p.Stderr = &p.log, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.Wait() }()
	t.Cleanup(func() {
		p.Process.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", args[0], p.log.String())
		}
	})
	return p
}

// end waits for the process to end and returns its exit status.
func (p *process) end(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s does not end", p.Path)
	}
	return -1
}

// patience is how long anything that a test waits for may take.
const patience = 2 * time.Minute

// eventually waits until something is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// freeAddress returns an address of the loopback that nothing listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
