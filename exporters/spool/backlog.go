package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"flowmeter/exporters"
)

// Backlog holds the messages of one exporter, in order, from when they are
// made until the collector has certainly got them:
//
//	disk, then memory:   done with | sent, may be lost | to be sent
//	                               ^ safe              ^ next
//
// While the collector keeps up, all is in memory. When the connection breaks
// or what is to be sent becomes too much, what memory holds goes to disk, and
// what comes goes behind it; once everything was sent, new messages stay in
// memory again. Without a disk, Put waits for room.
//
// One goroutine puts, another one takes and sends.
type Backlog struct {
	overlap int // octets before those not acknowledged that are sent again
	limit   int // octets to be sent that memory may hold
	stats   *exporters.Stats
	ready   chan struct{} // has a token when there may be something to take
	room    chan struct{} // has a token when there may be room

	mu       sync.Mutex
	disk     *Disk // nil: none
	own      uint64
	intro    []Message
	mem      []Message // numbers without gaps, all higher than on disk
	unsent   int       // octets in mem from next on
	number   uint64    // of the next message put
	next     uint64    // the next message to take
	everSent uint64    // messages before this number may have been sent
	leased   uint64    // the disk says the same of those before this one
	flight   []sent    // on this connection, oldest first
	flying   int       // octets in flight
	away     bool      // no connection, and one was tried for
	ended    bool
}

// sent is a message that may not have arrived.
type sent struct {
	number uint64
	octets int
}

// memoryLimit is what may wait in memory while the collector is connected: two
// or three seconds of a busy link.
const memoryLimit = 1 << 20

// NewBacklog returns an empty Backlog. generation is this run's: greater than
// that of any before, as the time is.
func NewBacklog(overlap int, generation uint64, stats *exporters.Stats) *Backlog {
	return &Backlog{overlap: overlap, limit: memoryLimit, stats: stats, own: generation,
		number: 1, next: 1, everSent: 1, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// Use adds a disk, before anything else is done. What is on it is sent first.
func (b *Backlog) Use(d *Disk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disk = d
	b.next = d.next
	b.everSent = d.pos.sent
	b.leased = d.pos.sent
	b.number = max(d.End(), d.pos.sent)
}

// Ready has a token when there may be something to take.
func (b *Backlog) Ready() <-chan struct{} { return b.ready }

func wake(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// Put adds a message, of whose octets it makes a copy. Without a disk it waits
// for room until ctx ends. The error says that the message was not taken.
func (b *Backlog) Put(ctx context.Context, m Message) error {
	m.Buf, m.Generation = slices.Clone(m.Buf), b.own
	for {
		taken, err := b.put(&m)
		if taken || err != nil {
			wake(b.ready)
			return err
		}
		select {
		case <-b.room:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", exporters.ErrUnreachable, context.Cause(ctx))
		}
	}
}

func (b *Backlog) put(m *Message) (taken bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.Number = b.number
	full := b.unsent > 0 && b.unsent+len(m.Buf) > b.limit
	if b.disk != nil && (b.away || full || b.disk.Unread()) {
		if err = b.spill(); err == nil {
			err = b.disk.Append(m)
		}
		if err == nil {
			b.took(m)
			return true, nil
		}
	}
	switch {
	case full && b.disk == nil:
		return false, nil
	case full:
		return false, fmt.Errorf("%w: %w", exporters.ErrSpool, err)
	}
	b.mem = append(b.mem, *m)
	b.unsent += len(m.Buf)
	b.took(m)
	return true, nil
}

// took notes that a message was put.
func (b *Backlog) took(m *Message) {
	b.number++
	if !m.Intro {
		return
	}
	b.intro = append(b.intro, *m)
	if b.disk != nil {
		b.disk.intro = b.intro
	}
}

// spill moves what memory holds to disk, also what was sent and may be lost.
func (b *Backlog) spill() error {
	if len(b.mem) == 0 {
		return nil
	}
	var err error
	moved := 0
	for ; moved < len(b.mem) && err == nil; moved++ {
		err = b.disk.Append(&b.mem[moved])
	}
	if err != nil {
		moved--
	}
	b.mem = slices.Delete(b.mem, 0, moved)
	b.weigh()
	return errors.Join(err, b.disk.Rewind(b.next), b.disk.Sent(b.everSent))
}

// weigh counts again what of memory is to be sent.
func (b *Backlog) weigh() {
	b.unsent = 0
	for i := range b.mem {
		if b.mem[i].Number >= b.next {
			b.unsent += len(b.mem[i].Buf)
		}
	}
}

// Session tells whose templates the next message needs, and what a session
// must begin with.
func (b *Backlog) Session() (generation uint64, intro []Message, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = false
	if generation = b.generation(); generation != b.own {
		intro, err = b.disk.Preamble()
		return generation, intro, err
	}
	return generation, slices.Clone(b.intro), nil
}

// generation returns that of the next message.
func (b *Backlog) generation() uint64 {
	if b.disk != nil && b.disk.Unread() {
		if g := b.disk.segmentOf(b.disk.next); g != nil {
			return g.generation
		}
	}
	return b.own
}

// Taken is what Take returns beside a message.
type Taken struct {
	Message
	Again    bool // it may have been sent before
	FromDisk bool
}

// What Take returns when there is no message for the session.
var (
	ErrEmpty    = errors.New("nothing to send")
	ErrOtherRun = errors.New("the next message is another run's")
)

// leaseMessages is how many messages ahead the disk says that they may have
// been sent: the position need not be written for each.
const leaseMessages = 64

// Take returns the next message, if it is of the given generation. Its octets
// are good until the next call.
func (b *Backlog) Take(generation uint64) (t Taken, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.generation() != generation {
		return t, ErrOtherRun
	}
	if b.disk != nil && b.disk.Unread() {
		if t, ok := b.fromDisk(); ok {
			return t, nil
		}
	}
	return b.fromMemory()
}

func (b *Backlog) fromDisk() (t Taken, ok bool) {
	m, ok := b.disk.Next()
	if !ok {
		return t, false
	}
	if m.Number >= b.leased {
		b.leased = m.Number + leaseMessages
		_ = b.disk.Sent(b.leased) // Tick tells; after a crash, more is sent again
	}
	b.next = m.Number + 1
	return Taken{Message: m, Again: m.Number < b.everSent, FromDisk: true}, true
}

func (b *Backlog) fromMemory() (t Taken, err error) {
	if len(b.mem) == 0 || b.next > b.mem[len(b.mem)-1].Number {
		return t, ErrEmpty
	}
	i := 0
	if first := b.mem[0].Number; b.next > first {
		i = int(b.next - first)
	}
	m := b.mem[i]
	b.next = m.Number + 1
	b.unsent -= len(m.Buf)
	wake(b.room)
	return Taken{Message: m, Again: m.Number < b.everSent}, nil
}

// Sent notes that the message that was taken last has left, and that the
// collector has not acknowledged so many octets of all.
func (b *Backlog) Sent(t *Taken, unacknowledged int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flight = append(b.flight, sent{t.Number, len(t.Buf)})
	b.flying += len(t.Buf)
	b.everSent = max(b.everSent, t.Number+1)
	b.settle(unacknowledged)
}

// Settle forgets what the collector has certainly got.
func (b *Backlog) Settle(unacknowledged int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settle(unacknowledged)
}

func (b *Backlog) settle(unacknowledged int) {
	b.land(unacknowledged)
	if len(b.flight) > 0 {
		b.forget(b.flight[0].number)
	} else if b.overlap == 0 {
		b.forget(b.next)
	}
}

// land takes out of flight what is more than the overlap before the octets
// that were not acknowledged.
func (b *Backlog) land(unacknowledged int) {
	landed := 0
	for landed < len(b.flight) && b.flying-b.flight[landed].octets >= unacknowledged+b.overlap {
		b.flying -= b.flight[landed].octets
		landed++
	}
	b.flight = b.flight[:copy(b.flight, b.flight[landed:])]
}

// forget lets go of the messages before number n.
func (b *Backlog) forget(n uint64) {
	gone := 0
	for gone < len(b.mem) && b.mem[gone].Number < min(n, b.next) {
		gone++
	}
	clear(b.mem[:gone])
	b.mem = b.mem[gone:]
	if b.disk != nil {
		b.disk.Forget(n)
	}
}

// Broken notes that the connection broke with so many octets unacknowledged.
// They are sent again, with the overlap before them; so is failed, the message
// that was taken but not sent, if there is one.
func (b *Backlog) Broken(failed *Taken, unacknowledged int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if failed != nil {
		b.next = min(b.next, failed.Number)
	}
	b.land(unacknowledged)
	if len(b.flight) > 0 {
		b.next = b.flight[0].number
	} else {
		b.next = min(b.next, b.everSent)
	}
	b.flight, b.flying = b.flight[:0], 0
	return b.rewound()
}

// rewound makes memory and disk go on at next.
func (b *Backlog) rewound() error {
	b.weigh()
	if b.disk == nil {
		return nil
	}
	b.away = true
	err := b.spill()
	if len(b.mem) == 0 || b.next < b.mem[0].Number {
		err = errors.Join(err, b.disk.Rewind(b.next))
	}
	return err
}

// Away notes that there is no connection to be had: what is to be sent goes to
// disk.
func (b *Backlog) Away() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = true
	if b.disk == nil {
		return nil
	}
	return b.spill()
}

// Delivered notes that the collector has got all that was sent.
func (b *Backlog) Delivered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flight, b.flying = b.flight[:0], 0
	b.forget(b.next)
}

// End says that nothing more will be put.
func (b *Backlog) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	wake(b.ready)
}

// Over tells whether the sender has done what it can: nothing more will be put,
// and what is to be sent, if anything, may stay on disk.
func (b *Backlog) Over() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		return false
	}
	return b.disk != nil && b.disk.Unread() || len(b.mem) == 0 || b.next > b.mem[len(b.mem)-1].Number
}

// Waiting returns how many flow records memory holds that were not sent.
func (b *Backlog) Waiting() (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.mem) - 1; i >= 0 && b.mem[i].Number >= b.next; i-- {
		n += int64(b.mem[i].Flows.Records)
	}
	return n
}

// Tick is for about every second; waiting is how many flow records would be
// lost if the process were killed now.
func (b *Backlog) Tick(now time.Time, waiting int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.disk == nil {
		return nil
	}
	return b.disk.Tick(now, waiting)
}

// Close puts on disk what the collector may not have got. Without a disk, or
// where it takes nothing, that is counted as lost.
func (b *Backlog) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	if b.disk != nil {
		err = b.spill()
		err = errors.Join(err, b.disk.Close(b.everSent))
	}
	for i := range b.mem {
		if m := &b.mem[i]; m.Number >= b.next || len(b.flight) > 0 && m.Number >= b.flight[0].number {
			b.stats.Drop(exporters.Unreachable, m.Flows)
		}
	}
	b.mem = nil
	return err
}
