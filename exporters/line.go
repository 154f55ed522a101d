package exporters

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrUnreachable is returned when a collector could not be reached for as
// long as the exporter may wait.
var ErrUnreachable = errors.New("collector unreachable")

// ErrBroken is returned when a connection broke while it was used.
var ErrBroken = errors.New("connection broken")

// LineConfig says how a connection to a collector is made and kept.
type LineConfig struct {
	Address  string        // host:port
	GiveUp   time.Duration // longest wait for a collector that cannot be reached; 0: no limit
	MaxWait  time.Duration // longest time from one attempt to the next
	Silence  time.Duration // a TCP connection that acknowledges nothing for so long is broken; 0: TCP's own patience
	TLS      *TLS          // nil: in the clear
	Sockets  *Sockets      // is told of every connection; may be nil
	Resolver Resolver      // finds the collector's addresses for UDP; nil: the system's
	Failed   func(error)   // is called after each attempt that failed; may be nil
}

const (
	firstWait   = 100 * time.Millisecond // from the first failed attempt to the next
	dialTimeout = 10 * time.Second
	steady      = 10 * time.Second // a connection that lived as long resets the back-off
)

// line keeps a connection, and after a break makes the next one with
// exponential back-off.
type line struct {
	cfg    LineConfig
	ctx    context.Context
	dialer func() (net.Conn, error)
	conn   net.Conn // nil while there is none
	remove func()   // takes conn out of the set of sockets
	opened time.Time
	wait   time.Duration
	next   time.Time // no attempt before
	since  time.Time // when the collector was lost; zero while it is not
}

// connect returns once there is a connection, or with ErrUnreachable.
func (l *line) connect() error {
	for l.conn == nil {
		if err := l.pause(); err != nil {
			return err
		}
		if err := l.dial(); err != nil && l.over() {
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
	}
	return nil
}

// pause waits for the time of the next attempt, unless the patience for this
// outage is used up.
func (l *line) pause() error {
	d := time.Until(l.next)
	if d > 0 && l.over() {
		return fmt.Errorf("%w: %s", ErrUnreachable, l.cfg.Address)
	}
	if d > 0 {
		sleep(l.ctx, d)
	}
	if l.ctx.Err() != nil {
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, l.cfg.Address, context.Cause(l.ctx))
	}
	return nil
}

// over tells whether this outage lasted as long as it may.
func (l *line) over() bool {
	if l.ctx.Err() != nil {
		return true
	}
	return l.cfg.GiveUp > 0 && !l.since.IsZero() && time.Since(l.since) >= l.cfg.GiveUp
}

func (l *line) dial() error {
	conn, err := l.dialer()
	if err != nil {
		l.lost()
		if l.cfg.Failed != nil {
			l.cfg.Failed(err)
		}
		return err
	}
	l.conn, l.opened = conn, time.Now()
	return nil
}

// lost notes that an attempt failed or a connection broke.
func (l *line) lost() {
	now := time.Now()
	if l.since.IsZero() {
		l.since = now
	}
	l.wait = min(max(2*l.wait, firstWait), l.cfg.MaxWait)
	l.next = now.Add(l.wait)
}

// broken drops the connection.
func (l *line) broken() {
	if l.conn == nil {
		return
	}
	l.hangUp()
	if time.Since(l.opened) > steady {
		l.wait = 0
	}
	l.lost()
}

// hangUp closes the connection.
func (l *line) hangUp() error {
	if l.conn == nil {
		return nil
	}
	err := wireOf(l.conn).Close()
	l.remove()
	l.conn = nil
	return err
}

// wireOf returns what is beneath a TLS connection: to close that one itself
// would first wait until it can say so.
func wireOf(conn net.Conn) net.Conn {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return c.NetConn()
	}
	return conn
}

// works notes that something was sent. An outage is over when a connection
// has held for a second: a collector that takes connections only to break
// them is as good as away.
func (l *line) works() {
	if !l.since.IsZero() && time.Since(l.opened) > time.Second {
		l.since = time.Time{}
	}
}
