//go:build integration

package interop

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything that a test waits for may take.
const patience = 20 * time.Second

// process is a program that runs beside the test.
type process struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	out  buffer // standard output
	log  buffer // standard error
	end  chan error
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

// start runs a program until stop, at the latest until the test ends.
func start(t *testing.T, path string, args ...string) *process {
	t.Helper()
	return startCommand(t, exec.Command(path, args...))
}

// startCommand starts a program that has more than arguments.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: cmd.Path, cmd: cmd, end: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.log
	p.cmd.Env = append(os.Environ(), append(cmd.Env, "TZ=UTC", "LC_ALL=C")...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.end <- p.cmd.Wait() }()
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// signal sends a signal, with which the process is to end.
func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Errorf("%s has ended before its time: %v\n%s", p.name, err, p.log.String())
	}
}

// wait returns the exit status, -1 where a signal ended the process.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case err := <-p.end:
		return statusOf(p.t, err)
	case <-time.After(patience):
		p.t.Fatalf("%s does not end\n%s", p.name, p.log.String())
	}
	return -1
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// freePort returns a port of the loopback that nothing listens on.
func freePort(t *testing.T, network string) int {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// socket is what the kernel tells of the UDP socket on a port.
type socket struct{ waiting, drops uint64 }

// udpSocket looks in /proc for the socket; found is false where none is open.
func udpSocket(t *testing.T, port int) (s socket, found bool) {
	t.Helper()
	for _, file := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 13 || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				continue
			}
			_, queue, _ := strings.Cut(f[4], ":")
			s.waiting, _ = strconv.ParseUint(queue, 16, 64)
			s.drops, _ = strconv.ParseUint(f[12], 10, 64)
			return s, true
		}
	}
	return s, false
}

// listens waits until a collector listens.
func (p *process) listens(port int) {
	p.t.Helper()
	eventually(p.t, p.name+" listens", func() bool {
		_, found := udpSocket(p.t, port)
		return found
	})
}

// drained waits until a collector has taken all datagrams. None may be lost:
// then the comparison would say nothing of the exporter.
func (p *process) drained(port int) {
	p.t.Helper()
	var s socket
	eventually(p.t, p.name+" reads", func() (done bool) {
		s, _ = udpSocket(p.t, port)
		return s.waiting == 0
	})
	if s.drops > 0 {
		p.t.Fatalf("the socket of %s dropped %d datagrams", p.name, s.drops)
	}
}
