package exporters

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"flowmeter/meter/flow"
)

// Protocol numbers of Socket.
const (
	protoTCP = 6
	protoUDP = 17
)

// Socket is an open connection to a collector.
type Socket = flow.Socket

// Sockets is the set of all open connections to collectors, by which a meter
// knows its own export traffic. It may be read at any time, by any number of
// goroutines, and costs a reader one atomic load. A nil *Sockets keeps none.
type Sockets struct {
	mu  sync.Mutex // of writers
	all atomic.Pointer[[]Socket]
}

// Load returns the set. It is never changed; a new one takes its place.
func (s *Sockets) Load() []Socket {
	if s == nil {
		return nil
	}
	if all := s.all.Load(); all != nil {
		return *all
	}
	return nil
}

// afterglow is how long a closed connection stays in the set: the packets of
// its end come after the call that closes it.
const afterglow = 2 * time.Second

// add puts a connection into the set and returns what takes it out.
func (s *Sockets) add(conn net.Conn) (remove func()) {
	sock, ok := socketOf(conn)
	if s == nil || !ok {
		return func() {}
	}
	s.change(func(all []Socket) []Socket { return append(all, sock) })
	return func() {
		time.AfterFunc(afterglow, func() {
			s.change(func(all []Socket) []Socket {
				at := slices.Index(all, sock)
				return slices.Delete(all, at, at+1)
			})
		})
	}
}

// change replaces the set by a changed copy.
func (s *Sockets) change(edit func([]Socket) []Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := edit(slices.Clone(s.Load()))
	s.all.Store(&all)
}

// socketOf tells the ends of a connection; addresses are never IPv4-mapped.
func socketOf(conn net.Conn) (Socket, bool) {
	switch local := conn.LocalAddr().(type) {
	case *net.TCPAddr:
		remote, ok := conn.RemoteAddr().(*net.TCPAddr)
		if ok {
			return Socket{Proto: protoTCP, Local: unmap(local.AddrPort()), Remote: unmap(remote.AddrPort())}, true
		}
	case *net.UDPAddr:
		remote, ok := conn.RemoteAddr().(*net.UDPAddr)
		if ok {
			return Socket{Proto: protoUDP, Local: unmap(local.AddrPort()), Remote: unmap(remote.AddrPort())}, true
		}
	}
	return Socket{}, false
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
