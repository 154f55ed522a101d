package systemd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// manager is the service manager's end: a real socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	env  map[string]string
}

func listen(t *testing.T, address string) *manager {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("systemd is Linux's")
	}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &manager{t, c, map[string]string{"NOTIFY_SOCKET": address}}
}

func (m *manager) notifier() *Notifier {
	m.t.Helper()
	n, err := FromEnv(func(name string) string { return m.env[name] })
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// next returns the next datagram; "" if none comes.
func (m *manager) next(within time.Duration) string {
	m.t.Helper()
	b := make([]byte, 4096)
	m.conn.SetReadDeadline(time.Now().Add(within))
	n, err := m.conn.Read(b)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

const patience = 10 * time.Second

func TestNotify(t *testing.T) {
	for name, address := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": "@flowmeter-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := listen(t, address)
			n := m.notifier()
			for _, c := range []struct {
				send func() error
				want string
			}{
				{func() error { return n.Ready("metering eth0\nWATCHDOG=1") }, "READY=1\nSTATUS=metering eth0 WATCHDOG=1"},
				{n.Stopping, "STOPPING=1"},
			} {
				if err := c.send(); err != nil {
					t.Error(err)
				}
				if got := m.next(patience); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
			}
		})
	}
}

// TestReloading checks that the time is the kernel's monotonic clock: systemd
// takes only what is younger than its request.
func TestReloading(t *testing.T) {
	m := listen(t, filepath.Join(t.TempDir(), "notify"))
	before := uptime(t)
	if err := m.notifier().Reloading(); err != nil {
		t.Fatal(err)
	}
	usec, found := strings.CutPrefix(m.next(patience), "RELOADING=1\nMONOTONIC_USEC=")
	n, err := strconv.ParseInt(usec, 10, 64)
	if !found || err != nil {
		t.Fatal(usec, err)
	}
	// /proc/uptime is the boot clock, which also counts time asleep: never less.
	if got := time.Duration(n) * time.Microsecond; got > uptime(t)+time.Second || got < before-24*time.Hour || got <= 0 {
		t.Errorf("monotonic clock %v, up for %v", got, before)
	}
}

func uptime(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	s, err := strconv.ParseFloat(strings.Fields(string(text))[0], 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(s * float64(time.Second))
}

// TestWatchdog feeds while there is progress, and only then.
func TestWatchdog(t *testing.T) {
	m := listen(t, filepath.Join(t.TempDir(), "notify"))
	const interval = 200 * time.Millisecond
	m.env["WATCHDOG_USEC"] = strconv.FormatInt(interval.Microseconds(), 10)
	m.env["WATCHDOG_PID"] = strconv.Itoa(os.Getpid())
	var stuck atomic.Bool
	var log lines
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.notifier().Watch(ctx, func() error {
			if stuck.Load() {
				return errors.New("worker 1 of eth0 stands still")
			}
			return nil
		}, slog.New(slog.NewTextHandler(&log, nil)))
	}()
	begun := time.Now()
	for range 4 {
		if got := m.next(patience); got != "WATCHDOG=1" {
			t.Errorf("%q", got)
		}
	}
	if took := time.Since(begun); took < 3*interval/2-interval/4 { // the first at once, then at halves
		t.Errorf("fed four times in %v", took)
	}
	stuck.Store(true)
	m.next(interval) // one may be under way
	if got := m.next(3 * interval); got != "" {
		t.Errorf("%q while a worker stands still", got)
	}
	if !strings.Contains(log.String(), "worker 1 of eth0 stands still") {
		t.Errorf("log: %s", log.String())
	}
	stuck.Store(false)
	if got := m.next(patience); got != "WATCHDOG=1" {
		t.Errorf("%q after the worker went on", got)
	}
	cancel()
	<-ended
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestFromEnv(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		socket, usec, pid string
		watchdog          time.Duration
		err               string
	}{
		{"/run/systemd/notify", "", "", 0, ""},
		{"/run/systemd/notify", "30000000", "", 30 * time.Second, ""},
		{"/run/systemd/notify", "30000000", pid, 30 * time.Second, ""},
		{"/run/systemd/notify", "30000000", "1", 0, ""}, // meant for another process
		{"@name", "1", "", time.Microsecond, ""},
		{"relative", "", "", 0, "NOTIFY_SOCKET=relative"},
		{"vsock:2:1", "", "", 0, "NOTIFY_SOCKET=vsock"},
		{"/x", "often", "", 0, "WATCHDOG_USEC=often"},
		{"/x", "-1", "", 0, "WATCHDOG_USEC=-1"},
		{"/x", "0", "", 0, "WATCHDOG_USEC=0"},
		{"/x", "9223372036854775807", "", 0, "WATCHDOG_USEC=9223372036854775807"},
	} {
		env := map[string]string{"NOTIFY_SOCKET": c.socket, "WATCHDOG_USEC": c.usec, "WATCHDOG_PID": c.pid}
		n, err := FromEnv(func(name string) string { return env[name] })
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v: %v, want %s", env, err, c.err)
			}
			continue
		}
		if err != nil || n.watchdog != c.watchdog {
			t.Errorf("%v: %+v, %v", env, n, err)
		}
	}
}

// TestNobodyListens has no service manager, and one that has gone.
func TestNobodyListens(t *testing.T) {
	n, err := FromEnv(func(string) string { return "" })
	if n != nil || err != nil {
		t.Fatal(n, err)
	}
	if err := errors.Join(n.Ready(""), n.Reloading(), n.Stopping()); err != nil {
		t.Error(err)
	}
	n.Watch(t.Context(), nil, nil) // returns
	gone := &Notifier{socket: &net.UnixAddr{Name: filepath.Join(t.TempDir(), "gone"), Net: "unixgram"}}
	if err := gone.Ready(""); err == nil || !strings.Contains(err.Error(), "notifying systemd") {
		t.Errorf("%v", err)
	}
}
