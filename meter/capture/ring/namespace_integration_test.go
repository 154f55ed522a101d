//go:build integration && linux

package ring

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/meter/capture"
)

// insideVariable tells a test that it runs in a network namespace of its own.
const insideVariable = "RING_TEST_INSIDE"

// patience is how long anything that a test waits for may take.
const patience = 20 * time.Second

// isolated runs the test once more in a process with a network namespace of
// its own, which ends with it, and returns false; inside it returns true.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0o644)
		os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0o644)
		return true
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("network namespaces need root")
		}
		t.Skip("network namespaces need root")
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// run runs a program, which must succeed, and returns what it prints.
func run(t *testing.T, line string) string {
	t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// veth makes a pair of interfaces that are up.
func veth(t *testing.T, a, b string) {
	t.Helper()
	run(t, "ip link add "+a+" type veth peer name "+b)
	for _, name := range []string{a, b} {
		run(t, "ip link set "+name+" mtu 65535 up")
	}
}

// taken is a frame that came out of a ring.
type taken struct {
	capture.Frame
	name   string // of the interface
	worker int
	data   string
}

// taker reads the rings of an input until Close.
type taker struct {
	t     *testing.T
	in    *Input
	stop  context.CancelFunc
	ended chan []taken
}

// take opens an input and reads all its rings.
func take(t *testing.T, cfg Config) *taker {
	t.Helper()
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	k := &taker{t: t, in: in, stop: stop, ended: make(chan []taken, cfg.Workers)}
	go func() {
		if err := in.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	for i := range cfg.Workers {
		go func() { k.ended <- readRing(t, in.Ring(i), i) }()
		eventually(t, "a reader", func() bool { return in.Ring(i).state.Load() == read })
	}
	return k
}

func readRing(t *testing.T, r *Ring, worker int) (all []taken) {
	for {
		b, err := r.Next(patience)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Error(err)
			return all
		}
		if b == nil {
			continue
		}
		for i := range b.Frames {
			f := &b.Frames[i]
			all = append(all, taken{*f, r.Interfaces()[f.Iface].Name, worker, string(b.Data(f))})
		}
		b.Release()
	}
}

// close ends the input and returns all frames, by worker, and the accounts.
func (k *taker) close() ([][]taken, []InterfaceStats) {
	k.t.Helper()
	if err := k.in.Close(); err != nil {
		k.t.Error(err)
	}
	k.stop()
	all := make([][]taken, len(k.in.rings))
	for range all {
		select {
		case got := <-k.ended:
			if len(got) > 0 {
				all[got[0].worker] = got
			}
		case <-time.After(patience):
			k.t.Fatal("a reader does not come to its end")
		}
	}
	return all, k.in.Stats()
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
