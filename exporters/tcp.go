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

// grace is what a connection that works still has when all waiting ends.
const grace = 2 * time.Second

// TCP is a connection on which only we send. A collector that closes it is
// noticed at once, not by the write after the next.
type TCP struct {
	line
	gone chan error // what the read that waits for the end returned
}

// NewTCP returns a TCP that has not been opened yet.
func NewTCP(cfg LineConfig) *TCP { return &TCP{line: line{cfg: cfg, ctx: context.Background()}} }

// Start sets the context that ends all waiting.
func (t *TCP) Start(ctx context.Context) { t.ctx = ctx }

// Open tells whether there is a connection, as far as is known.
func (t *TCP) Open() bool {
	if t.conn == nil {
		return false
	}
	select {
	case <-t.gone:
		t.broken()
		return false
	default:
		return true
	}
}

// Connect waits for a connection. Its error is ErrUnreachable.
func (t *TCP) Connect() error {
	if t.conn != nil {
		return nil
	}
	if err := t.connect(); err != nil {
		return err
	}
	conn := t.conn
	if c, ok := conn.(*net.TCPConn); ok {
		c.SetWriteBuffer(sendBuffer)
	}
	t.gone = make(chan error, 1)
	go watch(conn, t.gone)
	context.AfterFunc(t.ctx, func() { conn.SetWriteDeadline(time.Now().Add(grace)) })
	return nil
}

// watch reads until the other side ends the connection; a collector has
// nothing to say.
func watch(conn net.Conn, gone chan<- error) {
	_, err := io.Copy(io.Discard, conn)
	if err == nil {
		err = io.EOF
	}
	gone <- err
	close(gone)
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
		t.broken()
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	t.works()
	return nil
}

// Finish tells the collector that nothing more comes and waits until it has
// closed its side too, but not longer than the given time. ErrBroken is
// returned if it had gone before, and so may not have read all.
func (t *TCP) Finish(wait time.Duration) error {
	if !t.Open() {
		return ErrBroken
	}
	defer t.broken()
	c, ok := t.conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := c.CloseWrite(); err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	select {
	case err := <-t.gone:
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", ErrBroken, err)
		}
	case <-time.After(wait):
	}
	return nil
}

// Close drops the connection.
func (t *TCP) Close() error {
	t.broken()
	return nil
}
