package exporters

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// UDP sends datagrams. It survives a collector that is away, an ICMP
// unreachable showing as an error of a later send, which is then repeated; and
// one that moves: its name is looked up again every minute, and after errors.
type UDP struct {
	line
	where   whereabouts
	refused time.Time // last refusal
	stale   bool      // the collector may have lost our templates
	told    time.Time // when it was last told them because of that
	telling bool
	failing bool // the last datagram could not be sent
	renew   func()
}

// NewUDP returns a UDP that has not been opened yet. When the collector may
// have lost our templates, because it was away or is another one now, renew is
// called before the next datagram leaves: it may send them. It may be nil.
func NewUDP(cfg LineConfig, renew func()) *UDP {
	u := &UDP{line: line{cfg: cfg, ctx: context.Background()}, where: newWhereabouts(&cfg), renew: renew}
	u.dialer = u.reach
	return u
}

// Start sets the context that ends all waiting.
func (u *UDP) Start(ctx context.Context) { u.ctx = ctx }

// Open makes the socket, if there is none, and is to be called again about every
// second: so a collector whose name or network is not there is known before the
// first record. An exporter with a socket is up until sending tells otherwise.
func (u *UDP) Open(s *Stats) {
	if u.conn != nil || time.Now().Before(u.next) {
		return
	}
	err := u.dial() // which tells LineConfig.Failed
	s.Up.Store(err == nil && !u.failing && u.Reached())
}

func (u *UDP) reach() (net.Conn, error) {
	to, err := u.where.find(u.ctx)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, err
	}
	u.remove = u.cfg.Sockets.add(conn)
	return conn, nil
}

// Send sends one datagram. The socket is opened, and the collector's name
// resolved, when that is needed.
func (u *UDP) Send(msg []byte) error {
	u.follow()
	if err := u.connect(); err != nil {
		return err
	}
	u.works()
	if u.stale || !u.Reached() && time.Since(u.told) >= retell {
		u.tell()
	}
	err := u.write(msg)
	u.failing = err != nil
	if err != nil && !errors.Is(err, syscall.EMSGSIZE) {
		u.where.doubt()
		u.stale = true
		u.hangUp() // the next one gets a socket of its own: our address may be another now
	}
	return err
}

// write sends a datagram once more after an error that was about an earlier
// one (ECONNREFUSED), and while a device's queue drains (ENOBUFS).
func (u *UDP) write(msg []byte) (err error) {
	told := false
	for wait := time.Millisecond; wait < 100*time.Millisecond; wait *= 2 {
		_, err = u.conn.Write(msg)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			if u.Reached() && u.cfg.Failed != nil { // the first of an outage
				u.cfg.Failed(fmt.Errorf("%s refuses datagrams: %w", u.cfg.Address, err))
			}
			u.refused, u.stale = time.Now(), true
			u.where.doubt()
			if !told {
				u.tell()
				told = true
			}
		case errors.Is(err, syscall.ENOBUFS):
			sleep(u.ctx, wait)
		default:
			return err
		}
	}
	return err
}

// retell is how often templates are sent to a collector that may be away: one
// that comes back has them after as long.
const retell = 100 * time.Millisecond

// unsure is for how long after a refusal a collector may be away: refusals
// come late, and routers send one a second.
const unsure = 2 * time.Second

// tell has the templates sent: the collector may have lost them. Sending them
// leads here again.
func (u *UDP) tell() {
	if u.telling {
		return
	}
	u.stale, u.told, u.telling = false, time.Now(), true
	if u.renew != nil {
		u.renew()
	}
	u.telling = false
}

// follow goes where the collector has moved to.
func (u *UDP) follow() {
	if u.conn == nil {
		return
	}
	to := u.conn.RemoteAddr().(*net.UDPAddr).AddrPort().Addr()
	if u.where.moved(u.ctx, to) {
		u.hangUp()
		u.stale, u.refused = true, time.Time{}
	}
}

// Check is for about every second: it follows a collector that moves although
// nothing is sent, and sends templates to one that may be away, which also
// tells whether it is back.
func (u *UDP) Check() {
	u.follow()
	if u.stale || !u.Reached() {
		u.tell()
	}
}

// Reached tells whether nobody has refused our datagrams lately.
func (u *UDP) Reached() bool { return time.Since(u.refused) > unsure }

// Close closes the socket.
func (u *UDP) Close() error { return u.hangUp() }
