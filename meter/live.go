package meter

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/flow"
)

// Ring gives one worker its share of the frames that come in on the interfaces
// of an input (capture/ring): both directions and all fragments of a
// conversation at the same worker. It belongs to the worker's goroutine.
type Ring interface {
	// Next returns the next batch, nil and no error if none came within wait,
	// or io.EOF after the last.
	Next(wait time.Duration) (*capture.Batch, error)
	Interfaces() []capture.Interface
}

const (
	// beat is how often a live worker sees to what does not wait for packets:
	// the end of flows on a quiet link, records for the exporters, requests.
	beat = 100 * time.Millisecond

	// lag is how far the trace clock stays behind the wall clock on a quiet
	// link: frames that the ring still holds back are not to be late.
	lag = 200 * time.Millisecond

	// drain bounds how long a stopping worker reads what its ring still holds.
	drain = 2 * time.Second
)

// liveWorker reads a ring and meters what it gives.
type liveWorker struct {
	*worker
	ring      Ring
	reader    reader
	sockets   func() []flow.Socket // the meter's own; nil where their packets are metered
	ending    []endingLane         // of rule sets that a reload takes away
	forcing   forcing
	reloading *sync.RWMutex // of the Meter
	requests  chan func(*liveWorker)
	done      chan struct{} // closed when no more requests are answered
	progress  atomic.Int64  // wall clock at the last beat, ns since 1970; 0 before the first and after the end
}

// RunLive meters the frames of rings, one for each worker, until Stop or until
// the rings end, then ends all flows and sends every record. Each worker's
// records are in order; those of several workers go to the exporters as they
// come, so that no worker waits for another. A ring that fails is reported to
// failed, once the others have ended, too. It returns an error if the balance
// does not close.
func (m *Meter) RunLive(rings []Ring, failed func(error)) error {
	if len(rings) != len(m.workers) {
		return errors.New("as many rings as workers are needed")
	}
	var share exchanger
	if len(rings) > 1 {
		share = newMailboxes(m.cfg.Workers, aggregating(m.cfg.RuleSets))
	}
	var running sync.WaitGroup
	m.liveMu.Lock()
	for i, w := range m.workers {
		w.share = share
		w.records = &outbox{direct: newLiveOutput(m.out.exporters)}
		m.live = append(m.live, m.newLiveWorker(w, rings[i]))
	}
	m.liveMu.Unlock()
	close(m.begun)
	for _, l := range m.live {
		running.Go(func() {
			if err := l.run(m.stop); err != nil {
				failed(err)
			}
		})
	}
	running.Wait()
	total := m.Totals()
	return total.CheckEnd(m.names)
}

func (m *Meter) newLiveWorker(w *worker, ring Ring) *liveWorker {
	l := &liveWorker{worker: w, ring: ring, reloading: &m.reloading, sockets: m.cfg.Own, requests: make(chan func(*liveWorker)), done: make(chan struct{})}
	l.reader = reader{emit: func(j work) { w.do(&j) }, ifaces: numbering{table: m.cfg.Interfaces}}
	if l.sockets != nil {
		w.own = flow.NewOwnTraffic(&w.seed)
	}
	return l
}

// run meters until stop, or the end of the ring, and ends all flows.
func (l *liveWorker) run(stop <-chan struct{}) (err error) {
	for last := time.Now(); err == nil; {
		var quiet bool
		quiet, err = l.step(beat)
		now := time.Now()
		if quiet || now.Sub(last) >= beat {
			last = now
			l.beat(now, quiet)
		}
		l.answer()
		select {
		case <-stop:
			err = l.drain(now.Add(drain))
		default:
		}
	}
	l.end()
	if err == io.EOF {
		return nil
	}
	return err
}

// step meters the next batch. It tells whether there was none.
func (l *liveWorker) step(wait time.Duration) (quiet bool, err error) {
	l.waitForOwners()
	b, err := l.ring.Next(wait)
	if err != nil || b == nil {
		return err == nil, err
	}
	if l.sockets != nil {
		l.own.Tell(l.sockets(), l.clock)
	}
	return false, l.reader.batch(l.reader.ifaces.of(l.ring), b)
}

// waitForOwners waits while owners of aggregating rule sets are too far behind.
// It does meanwhile what others may be waiting for; what comes in stays in the
// ring, and is the kernel's to count if there is no more room there.
func (l *liveWorker) waitForOwners() {
	for {
		boxes, ok := l.share.(*mailboxes) // a reload may put others in their place
		if !ok || !boxes.full(l.id) {
			return
		}
		l.exchange()
		l.answer()
		time.Sleep(time.Millisecond)
	}
}

// beat does what is due from time to time.
func (l *liveWorker) beat(now time.Time, quiet bool) {
	if quiet {
		l.reader.quiet(now.Add(-lag).UnixNano())
	}
	l.settle()
	l.records.direct.beat(now)
	l.count.ClockSteps = l.reader.steps
	l.public.store(l.worker, false)
	l.progress.Store(now.UnixNano())
}

// answer does what others ask for.
func (l *liveWorker) answer() {
	for {
		select {
		case f := <-l.requests:
			f(l)
		default:
			return
		}
	}
}

// drain meters what the ring still holds.
func (l *liveWorker) drain(until time.Time) error {
	for time.Now().Before(until) {
		if quiet, err := l.step(beat); quiet || err != nil {
			return io.EOF
		}
	}
	return io.EOF
}

// end ends all flows at the clock as it stands. What other workers still send
// to rule sets of this one is waited for.
func (l *liveWorker) end() {
	if boxes, ok := l.share.(*mailboxes); ok {
		l.exchange()
		boxes.leave(l.id, l.clock)
		for last := false; !last; {
			last = !boxes.open() // then all has been sent
			l.exchange()
			l.pause()
		}
		l.clock = max(l.clock, boxes.latest.Load())
	}
	for !l.reloading.TryRLock() { // what a reload has begun here, it also ends here
		l.pause()
	}
	defer l.reloading.RUnlock()
	l.forceAll()
	l.do(&work{kind: finish, clock: l.clock})
	l.records.direct.flush()
	l.progress.Store(0)
	close(l.done)
}

// pause is for a worker at its end that waits for others: it does not hang.
func (l *liveWorker) pause() {
	l.answer()
	l.progress.Store(time.Now().UnixNano())
	time.Sleep(time.Millisecond)
}

// ask has every live worker do something between two batches, and waits until
// those that still run have done it. It may be called from any goroutine.
func (m *Meter) ask(do func(*liveWorker)) {
	m.liveMu.Lock()
	workers := m.live
	m.liveMu.Unlock()
	var asked sync.WaitGroup
	for _, l := range workers {
		asked.Go(func() {
			answered := make(chan struct{})
			select {
			case l.requests <- func(l *liveWorker) { do(l); close(answered) }:
				<-answered
			case <-l.done:
			}
		})
	}
	asked.Wait()
}

// Progress returns when each live worker last showed that it goes on, which it
// does at least every tenth of a second. It is zero for one that has not begun
// or has ended; workers that read traces are not there.
func (m *Meter) Progress() []time.Time {
	m.liveMu.Lock()
	defer m.liveMu.Unlock()
	all := make([]time.Time, len(m.live))
	for i, l := range m.live {
		if at := l.progress.Load(); at != 0 {
			all[i] = time.Unix(0, at)
		}
	}
	return all
}
