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

	mu        sync.Mutex
	disk      *Disk // nil: none
	own       uint64
	intro     []Message
	mem       []Message // numbers without gaps, all higher than on disk
	unsent    int       // octets in mem from next on
	number    uint64    // of the next message put
	next      uint64    // the next message to take
	firstSent uint64    // the first message that this run counts as exported
	everSent  uint64    // messages before this number may have been sent
	leased    uint64    // the disk says the same of those before this one
	flight    []sent    // on this connection, oldest first
	flying    int       // octets in flight
	away      bool      // no connection, and one was tried for
	ended     bool
}

// sent is a message that may not have arrived.
type sent struct {
	number uint64
	octets int
	flows  exporters.Tally
}

// memoryLimit is what may wait in memory while the collector is connected: two
// or three seconds of a busy link.
const memoryLimit = 1 << 20

// NewBacklog returns an empty Backlog. generation is this run's: greater than
// that of any before, as the time is.
func NewBacklog(overlap int, generation uint64, stats *exporters.Stats) *Backlog {
	return &Backlog{overlap: overlap, limit: memoryLimit, stats: stats, own: generation,
		number: 1, next: 1, firstSent: 1, everSent: 1, ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// Use adds a disk, before anything else is done. What is on it is sent first.
func (b *Backlog) Use(d *Disk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disk = d
	b.next = d.next
	b.everSent = d.pos.sent
	b.firstSent, d.firstSent, d.everSent = b.everSent, b.everSent, b.everSent
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
// where it takes nothing, that is counted as lost, and so no longer as exported.
func (b *Backlog) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	if b.disk != nil {
		err = b.spill()
		b.loseFlight()
		err = errors.Join(err, b.disk.Close(b.everSent))
	}
	for i := range b.mem {
		if m := &b.mem[i]; m.Number >= b.next || len(b.flight) > 0 && m.Number >= b.flight[0].number {
			b.lose(m, exporters.Unreachable)
		}
	}
	b.mem = nil
	b.stats.Settle()
	return err
}

// lose counts a message as dropped, also if it was sent: then it may not have
// arrived, and is taken off what was exported.
func (b *Backlog) lose(m *Message, why exporters.Reason) {
	if m.Number >= b.firstSent && m.Number < b.everSent {
		b.stats.TakeBack(m.Flows)
	}
	b.stats.Drop(why, m.Flows)
}

// loseFlight counts what is in flight and cannot be sent again: its file was
// deleted for want of room when it seemed to have been sent.
func (b *Backlog) loseFlight() {
	for i := range b.flight {
		if f := &b.flight[i]; !b.holds(f.number) {
			b.lose(&Message{Number: f.number, Flows: f.flows}, exporters.SpoolFull)
		}
	}
}
