package meter

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"flowmeter/meter/flow"
)

// mailboxes is the exchanger of workers that read live interfaces, each at its
// own pace. The owner of an aggregating rule set takes what has come since it
// last looked, waits for nobody, and counts a sighting once the clocks of all
// workers have passed it: so in the order of time, and none after the flow that
// it prolongs has ended.
type mailboxes struct {
	boxes  []*mailbox     // by rule set; nil where nothing is exchanged
	clocks []atomic.Int64 // trace clock of each worker; ended when it will send nothing more
	latest *atomic.Int64  // clock of the last worker that ended
}

// ended is the clock of a worker that will send nothing more.
const ended = math.MaxInt64

// mailbox holds sightings of one rule set on their way to its owner.
type mailbox struct {
	owner   int
	reached int64           // what the owner has passed
	held    []flow.Sighting // taken by the owner, and not yet passed by all clocks

	mu    sync.Mutex
	lot   []flow.Sighting // sent
	spare []flow.Sighting
}

// mailboxSize is how many sightings may wait for an owner before those who send
// them wait, too, and how many it holds back for workers that are behind.
const mailboxSize = 1 << 17

func newMailboxes(workers int, aggregating []bool) *mailboxes {
	x := &mailboxes{clocks: make([]atomic.Int64, workers), latest: &atomic.Int64{}, boxes: make([]*mailbox, len(aggregating))}
	for i := range x.boxes {
		if aggregating[i] {
			x.boxes[i] = &mailbox{owner: i % workers}
		}
	}
	return x
}

// with returns the exchanger of the same workers for other rule sets.
func (x *mailboxes) with(boxes []*mailbox) *mailboxes {
	return &mailboxes{boxes: boxes, clocks: x.clocks, latest: x.latest}
}

func (x *mailboxes) shares(ruleset int) bool { return x.boxes[ruleset] != nil }
func (x *mailboxes) owner(ruleset int) int   { return x.boxes[ruleset].owner }

// at publishes a worker's clock, after its sightings up to then were passed.
func (x *mailboxes) at(worker int, clock int64) {
	if x.clocks[worker].Load() != ended {
		x.clocks[worker].Store(clock)
	}
}

// upto returns how far the owner has counted the packets of a rule set, all
// workers' included.
func (x *mailboxes) upto(worker, ruleset int, own int64) int64 {
	b := x.boxes[ruleset]
	if b == nil || worker != b.owner {
		return own
	}
	return min(own, b.reached)
}

// span returns the clocks of the workers that have come least far and farthest.
func (x *mailboxes) span() (slowest, fastest int64) {
	slowest = ended
	for i := range x.clocks {
		clock := x.clocks[i].Load()
		slowest, fastest = min(slowest, clock), max(fastest, clock)
	}
	return slowest, fastest
}

func (x *mailboxes) pass(worker, ruleset int, lot []flow.Sighting) []flow.Sighting {
	b := x.boxes[ruleset]
	if worker != b.owner {
		b.put(lot)
		return lot[:0]
	}
	slowest, _ := x.span() // before a look at what was sent: clocks follow sightings
	b.reached = slowest
	b.take(lot)
	_, fastest := x.span() // and behind it: what was sent is ahead of no clock by more than a batch
	return b.ready(lot[:0], slowest, fastest)
}

func (b *mailbox) put(lot []flow.Sighting) {
	if len(lot) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lot = append(b.lot, lot...)
}

// take adds the owner's own sightings, and what was sent, to those held.
func (b *mailbox) take(own []flow.Sighting) {
	b.mu.Lock()
	sent := b.lot
	b.lot = b.spare[:0]
	b.spare = sent // not written to before the next take
	b.mu.Unlock()
	if len(own)+len(sent) == 0 {
		return
	}
	b.held = append(append(b.held, own...), sent...)
	slices.SortStableFunc(b.held, func(a, b flow.Sighting) int { return cmp.Compare(a.Time, b.Time) })
}

// ready moves to lot what all clocks have passed. Of more than may be held, the
// oldest no longer wait; nor does what lies so far ahead of all clocks that they
// must have been set back meanwhile: it is counted as of now.
func (b *mailbox) ready(lot []flow.Sighting, upto, fastest int64) []flow.Sighting {
	n := max(0, len(b.held)-mailboxSize)
	for n < len(b.held) && b.held[n].Time <= upto {
		n++
	}
	lot = append(lot, b.held[:n]...)
	ahead := len(b.held)
	known := fastest != 0 && fastest != ended
	for known && ahead > n && b.held[ahead-1].Time > fastest+maxStep {
		ahead--
		lot = append(lot, b.held[ahead])
		lot[len(lot)-1].Clock = fastest
	}
	b.held = b.held[:copy(b.held, b.held[n:ahead])]
	return lot
}

// full tells whether the owner of some rule set is too far behind for a worker
// to send it more.
func (x *mailboxes) full(worker int) bool {
	for _, b := range x.boxes {
		if b != nil && b.owner != worker && b.full() {
			return true
		}
	}
	return false
}

func (b *mailbox) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lot) >= mailboxSize
}

// leave tells that a worker will send nothing more.
func (x *mailboxes) leave(worker int, clock int64) {
	for {
		latest := x.latest.Load()
		if clock <= latest || x.latest.CompareAndSwap(latest, clock) {
			break
		}
	}
	x.at(worker, ended)
}

// open tells whether some worker may still send something.
func (x *mailboxes) open() bool {
	for i := range x.clocks {
		if x.clocks[i].Load() != ended {
			return true
		}
	}
	return false
}
