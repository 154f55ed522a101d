package ring

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
)

// Ring is what one worker reads: its ring of every interface of an input.
type Ring struct {
	names *names
	free  chan *delivery

	state   atomic.Int32              // see enter
	closed  atomic.Bool               // Close was called: what is there is read, then it is over
	sockets atomic.Pointer[[]*socket] // replaced, never changed

	mu   sync.Mutex // of replacing sockets, and of wake
	wake int        // eventfd that ends a wait; -1 while there is none

	// Only the reader uses these.
	polled  *[]*socket // the sockets that poll was made of
	poll    []unix.PollFd
	turn    int  // socket that is asked first
	waiting bool // poll says that there are blocks, but they are still held
}

// States of a ring.
const (
	unread int32 = iota // nobody has called Next
	read
	over // nobody will get anything any more
)

// batchFrames is the most frames of a batch. A block with more is handed on
// in several.
const batchFrames = 1024

// freeDeliveries is how many batches are kept for reuse.
const freeDeliveries = 1024

// heldWait is how long a ring all of whose blocks are held waits for one.
const heldWait = 5 * time.Millisecond

var errNotOpen = errors.New("the input is not open")

func newRing(n *names) *Ring {
	r := &Ring{names: n, free: make(chan *delivery, freeDeliveries), wake: -1}
	r.sockets.Store(new([]*socket))
	return r
}

// delivery is a batch and the block that it views.
type delivery struct {
	ring  *Ring
	block *block
	batch *capture.Batch
}

func (r *Ring) delivery() *delivery {
	select {
	case d := <-r.free:
		return d
	default:
	}
	d := &delivery{ring: r}
	d.batch = capture.NewBatch(d.recycle)
	d.batch.Frames = make([]capture.Frame, 0, batchFrames)
	return d
}

// recycle is what the last Release of the batch does.
func (d *delivery) recycle(b *capture.Batch) {
	held := d.block
	b.Buf, b.Frames, d.block = nil, b.Frames[:0], nil
	d.ring.keep(d)
	held.release()
}

// keep puts d aside for reuse.
func (r *Ring) keep(d *delivery) {
	select {
	case r.free <- d:
	default:
	}
}

// Interfaces returns the interfaces seen so far; Frame.Iface is an index into
// it. Later calls return the same ones, perhaps with another Index where one
// came back, and perhaps more. It may be called from any goroutine.
func (r *Ring) Interfaces() []capture.Interface { return r.names.all() }

// Next returns the next batch, a part of a block of one of the rings, which
// take turns. The caller is its only holder and must Release it, from any
// goroutine and in any order: only then has the kernel the memory back. It
// returns nil and no error if none came within wait; and after Close, once
// all that had come was returned, io.EOF.
//
// Next belongs to one goroutine, which goes on until io.EOF: from then on the
// rings' memory goes with the last batch. While blocks are ready it allocates
// nothing and calls no system.
func (r *Ring) Next(wait time.Duration) (*capture.Batch, error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	if b := r.ready(); b != nil {
		return b, nil
	}
	for end := time.Now().Add(wait); ; {
		now := time.Now()
		if r.settle(now) {
			r.leave()
			return nil, io.EOF
		}
		left := end.Sub(now)
		if left <= 0 {
			return nil, nil
		}
		r.wait(left)
		if b := r.ready(); b != nil {
			return b, nil
		}
	}
}

// enter says that there is a reader.
func (r *Ring) enter() error {
	switch r.state.Load() {
	case read:
		return nil
	case over:
		return io.EOF
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wake < 0 {
		return errNotOpen
	}
	if !r.state.CompareAndSwap(unread, read) {
		return io.EOF
	}
	return nil
}

// ready returns a batch of the first socket that has frames.
func (r *Ring) ready() *capture.Batch {
	all := *r.sockets.Load()
	for range all {
		if r.turn >= len(all) {
			r.turn = 0
		}
		s := all[r.turn]
		r.turn++
		if s.current == nil && !s.take() {
			continue
		}
		d := r.delivery()
		if d.block, d.batch.Frames = s.next(d.batch.Frames); d.block == nil {
			r.keep(d)
			continue
		}
		d.batch.Buf = d.block.octets
		d.batch.Retain(1)
		r.waiting = false
		return d.batch
	}
	return nil
}

// settle lets go of the sockets that have stopped and have no more frames,
// and tells whether it is over.
func (r *Ring) settle(now time.Time) bool {
	all := *r.sockets.Load()
	for _, s := range all {
		if s.drained(now) {
			r.remove(s)
			s.release()
		}
	}
	return r.closed.Load() && len(*r.sockets.Load()) == 0
}

// leave gives up the rings.
func (r *Ring) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Store(over)
	if r.wake >= 0 {
		unix.Close(r.wake)
		r.wake = -1
	}
}

// open makes what ends a wait.
func (r *Ring) open() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return err
}

// add has the reader read s too.
func (r *Ring) add(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := append(slices.Clone(*r.sockets.Load()), s)
	r.sockets.Store(&list)
	r.interrupt()
}

func (r *Ring) remove(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(*r.sockets.Load()), func(o *socket) bool { return o == s })
	r.sockets.Store(&list)
}

// close has the reader come to an end; where there is none, it is the end.
func (r *Ring) close() {
	r.closed.Store(true)
	if r.state.CompareAndSwap(unread, over) {
		for _, s := range *r.sockets.Load() {
			r.remove(s)
			s.release()
		}
		r.leave()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupt()
}

// nudge ends a wait, so that the reader looks at its sockets again.
func (r *Ring) nudge() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupt()
}

// interrupt ends a wait; r.mu is held.
func (r *Ring) interrupt() {
	if r.wake >= 0 {
		unix.Write(r.wake, []byte{0, 0, 0, 0, 0, 0, 0, 1}) // any number but 0 will do
	}
}
