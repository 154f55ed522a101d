package exporters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// sendBuffer is what the kernel is asked to keep of what was written. It
// bounds how much can be written without having been acknowledged.
const sendBuffer = 256 << 10

// MaxUnacknowledged is how many octets a connection can hold at most that the
// collector has not acknowledged: the kernel doubles what it is asked for.
const MaxUnacknowledged = 2 * sendBuffer

// grace is what a connection that works still has when all waiting ends.
const grace = 2 * time.Second

// TCP is a connection on which only we send, secured where LineConfig.TLS says
// so. A collector that closes it is noticed at once, not by the write after
// the next.
type TCP struct {
	line
	wire    *net.TCPConn // what conn is, or what is beneath it
	end     *ending
	unacked int         // of the last connection, when it broke
	unwatch func() bool // ends what the end of the context would do to conn
}

// ending is how a connection ended: it is known once gone is closed.
type ending struct {
	gone chan struct{}
	err  error // io.EOF: the other side ended it in order
}

// NewTCP returns a TCP that has not been opened yet.
func NewTCP(cfg LineConfig) *TCP {
	t := &TCP{line: line{cfg: cfg, ctx: context.Background()}}
	t.dialer = t.reach
	return t
}

// Start sets the context that ends all waiting.
func (t *TCP) Start(ctx context.Context) { t.ctx = ctx }

// Open tells whether there is a connection, as far as is known.
func (t *TCP) Open() bool {
	if t.conn == nil {
		return false
	}
	select {
	case <-t.end.gone:
		t.lose()
		return false
	default:
		return true
	}
}

// Gone is closed when the other side ends the connection.
func (t *TCP) Gone() <-chan struct{} { return t.end.gone }

// Cause tells, once Gone is closed, what ended the connection.
func (t *TCP) Cause() error { return t.end.err }

// Connect waits for a connection. Its error is ErrUnreachable.
func (t *TCP) Connect() error {
	if t.conn != nil {
		return nil
	}
	if err := t.connect(); err != nil {
		return err
	}
	conn := t.conn
	t.unwatch = context.AfterFunc(t.ctx, func() { conn.SetWriteDeadline(time.Now().Add(grace)) })
	return nil
}

// reach makes a connection, up to where messages may be sent.
func (t *TCP) reach() (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(t.ctx, "tcp", t.cfg.Address)
	if err != nil {
		return nil, err
	}
	t.wire = conn.(*net.TCPConn)
	t.wire.SetWriteBuffer(sendBuffer)
	t.remove = t.cfg.Sockets.add(t.wire)
	t.end = &ending{gone: make(chan struct{})}
	if t.cfg.TLS != nil {
		conn, err = t.secured()
	} else {
		go t.end.watch(conn)
	}
	if err != nil {
		t.wire.Close()
		t.remove()
		return nil, err
	}
	if t.cfg.Silence > 0 {
		go t.guard(t.wire, t.end.gone)
	}
	return conn, nil
}

// secured makes a TLS connection of the wire.
func (t *TCP) secured() (net.Conn, error) {
	begin := time.Now()
	conn, err := t.cfg.TLS.secure(t.ctx, t.wire, t.cfg.Address)
	if err != nil {
		return nil, err
	}
	handshake := time.Since(begin)
	go t.end.watch(conn)
	if err := verdict(t.end, handshake); err != nil {
		return nil, t.cfg.TLS.explain(t.cfg.Address, err)
	}
	return conn, nil
}

// watch reads until the other side ends the connection; a collector has
// nothing to say.
func (e *ending) watch(conn net.Conn) {
	_, e.err = io.Copy(io.Discard, conn)
	if e.err == nil {
		e.err = io.EOF
	}
	close(e.gone)
}

// guard ends the waiting of a write to a host that has fallen silent. TCP
// alone would go on for a quarter of an hour.
func (t *TCP) guard(wire *net.TCPConn, gone <-chan struct{}) {
	tick := time.NewTicker(min(time.Second, t.cfg.Silence/4))
	defer tick.Stop()
	suspected := 0
	for {
		select {
		case <-gone:
			return
		case <-tick.C:
		}
		if silent(wire) < t.cfg.Silence {
			suspected = 0
		} else if suspected++; suspected == 3 { // one probe of a closed window may be on its way
			wire.SetDeadline(time.Now()) // ends the read as well, and so all that waits
			return
		}
	}
}

// drop closes the connection, if there is one.
func (t *TCP) drop() {
	if t.unwatch != nil {
		t.unwatch()
		t.unwatch = nil
	}
	t.broken()
}

// lose notes what the collector has not acknowledged and drops the connection.
func (t *TCP) lose() {
	t.unacked = t.Unacknowledged()
	t.drop()
}

// Unacknowledged returns how many of the octets written the collector's host
// has not acknowledged: on this connection or, when there is none, on the last
// one as it broke. What TLS adds is in it.
func (t *TCP) Unacknowledged() int {
	if t.conn == nil {
		return t.unacked
	}
	if n, ok := unacknowledged(t.wire); ok {
		return n
	}
	return MaxUnacknowledged
}

// Send writes one message. Any error is ErrBroken, and the connection gone.
func (t *TCP) Send(msg []byte) error {
	if !t.Open() {
		return ErrBroken
	}
	if t.cfg.GiveUp > 0 && t.ctx.Err() == nil {
		t.conn.SetWriteDeadline(time.Now().Add(t.cfg.GiveUp))
	}
	if _, err := t.conn.Write(msg); err != nil {
		t.lose()
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	t.works()
	return nil
}

// Finish tells the collector that nothing more comes and waits until it has
// closed its side too, but not longer than the given time. ErrBroken is
// returned if it had gone before, and so may not have read all; ErrNoAnswer if
// it did not close its side.
func (t *TCP) Finish(wait time.Duration) error {
	if !t.Open() {
		return ErrBroken
	}
	defer t.lose()
	c, ok := t.conn.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	t.conn.SetWriteDeadline(time.Now().Add(wait))
	if err := c.CloseWrite(); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	select {
	case <-t.end.gone:
		if err := t.Cause(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
		return nil
	case <-time.After(wait):
		return ErrNoAnswer
	}
}

// ErrNoAnswer is returned when a collector did not say that it has read all.
var ErrNoAnswer = errors.New("the collector did not close its side of the connection")

// Close drops the connection.
func (t *TCP) Close() error {
	if t.conn != nil {
		t.lose()
	}
	return nil
}
