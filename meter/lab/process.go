//go:build integration

package lab

import (
	"bytes"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs beside the test, at most until its end.
type Process struct {
	T    *testing.T
	Cmd  *exec.Cmd
	Out  Buffer // standard output
	Log  Buffer // standard error
	done chan struct{}
}

// Buffer may be read while a process writes to it.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// tail is the end of what was written.
func (b *Buffer) tail() string {
	text := b.String()
	return text[max(0, len(text)-4000):]
}

// Start starts a program with its arguments.
func Start(t *testing.T, command ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.Command(Tool(t, command[0]), command[1:]...))
}

// StartIn is Start in another namespace; "" is that of the test.
func StartIn(t *testing.T, netns string, command ...string) *Process {
	t.Helper()
	if netns == "" {
		return Start(t, command...)
	}
	Tool(t, command[0])
	return Start(t, append([]string{"ip", "netns", "exec", netns}, command...)...)
}

// StartCommand starts a program that has more than arguments.
func StartCommand(t *testing.T, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{T: t, Cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Out, &p.Log
	cmd.Env = environment(cmd.Env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait() // the exit status is in ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s%s", cmd, p.Log.tail(), p.Out.tail())
		}
	})
	return p
}

// Signal sends a signal to the process, which must be there.
func (p *Process) Signal(sig syscall.Signal) {
	p.T.Helper()
	if err := p.Cmd.Process.Signal(sig); err != nil {
		p.T.Errorf("%s has ended before its time: %v\n%s", p.Cmd.Path, err, p.Log.tail())
	}
}

// Wait returns the exit status, -1 where a signal ended the process.
func (p *Process) Wait() int {
	p.T.Helper()
	select {
	case <-p.done:
		return p.Cmd.ProcessState.ExitCode()
	case <-time.After(Patience):
		p.T.Fatalf("%s does not end\n%s", p.Cmd.Path, p.Log.tail())
	}
	return -1
}

// Kill ends the process at once.
func (p *Process) Kill() {
	p.T.Helper()
	p.Signal(syscall.SIGKILL)
	p.Wait()
}
