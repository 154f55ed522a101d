package spool

import (
	"errors"
	"slices"

	"flowmeter/exporters"
)

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
// are good until the next call, and not to be changed.
func (b *Backlog) Take(generation uint64) (t Taken, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.generation() != generation {
		return t, ErrOtherRun
	}
	if b.disk != nil && b.disk.Unread() {
		if t, ok := b.fromDisk(generation); ok {
			return t, nil
		}
		if b.generation() != generation {
			return t, ErrOtherRun
		}
	}
	return b.fromMemory()
}

func (b *Backlog) fromDisk(generation uint64) (t Taken, ok bool) {
	m, ok := b.disk.Next(generation)
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

// Sent counts the message that was taken last, which has left, and notes that
// the collector has not acknowledged so many octets of all.
func (b *Backlog) Sent(t *Taken, unacknowledged int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.Again {
		b.stats.Resent.Add(t.Flows.Records)
	} else {
		b.stats.Export(t.Flows.Records)
	}
	b.flight = append(b.flight, sent{t.Number, len(t.Buf), t.Flows})
	b.flying += len(t.Buf)
	b.everSent = max(b.everSent, t.Number+1)
	if b.disk != nil {
		b.disk.everSent = b.everSent
	}
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
		if !b.holds(failed.Number) { // as in loseFlight
			b.lose(&failed.Message, exporters.SpoolFull)
		}
	}
	b.land(unacknowledged)
	b.loseFlight()
	if len(b.flight) > 0 {
		b.next = b.flight[0].number
	} else {
		b.next = min(b.next, b.everSent)
	}
	b.flight, b.flying = b.flight[:0], 0
	return b.rewound()
}

// holds tells whether a message that was taken can be taken again.
func (b *Backlog) holds(n uint64) bool {
	if len(b.mem) > 0 && n >= b.mem[0].Number {
		return true
	}
	return b.disk != nil && n >= b.disk.Start() && n < b.disk.End()
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
