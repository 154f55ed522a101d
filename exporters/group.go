package exporters

import (
	"log/slog"
	"math"
	"slices"
	"sync"
	"time"

	"flowmeter/meter/flow"
)

// Mode says which of several collectors get a record.
type Mode uint8

const (
	All      Mode = iota // each of them, without a Group
	Failover             // the first that is there
	Balance              // one of them, by the flow's id: all pieces of a flow go to the same
)

// modes are the words of the key mode, in the order of Mode.
var modes = []string{"all", "failover", "balance"}

// String returns the word of the configuration.
func (m Mode) String() string { return modes[m] }

// Group divides records among several exporters, each behind its own Queue and
// with its own account. It stands where a Queue would: what it is offered it
// offers on, and it waits for nobody who would not be waited for alone.
// Collectors that get all records are no group: each is an exporter by itself.
type Group struct {
	mode    Mode
	members []*member
	log     *slog.Logger
	spare   sync.Pool // of *flow.Batch
	mu      sync.Mutex
}

// member is an exporter of a group.
type member struct {
	*Queue
	seed  uint64
	alive time.Time // when it was last seen to be up; zero before the first batch
	away  bool
	part  *flow.Batch // of the batch that is being divided
}

// patience is how long a member may be away before others take its share.
const patience = 3 * time.Second

// NewGroup returns a group of the given queues, the first of which is the
// first choice. mode is Failover or Balance.
func NewGroup(mode Mode, queues []*Queue, log *slog.Logger) *Group {
	g := &Group{mode: mode, log: log}
	g.spare.New = func() any { return &flow.Batch{} }
	for _, q := range queues {
		g.members = append(g.members, &member{Queue: q, seed: seedOf(q.Name())})
	}
	return g
}

// seedOf is the FNV-1a hash of a name: the same in every run, so that a flow's
// pieces go to the same collector after a restart.
func seedOf(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// Offer hands a batch on, and with it one hold on it.
func (g *Group) Offer(b *flow.Batch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.look(time.Now())
	g.divide(b)
	b.Release()
}

// Room is that of the member with the least: whose records come cannot be told.
func (g *Group) Room() int {
	room := math.MaxInt
	for _, m := range g.members {
		room = min(room, m.Queue.Room())
	}
	return room
}

// look finds out which members are there.
func (g *Group) look(now time.Time) {
	for _, m := range g.members {
		if m.Stats().Up.Load() || m.alive.IsZero() {
			m.alive = now
		}
		away := now.Sub(m.alive) > patience
		if away != m.away {
			m.away = away
			if away {
				g.log.Warn("collector away: others take its share", "exporter", m.Name())
			} else {
				g.log.Info("collector back: it takes its share again", "exporter", m.Name())
			}
		}
	}
}

// divide copies each record to the part of the member that gets it. What is
// not a record is for all.
func (g *Group) divide(b *flow.Batch) {
	for i := range b.Records {
		r := &b.Records[i]
		m := g.choose(r.FlowID)
		if m.part == nil {
			m.part = g.take()
		}
		n := len(m.part.Records)
		m.part.Records = slices.Grow(m.part.Records, 1)[:n+1] // not append: a place has room that is used again
		r.CopyTo(&m.part.Records[n])
	}
	for _, m := range g.members {
		part := m.part
		if m.part = nil; part == nil && (b.Final || b.Stats != nil) {
			part = g.take()
		}
		if part != nil {
			part.Clock, part.Stats, part.Final, part.Patient = b.Clock, b.Stats, b.Final, b.Patient
			m.Offer(part)
		}
	}
}

// take returns an empty batch with one hold on it.
func (g *Group) take() *flow.Batch {
	b := g.spare.Get().(*flow.Batch)
	b.Recycle = g.recycle
	b.Retain(1)
	return b
}

func (g *Group) recycle(b *flow.Batch) {
	b.Records, b.Stats, b.Final, b.Patient = b.Records[:0], nil, false, false
	g.spare.Put(b)
}

// choose returns who gets a flow, and counts it where that is not who it is
// meant for. If nobody is there, it waits with the one it is meant for.
func (g *Group) choose(flowID uint64) *member {
	meant, chosen := g.best(flowID, true), g.best(flowID, false)
	if chosen == nil || chosen == meant {
		return meant
	}
	meant.Stats().Rerouted.Add(1)
	return chosen
}

// best returns the first choice for a flow, of all or of those that are there.
// Balancing, it is the one whose hash with the flow's id is highest: when one
// is away, only its own flows move.
func (g *Group) best(flowID uint64, all bool) (best *member) {
	var highest uint64
	for _, m := range g.members {
		if m.away && !all {
			continue
		}
		if g.mode == Failover {
			return m
		}
		if h := mix(flowID ^ m.seed); best == nil || h > highest {
			best, highest = m, h
		}
	}
	return best
}

// mix spreads the bits of a number: the finisher of splitmix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
