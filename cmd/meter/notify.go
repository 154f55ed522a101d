package main

import (
	"context"
	"log/slog"
	"os"

	"flowmeter/cmd/meter/internal/systemd"
)

// lifecycle tells the service manager how the service is. Where there is none,
// it does nothing; where telling fails, that is logged and the service goes on.
type lifecycle struct {
	to  *systemd.Notifier
	log *slog.Logger
}

// newLifecycle looks in the environment who listens.
func (a *app) newLifecycle() *lifecycle {
	n, err := systemd.FromEnv(os.Getenv)
	l := &lifecycle{n, a.log}
	l.failed(err)
	return l
}

func (l *lifecycle) failed(err error) {
	if err != nil {
		l.log.Warn("systemd is not told", "error", err)
	}
}

// ready ends the start, or a reload. The status is for systemctl status.
func (l *lifecycle) ready(status string) { l.failed(l.to.Ready(status)) }
func (l *lifecycle) reloading()          { l.failed(l.to.Reloading()) }
func (l *lifecycle) stopping()           { l.failed(l.to.Stopping()) }

// watch feeds the watchdog until ctx ends, as long as progress returns nil. It
// has to go on while the service stops, too.
func (l *lifecycle) watch(ctx context.Context, progress func() error) {
	go l.to.Watch(ctx, progress, l.log)
}
