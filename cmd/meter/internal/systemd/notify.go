// Package systemd tells the service manager how the service is: sd_notify(3)
// and its watchdog, without libsystemd.
package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Notifier sends to the service manager. A nil Notifier sends nothing: nobody
// listens.
type Notifier struct {
	socket   *net.UnixAddr
	watchdog time.Duration // within which the manager wants to hear of us; 0: it does not
}

// FromEnv returns the Notifier that the environment asks for: NOTIFY_SOCKET,
// WATCHDOG_USEC and WATCHDOG_PID. It is nil where there is no service manager.
func FromEnv(env func(string) string) (*Notifier, error) {
	path := env("NOTIFY_SOCKET")
	if path == "" {
		return nil, nil
	}
	// A path, or @ and a name in the abstract name space.
	if path[0] != '/' && path[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%s: neither a path nor an abstract address", path)
	}
	n := &Notifier{socket: &net.UnixAddr{Name: path, Net: "unixgram"}}
	usec, pid := env("WATCHDOG_USEC"), env("WATCHDOG_PID")
	if usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	interval, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || interval <= 0 || interval > int64(24*time.Hour/time.Microsecond) {
		return n, fmt.Errorf("WATCHDOG_USEC=%s: expected microseconds", usec)
	}
	n.watchdog = time.Duration(interval) * time.Microsecond
	return n, nil
}

// Ready says that the service has started, or has been reloaded.
func (n *Notifier) Ready(status string) error { return n.send("READY=1", "STATUS="+oneLine(status)) }

// Reloading says that the service takes a new configuration. Ready ends it,
// whether it was taken or not.
func (n *Notifier) Reloading() error {
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(monotonic().Microseconds(), 10))
}

// Stopping says that the service ends.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// oneLine keeps a status from being read as assignments.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

// send sends assignments in one datagram.
func (n *Notifier) send(assignments ...string) error {
	if n == nil {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, n.socket)
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	defer c.Close()
	if _, err = c.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}

// Watch feeds the watchdog twice in each of its intervals for as long as
// progress returns nil, until ctx ends. progress says which workers make none:
// systemd then restarts the service, unless they go on within the interval.
// Where there is no watchdog, Watch returns at once.
func (n *Notifier) Watch(ctx context.Context, progress func() error, log *slog.Logger) {
	if n == nil || n.watchdog == 0 {
		return
	}
	tick := time.NewTicker(n.watchdog / 2)
	defer tick.Stop()
	for {
		if err := progress(); err != nil {
			log.Error("no progress: the watchdog is not fed", "error", err)
		} else if err := n.send("WATCHDOG=1"); err != nil {
			log.Warn("the watchdog is not fed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
