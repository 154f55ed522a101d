package exporters

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// UDP sends datagrams. It survives a collector that is away: an ICMP
// unreachable shows as an error of a later send, which is then repeated.
type UDP struct {
	line
	refused bool
}

// NewUDP returns a UDP that has not been opened yet.
func NewUDP(cfg LineConfig) *UDP { return &UDP{line: line{cfg: cfg, ctx: context.Background()}} }

// Start sets the context that ends all waiting.
func (u *UDP) Start(ctx context.Context) { u.ctx = ctx }

// Send sends one datagram. The socket is opened, and the collector's name
// resolved, when that is needed.
func (u *UDP) Send(msg []byte) error {
	if err := u.connect(); err != nil {
		return err
	}
	u.works()
	var err error
	for wait := time.Millisecond; wait < 100*time.Millisecond; wait *= 2 {
		if _, err = u.conn.Write(msg); !u.again(err, wait) {
			break
		}
	}
	return err
}

// again tells whether a datagram that met err is sent once more: ECONNREFUSED
// was about an earlier one, and a full device queue drains.
func (u *UDP) again(err error, wait time.Duration) bool {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		u.refused = true
		return true
	case errors.Is(err, syscall.ENOBUFS):
		sleep(u.ctx, wait)
		return true
	}
	return false
}

// Refused tells whether the collector's host has refused datagrams since the
// last call: nobody listened there.
func (u *UDP) Refused() bool {
	was := u.refused
	u.refused = false
	return was
}

// Close closes the socket.
func (u *UDP) Close() error {
	if u.conn == nil {
		return nil
	}
	err := u.conn.Close()
	u.conn = nil
	return err
}
