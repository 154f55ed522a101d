package main

import (
	"bytes"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestLifecycle follows a service through a reload, with a real socket.
func TestLifecycle(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd is Linux's")
	}
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "60000000")
	var log bytes.Buffer
	a := &app{log: slog.New(slog.NewTextHandler(&log, nil))}
	l := a.newLifecycle()
	l.ready("metering")
	l.reloading()
	l.ready("reloaded")
	l.stopping()
	manager.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []string{"READY=1\nSTATUS=metering", "RELOADING=1\nMONOTONIC_USEC=", "READY=1\nSTATUS=reloaded", "STOPPING=1"} {
		b := make([]byte, 1024)
		n, err := manager.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:n]), want) {
			t.Errorf("%q, %v; want %q", b[:n], err, want)
		}
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", log.String())
	}
}

// TestLifecycleWithoutSystemd goes on when nobody listens, and says so where
// somebody should.
func TestLifecycleWithoutSystemd(t *testing.T) {
	for socket, warnings := range map[string]int{"": 0, "/no/such/socket": 2, "relative": 1} {
		t.Setenv("NOTIFY_SOCKET", socket)
		var log bytes.Buffer
		a := &app{log: slog.New(slog.NewTextHandler(&log, nil))}
		l := a.newLifecycle()
		l.ready("metering")
		l.watch(t.Context(), nil)
		l.stopping()
		if n := strings.Count(log.String(), "systemd is not told"); n != warnings {
			t.Errorf("%q: %d warnings, want %d:\n%s", socket, n, warnings, log.String())
		}
	}
}
