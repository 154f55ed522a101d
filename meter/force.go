package meter

import (
	"math"
	"sync/atomic"
	"time"

	"flowmeter/meter/flow"
)

// forcing is what a live worker is ending before its time: a stop, a reload or
// somebody's wish may end more flows at once than queues have room for. So they
// are ended bit by bit, as exporters take their records.
type forcing struct {
	tables []*flow.Table
	until  time.Time // exporters that are slower are waited for no longer
}

const (
	// stopFor is how long the flows of a meter that stops may wait for exporters:
	// a service has 60 s, of which half belong to what is in the queues then.
	stopFor = 20 * time.Second

	// forceFor is the same while the meter goes on: its metrics wait, too.
	forceFor = 5 * time.Second

	// forceSlice is how many flows are ended between two looks at the room: other
	// workers take of it, too, and what is too much makes this one wait.
	forceSlice = 4096

	// forceSlices is how many of these follow on each other: then the ring has
	// its turn, however fast exporters are.
	forceSlices = 16

	// forceEvery is how long to wait for more room.
	forceEvery = 5 * time.Millisecond
)

// force has the flows of tables ended by further calls of forceSome.
func (l *liveWorker) force(tables []*flow.Table, within time.Duration) {
	l.forcing = forcing{tables, time.Now().Add(within)}
}

// forceSome ends as many flows as there is room for, within reason, and tells
// whether that was the rest.
func (l *liveWorker) forceSome() bool {
	out := l.records.direct
	defer func() { out.patient = false }()
	for n := 0; len(l.forcing.tables) > 0; n++ {
		room := l.room()
		if room < batchRecords || n == forceSlices {
			return false
		}
		out.patient = room != math.MaxInt
		t := l.forcing.tables[0]
		_, all := t.FlushSome(l.clock, flow.EndForced, min(room, forceSlice))
		l.releaseAll(t)
		out.flush()
		if all {
			l.forcing.tables = l.forcing.tables[1:]
		}
	}
	return true
}

// room returns for how many records the exporters have room.
func (l *liveWorker) room() int {
	if time.Now().After(l.forcing.until) {
		return math.MaxInt
	}
	return l.records.direct.room()
}

// forceAll ends all flows of a worker that reads no more.
func (l *liveWorker) forceAll() {
	l.force(l.tables(), stopFor)
	for !l.forceSome() {
		l.progress.Store(time.Now().UnixNano())
		time.Sleep(forceEvery)
	}
}

func (l *liveWorker) tables() (all []*flow.Table) {
	for i := range l.lanes {
		all = append(all, l.lanes[i].table)
	}
	return all
}

// releaseAll passes on all records of a table that have ended.
func (w *worker) releaseAll(t *flow.Table) {
	for left := t.Ready(flow.Everything); left > 0; left-- {
		t.Next(w.records.next())
	}
}

// askForce has the live workers end what they were told to force, and go on
// metering meanwhile.
func (m *Meter) askForce() {
	for pending := true; pending; {
		var left atomic.Bool
		m.ask(func(l *liveWorker) {
			if !l.forceSome() {
				left.Store(true)
			}
			l.public.store(l.worker, false)
		})
		if pending = left.Load(); pending {
			time.Sleep(forceEvery)
		}
	}
}

// Expire forces out all flows that a live Meter has now.
func (m *Meter) Expire() error {
	m.reloading.Lock() // which forces flows out as well
	defer m.reloading.Unlock()
	if !m.running() {
		return errEnded
	}
	m.ask(func(l *liveWorker) {
		l.settle()
		l.force(l.tables(), forceFor)
	})
	m.askForce()
	return nil
}
