package ring

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
)

// socket is one AF_PACKET socket and its ring: what one worker reads of one
// interface. Its reader and each block that is being read hold it; the last
// to leave unmaps the memory.
type socket struct {
	port   *port
	fd     int
	memory []byte
	blocks []block
	walker walker
	clock  bool // times may be those of the NIC's clock, which is still to be trusted

	// Only the reader, one goroutine, uses these.
	current *block // being walked, or nil
	at      walk   // where in it
	turn    int    // block that the kernel hands over next

	holders atomic.Int32
	handed  atomic.Uint64 // frames that were in blocks handed over
	stopped atomic.Bool   // takes no more frames
	since   time.Time     // when it stopped; written before stopped

	// The kernel's counts, kept since it forgets them when asked; under port.mu.
	packets, drops, freezes uint64
	lost                    uint64 // frames of damaged blocks
}

// block is one block of a ring.
type block struct {
	socket  *socket
	octets  []byte
	holders atomic.Int32 // its batches, and the reader while it walks
	held    atomic.Bool  // the reader has begun with it, and it is not given back
}

// next returns the next frames in frames's capacity, and the block they lie
// in; nil if none are ready. The block has one holder more.
func (s *socket) next(frames []capture.Frame) (*block, []capture.Frame) {
	for {
		if s.current == nil && !s.take() {
			return nil, frames
		}
		b := s.current
		frames, lost := s.walker.fill(b.octets, &s.at, frames)
		if lost > 0 {
			s.port.loseFrames(s, lost)
		}
		b.holders.Add(1)
		if s.at.left == 0 {
			s.current = nil
			b.release()
		}
		if len(frames) > 0 {
			return b, frames
		}
		b.release() // nothing but damage, or nothing at all
	}
}

// take begins with the block whose turn it is, if the kernel has handed it
// over.
func (s *socket) take() bool {
	b := &s.blocks[s.turn]
	if b.held.Load() || !ready(b.octets) {
		return false
	}
	s.holders.Add(1)
	b.held.Store(true)
	b.holders.Store(1)
	s.current, s.at = b, begin(b.octets)
	s.handed.Add(uint64(s.at.left))
	if s.clock {
		s.checkClock(time.Now())
	}
	if s.turn++; s.turn == len(s.blocks) {
		s.turn = 0
	}
	return true
}

// release drops one holder of the block; the last one's call gives it to the
// kernel.
func (b *block) release() {
	if b.holders.Add(-1) != 0 {
		return
	}
	giveBack(b.octets)
	b.held.Store(false)
	b.socket.release()
}

// release drops one holder of the socket; the last one's call frees it.
func (s *socket) release() {
	if s.holders.Add(-1) == 0 {
		s.port.retire(s)
	}
}

// stop has the kernel take no more frames. What is in the ring stays there.
func (s *socket) stop(now time.Time) {
	if s.stopped.Load() {
		return
	}
	attachFilter(s.fd, dropAll)
	s.since = now
	s.stopped.Store(true)
}

// drained tells whether a stopped socket has handed over all that it ever
// took. The block that was being filled comes when its time to retire is
// over.
func (s *socket) drained(now time.Time) bool {
	if !s.stopped.Load() || s.current != nil {
		return false
	}
	if now.Sub(s.since) > drainTime {
		return true // what is left is counted as lost
	}
	return s.port.received(s) <= s.handed.Load()
}

// drainTime is how long a stopped ring may take to hand over its last block.
const drainTime = 20 * retireAfter * time.Millisecond

// clearError takes the error that poll reports, such as that the interface is
// down: else poll would report it for ever. The news of it come by netlink.
func (s *socket) clearError() { unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR) }

// free unmaps the ring and closes the socket.
func (s *socket) free() error {
	err := unix.Munmap(s.memory)
	s.memory, s.blocks = nil, nil
	if cerr := unix.Close(s.fd); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("ring of %s: %w", s.port.name, err)
	}
	return nil
}
