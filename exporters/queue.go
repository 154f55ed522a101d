package exporters

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"syscall"
	"time"

	"flowmeter/meter/flow"
)

// QueueConfig is how the queue before an exporter is set up.
type QueueConfig struct {
	Records  int           // capacity
	Lossless bool          // Offer waits for room: reading traces
	Drain    time.Duration // how long the exporter has after the final batch; 0, or lossless: as long as it wants
	Log      *slog.Logger  // nil: slog.Default
}

// DefaultQueue returns the queue of a live exporter.
func DefaultQueue() QueueConfig {
	return QueueConfig{Records: 65536, Drain: 30 * time.Second}
}

// Queue is the bounded queue before a Sink and the goroutine that feeds it.
type Queue struct {
	name  string
	sink  Sink
	cfg   QueueConfig
	stats *Stats
	owned bool // the sink keeps no account: the queue counts for it
	log   burstLog

	mu      sync.Mutex
	waiting []*flow.Batch
	weight  int       // of all that wait
	moved   time.Time // when the oldest began to be the oldest
	ended   bool      // Run is over, or will be without taking another batch
	once    sync.Once
	final   chan struct{} // closed when the final batch was offered
	filled  chan struct{} // has a token when something may wait
	drained chan struct{} // has a token when there may be room
	rotated chan struct{} // has a token when the sink's file may have been moved away
}

// NewQueue returns a queue before sink. Nothing happens until Run.
func NewQueue(name string, sink Sink, cfg QueueConfig) *Queue {
	q := &Queue{name: name, sink: sink, cfg: cfg, stats: &Stats{}, owned: true,
		final: make(chan struct{}), filled: make(chan struct{}, 1), drained: make(chan struct{}, 1), rotated: make(chan struct{}, 1)}
	if a, ok := sink.(Accountant); ok {
		q.stats, q.owned = a.Stats(), false
	}
	log := cfg.Log
	if log == nil {
		log = slog.Default()
	}
	q.log = burstLog{log: log.With("exporter", name)}
	return q
}

// Sink returns what the queue feeds.
func (q *Queue) Sink() Sink { return q.sink }

// Name returns the name that the queue was made with.
func (q *Queue) Name() string { return q.name }

// Stats returns the account of the exporter and its queue.
func (q *Queue) Stats() *Stats { return q.stats }

// weigh is what a batch takes of the queue's capacity: a batch without records,
// which tells the time or the end, takes room too.
func weigh(b *flow.Batch) int { return max(1, len(b.Records)) }

// capacity is how many records may wait once a batch was taken. Patient ones
// leave a quarter to those that would be dropped for them.
func (q *Queue) capacity(patient bool) int {
	if patient {
		return q.cfg.Records - q.cfg.Records/4
	}
	return q.cfg.Records
}

// Offer hands over a batch and with it one hold on it. A lossless queue waits
// until there is room, any other for a patient batch while its exporter goes on;
// else it drops what does not fit and counts it. A batch larger than the whole
// queue is taken when the queue is empty, and of the final batch, if it does not
// fit, only the records are dropped.
func (q *Queue) Offer(b *flow.Batch) {
	if b.Final {
		defer q.once.Do(func() { close(q.final) })
	}
	for patient := b.Patient; !q.admit(b, patient); {
		switch {
		case q.cfg.Lossless:
			<-q.drained
		case patient && q.Room() != math.MaxInt:
			time.Sleep(time.Millisecond)
		case patient: // it waits no longer, and is one like all others
			patient = false
		default:
			q.drop(b, QueueFull)
			return
		}
	}
}

// admit takes the batch if there is room, or if nobody will ever take it.
func (q *Queue) admit(b *flow.Batch, patient bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		q.wake(q.drained) // the next waiting Offer too
		q.drop(b, Stopped)
		return true
	}
	if len(q.waiting) > 0 && q.weight+weigh(b) > q.capacity(patient) {
		return false
	}
	if len(q.waiting) == 0 {
		q.moved = time.Now()
	}
	q.waiting = append(q.waiting, b)
	q.weight += weigh(b)
	q.stats.Queued.Add(int64(len(b.Records)))
	q.wake(q.filled)
	return true
}

// stuck is how long an exporter may take nothing before nobody waits for it.
const stuck = 2 * time.Second

// Room returns how many records of patient batches Offer takes now. It has no
// limit where waiting is of no use: the queue waits by itself, its exporter has
// ended, or takes nothing.
func (q *Queue) Room() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cfg.Lossless || q.ended || len(q.waiting) > 0 && time.Since(q.moved) > stuck {
		return math.MaxInt
	}
	if len(q.waiting) == 0 { // which takes a batch of any size
		return max(q.cfg.Records, 1024)
	}
	return max(0, q.capacity(true)-q.weight)
}

func (q *Queue) wake(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

func (q *Queue) drop(b *flow.Batch, why Reason) {
	q.stats.Drop(why, TallyOf(b))
	b.Release()
}

// take returns the oldest batch, or nil.
func (q *Queue) take() *flow.Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	b := q.waiting[0]
	q.waiting[0] = nil
	q.waiting, q.moved = q.waiting[1:], time.Now()
	q.weight -= weigh(b)
	q.stats.Queued.Add(-int64(len(b.Records)))
	if q.weight <= q.cfg.Records/2 { // not for each batch: who waits would wake for each
		q.wake(q.drained)
	}
	return b
}

// Run feeds the sink until the final batch, or until ctx ends, and closes it.
// Errors of the sink are counted and logged, and the exporter goes on; only a
// reader that has closed our pipe (EPIPE) ends it, and is returned.
func (q *Queue) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go q.limitDrain(ctx, cancel)
	if s, ok := q.sink.(Starter); ok {
		s.Start(ctx)
	}
	if q.owned { // what it writes to is open
		q.stats.Up.Store(true)
	}
	err := q.feed(ctx)
	q.end()
	if cerr := q.sink.Close(); cerr != nil {
		q.failed(cerr)
	}
	q.countOctets()
	q.log.flush()
	return err
}

// limitDrain ends ctx when the time to drain is over.
func (q *Queue) limitDrain(ctx context.Context, cancel func()) {
	select {
	case <-ctx.Done():
		return
	case <-q.final:
	}
	if q.cfg.Drain == 0 || q.cfg.Lossless {
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(q.cfg.Drain):
		cancel()
	}
}

func (q *Queue) feed(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		var err error
		b := q.take()
		if b != nil {
			final := b.Final
			err = q.export(b)
			if final {
				return endOf(err)
			}
		} else if q.finished() {
			return nil
		}
		select {
		case now := <-tick.C:
			err = errors.Join(err, q.failed(q.sink.Tick(now)))
		case <-q.rotated:
			err = errors.Join(err, q.reopen())
		default:
			if b == nil {
				err = errors.Join(err, q.idle(ctx, tick.C))
			}
		}
		if endOf(err) != nil {
			return err
		}
	}
	return nil
}

// idle waits for a batch, a tick or the end.
func (q *Queue) idle(ctx context.Context, tick <-chan time.Time) error {
	select {
	case <-ctx.Done():
	case <-q.filled:
	case <-q.final:
	case now := <-tick:
		return q.failed(q.sink.Tick(now))
	case <-q.rotated:
		return q.reopen()
	}
	return nil
}

// Reopen has a sink that writes to a file look, between two batches, whether it
// has to go on in another.
func (q *Queue) Reopen() { q.wake(q.rotated) }

func (q *Queue) reopen() error {
	r, ok := q.sink.(Reopener)
	if !ok {
		return nil
	}
	return q.failed(r.Reopen())
}

// finished tells whether the final batch has been offered, but dropped.
func (q *Queue) finished() bool {
	select {
	case <-q.final:
	default:
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0
}

// endOf returns err if it ends the exporter.
func endOf(err error) error {
	if errors.Is(err, syscall.EPIPE) && !errors.Is(err, ErrBroken) {
		return err
	}
	return nil
}

func (q *Queue) export(b *flow.Batch) error {
	n := uint64(len(b.Records))
	err := q.sink.Export(b)
	if q.owned {
		if err != nil {
			q.stats.Drop(Failed, TallyOf(b))
		} else {
			q.stats.Records.Add(n)
			q.stats.Up.Store(true)
		}
		q.countOctets()
	}
	b.Release()
	return q.failed(err)
}

// countOctets asks a sink that keeps no account what it has written.
func (q *Queue) countOctets() {
	if w, ok := q.sink.(Writer); ok && q.owned {
		q.stats.Octets.Store(w.Octets())
	}
}

// failed counts and logs an error of the sink, and hands it on. That a reader
// has closed our pipe is not logged: head does so when it has seen enough.
func (q *Queue) failed(err error) error {
	if err == nil {
		return nil
	}
	q.stats.Errors.Add(1)
	q.stats.Up.Store(false)
	if endOf(err) == nil {
		q.log.error(err)
	}
	return err
}

// end drops what still waits and whatever comes.
func (q *Queue) end() {
	for b := q.take(); b != nil; b = q.take() {
		q.drop(b, Stopped)
	}
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	for b := q.take(); b != nil; b = q.take() { // came in between
		q.drop(b, Stopped)
	}
	q.wake(q.drained)
}
