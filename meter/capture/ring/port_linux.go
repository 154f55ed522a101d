package ring

import (
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// port is an interface of an input, by name, whether it is there or not.
type port struct {
	name   string
	number uint32 // in Ring.Interfaces
	index  int    // 0 while it is not there, and for "any"
	up     bool
	waits  bool   // it was said to be down
	failed string // why it could not be opened, if so
	log    *slog.Logger
	rings  []*socket // by worker; nil while it is not read

	mu                      sync.Mutex
	sockets                 []*socket // all that are not closed yet
	segments                bool
	packets, drops, freezes uint64 // of those that are
}

// add takes a socket into the account.
func (p *port) add(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets = append(p.sockets, s)
	p.segments = s.walker.vnet
}

// stats returns the account. up says whether the interface is read.
func (p *port) stats(up bool) InterfaceStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := InterfaceStats{Name: p.name, Index: uint32(p.index), Up: up, Segments: p.segments,
		Packets: p.packets, Drops: p.drops, Freezes: p.freezes}
	for _, s := range p.sockets {
		s.count()
		all.Packets += s.packets
		all.Drops += s.drops + s.lost
		all.Freezes += s.freezes
	}
	return all
}

// count asks the kernel for what came since it was asked last.
func (s *socket) count() {
	k, err := unix.GetsockoptTpacketStatsV3(s.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return // an open socket has them
	}
	s.packets += uint64(k.Packets)
	s.drops += uint64(k.Drops)
	s.freezes += uint64(k.Freeze_q_cnt)
}

// received returns how many frames the kernel has put into the ring.
func (p *port) received(s *socket) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.count()
	return s.packets - s.drops
}

// loseFrames counts frames that were in a block but could not be found there.
func (p *port) loseFrames(s *socket, n uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.lost == 0 {
		p.log.Error("a block of the kernel's ring is damaged", "interface", p.name, "frames", n)
	}
	s.lost += uint64(n)
}

// retire frees a socket that nobody holds any more. Its counts stay.
func (p *port) retire(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.count()
	p.packets += s.packets
	p.freezes += s.freezes
	p.drops += s.drops + s.lost
	if got, handed := s.packets-s.drops, s.handed.Load(); got > handed {
		p.drops += got - handed // nobody read them to the end
	}
	p.sockets = slices.DeleteFunc(p.sockets, func(o *socket) bool { return o == s })
	if err := s.free(); err != nil {
		p.log.Error("closing", "error", err)
	}
}
