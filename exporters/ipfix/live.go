package ipfix

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/spool"
)

// liveOut sends over TCP or TLS for a meter that cannot wait. Messages go into
// a backlog, and a goroutine of its own brings them to the collector, so that
// one that is slow or away is noticed by nobody else. Each connection is a
// session of its own: templates are sent again, the sequence begins at 0, and
// what the last one may have lost is repeated.
type liveOut struct {
	e       *Exporter
	tcp     *exporters.TCP
	backlog *spool.Backlog
	pacer   *exporters.Pacer
	log     *slog.Logger

	generation uint64 // of this run: when it began, ns since 1970

	ctx     context.Context // ends all waiting
	cancel  func()
	started bool
	done    chan struct{} // closed when the sender has ended

	lost     time.Time    // when the collector was lost; zero while it is there
	told     time.Time    // when that was last logged
	progress atomic.Int64 // when something last went well, ns since 1970
	there    atomic.Bool  // a session has begun
	trouble  atomic.Pointer[error]
}

func newLiveOut(e *Exporter, line exporters.LineConfig) *liveOut {
	o := &liveOut{e: e, generation: uint64(time.Now().UnixNano()), done: make(chan struct{}),
		pacer: exporters.NewPacer(e.cfg.Spool.Rate), log: e.cfg.Logger().With("exporter", "ipfix "+e.cfg.Address)}
	o.backlog = spool.NewBacklog(e.cfg.Overlap, o.generation, &e.stats)
	line.Failed = o.away
	o.tcp = exporters.NewTCP(line)
	return o
}

// start takes the spool, if there is to be one, and begins to look for the
// collector.
func (o *liveOut) start(ctx context.Context) {
	o.started = true
	o.ctx, o.cancel = context.WithCancel(ctx)
	o.tcp.Start(o.ctx)
	o.worked()
	if o.e.cfg.Spool.Dir != "" {
		o.openSpool()
	}
	go o.run()
}

// openSpool goes on without a disk if it must: the meter is not to stop for
// it.
func (o *liveOut) openSpool() {
	cfg := o.e.cfg.Spool
	cfg.Enterprise = o.e.cfg.Enterprise
	disk, found, err := spool.OpenDisk(cfg, o.generation, &o.e.stats, o.log)
	if err != nil {
		o.e.stats.Errors.Add(1)
		o.log.Error("no spool: what does not fit into memory while the collector is away will be lost", "error", err)
		return
	}
	o.backlog.Use(disk)
	if found.Killed > 0 {
		o.e.stats.Drop(exporters.Killed, exporters.Tally{Records: uint64(found.Killed)})
		o.log.Warn("the last run was killed: it held records in memory that are lost", "records", found.Killed)
	}
	if found.Torn > 0 {
		o.e.stats.SpoolGaps.Add(1)
		o.log.Warn("the spool ended within a message: it was cut off", "octets", found.Torn)
	}
	if found.Messages > 0 {
		o.log.Info("the spool of an earlier run is sent first", "records", found.Flows, "octets", found.Octets)
	}
}

func (o *liveOut) open() error { return nil }

// begin tells the backlog what every session begins with.
func (o *liveOut) begin() error {
	o.e.introduce()
	return nil
}

// send hands a message over. It waits only where there is no spool, and not
// for longer than until ctx ends.
func (o *liveOut) send(p *packer) error {
	if !o.started {
		o.start(context.Background())
	}
	return o.backlog.Put(o.ctx, spool.Message{Buf: p.Buf, Records: p.records, Flows: p.flows, Intro: p.intro})
}

func (o *liveOut) stale(time.Time) bool { return false }

// stalled is how long a collector may take nothing, while there is something
// to send, before it counts as away.
const stalled = 10 * time.Second

// flush is called about every second.
func (o *liveOut) flush() error {
	if !o.started {
		return nil
	}
	waiting := o.backlog.Waiting()
	idle := time.Since(time.Unix(0, o.progress.Load()))
	o.e.stats.Up.Store(o.there.Load() && idle < stalled)
	err := o.backlog.Tick(time.Now(), waiting+o.e.stats.Queued.Load())
	if trouble := o.trouble.Swap(nil); trouble != nil {
		err = errors.Join(err, *trouble)
	}
	return err
}

// run is the sender.
func (o *liveOut) run() {
	defer close(o.done)
	for o.ctx.Err() == nil && o.tcp.Connect() == nil {
		o.session()
		if o.backlog.Over() {
			return
		}
	}
}

// away notes that there is no connection to be had.
func (o *liveOut) away(err error) {
	if o.lost.IsZero() {
		o.lost = time.Now()
	}
	if o.ctx.Err() == nil && time.Since(o.told) > time.Minute {
		o.told = time.Now()
		o.log.Warn("collector away", "error", err)
	}
	o.note(o.backlog.Away())
}

// back notes that there is a session.
func (o *liveOut) back() {
	o.there.Store(true)
	o.e.stats.Up.Store(true)
	if o.lost.IsZero() {
		return
	}
	if o.told.After(o.lost.Add(-time.Second)) {
		o.log.Info("collector back", "away", time.Since(o.lost).Round(time.Millisecond))
	}
	o.lost = time.Time{}
}

// worked notes that the sender is not held up.
func (o *liveOut) worked() { o.progress.Store(time.Now().UnixNano()) }

// note keeps an error of the spool for the next tick.
func (o *liveOut) note(err error) {
	if err != nil {
		o.trouble.Store(&err)
	}
}

// session sends over one connection until it breaks, or nothing more comes, or
// the next message needs templates of another run, for which there must be
// another session.
func (o *liveOut) session() {
	generation, intro, err := o.backlog.Session()
	o.note(err)
	s := session{liveOut: o, generation: generation}
	failed, err := s.stream(intro)
	o.there.Store(false)
	o.e.stats.Up.Store(false)
	if err == nil {
		err = s.finish()
	}
	if err == nil {
		o.backlog.Delivered()
		return
	}
	o.e.stats.Breaks.Add(1)
	o.note(o.backlog.Broken(failed, o.tcp.Unacknowledged()))
	o.away(err)
}

// close gives the sender a while to send what memory holds. With a spool, the
// rest is for the next run.
func (o *liveOut) close() error {
	if !o.started {
		return nil
	}
	o.backlog.End()
	patience := finishWait
	if o.e.cfg.Spool.Dir == "" {
		patience = time.Hour // the queue ends ctx
	}
	select {
	case <-o.done:
	case <-time.After(patience):
		o.cancel()
		<-o.done
	}
	o.cancel()
	err := errors.Join(o.backlog.Close(), o.tcp.Close())
	o.tell()
	return err
}

// tell says what is left for the next run.
func (o *liveOut) tell() {
	if n := o.e.stats.SpoolRecords.Load(); n > 0 {
		o.log.Info("records wait in the spool for the next run", "records", n, "dir", o.e.cfg.Spool.Dir)
	}
}
