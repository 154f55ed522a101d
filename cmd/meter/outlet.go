package main

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"flowmeter/exporters"
	"flowmeter/meter"
)

// outlet is what one item of `exporters:`, or one --output, became.
type outlet struct {
	text    string // the item
	queues  []*exporters.Queue
	feeds   []meter.Exporter
	files   []io.Closer
	taken   map[string]bool
	started bool
	begun   atomic.Bool // nothing has to end before it any more
	gone    atomic.Bool // a reload ended it, and it has ended
	running sync.WaitGroup
	close   sync.Once
	closed  error
}

// outlet has build add exporters to o, as one outlet.
func (o *outputs) outlet(text string, build func() error) error {
	queues, feeds, files, taken := len(o.queues), len(o.feeds), len(o.files), maps.Clone(o.taken)
	if err := build(); err != nil {
		return err
	}
	l := &outlet{text: text, taken: map[string]bool{}}
	l.queues, l.feeds, l.files = slices.Clone(o.queues[queues:]), slices.Clone(o.feeds[feeds:]), slices.Clone(o.files[files:])
	for path := range o.taken {
		if !taken[path] {
			l.taken[path] = true
		}
	}
	o.outlets = append(o.outlets, l)
	return nil
}

// run runs the exporters until their final batch. It returns at once.
func (l *outlet) run(ctx context.Context, hung *hangUps) {
	l.begun.Store(true)
	for _, q := range l.queues {
		l.running.Go(func() {
			if err := q.Run(ctx); err != nil {
				hung.hangUp(q)
			}
		})
	}
}

// wait waits for the end of the exporters and closes their files.
func (l *outlet) wait() error {
	l.running.Wait()
	l.close.Do(func() {
		for _, f := range l.files {
			l.closed = errors.Join(l.closed, f.Close())
		}
	})
	return l.closed
}

// flagPrefix marks the outlets of --output, which no configuration changes.
const flagPrefix = "--output "

// successor builds the exporters of another configuration. Those whose item
// says what it said before go on; nothing is started.
func (o *outputs) successor(x *exporterSection, s *meter.Settings) (*outputs, error) {
	n := &outputs{queue: o.queue, sockets: o.sockets, onStdout: o.onStdout, hung: o.hung, taken: map[string]bool{}, retired: o.retired}
	for _, l := range o.outlets {
		if strings.HasPrefix(l.text, flagPrefix) {
			n.adopt(l)
		}
	}
	var errs []error
	for _, b := range x.builders {
		if l := o.find(b.text); l != nil && !slices.Contains(n.outlets, l) {
			n.adopt(l)
			continue
		}
		errs = append(errs, n.outlet(b.text, func() error { return b.make(n, s) }))
	}
	for _, l := range o.outlets {
		if !slices.Contains(n.outlets, l) {
			n.retired = append(n.retired, l)
		}
	}
	return n, errors.Join(errs...)
}

// discard closes the files of exporters that were not started.
func (o *outputs) discard() {
	for _, l := range o.outlets {
		if !l.started {
			_ = l.wait() // nothing was written
		}
	}
}

func (o *outputs) find(text string) *outlet {
	for _, l := range o.outlets {
		if l.text == text {
			return l
		}
	}
	return nil
}

// adopt takes an outlet over as it is.
func (o *outputs) adopt(l *outlet) {
	o.outlets = append(o.outlets, l)
	o.queues, o.feeds, o.files = append(o.queues, l.queues...), append(o.feeds, l.feeds...), append(o.files, l.files...)
	maps.Copy(o.taken, l.taken)
}

// begin starts what is new in o, of a reload. A new exporter with the name of
// an old one, to the same collector or file, begins when the old one has ended;
// the meter fills its queue meanwhile.
func (o *outputs) begin(ctx context.Context) {
	for _, l := range o.outlets {
		if l.started {
			continue
		}
		l.started = true
		l.running.Add(1)
		go func() {
			defer l.running.Done()
			for _, old := range o.retired { // of any reload: it may still drain
				if old.sharesName(l) {
					_ = old.wait() // tellLoss tells
				}
			}
			l.run(ctx, o.hung)
		}()
	}
}

// finish ends what of before is no longer in o, which has taken its place: the
// meter gives it nothing any more.
func (o *outputs) finish(before *outputs, account *meter.Account) {
	for _, l := range o.retired[len(before.retired):] {
		meter.Finish(l.feeds, account)
		go o.tellLoss(l)
	}
}

// tellLoss says at once what an exporter that a reload ended has lost.
func (o *outputs) tellLoss(l *outlet) {
	err := l.wait()
	l.gone.Store(true)
	if err != nil {
		o.queue.Log.Error("an exporter that a reload ended", "error", err)
	}
	for _, q := range l.queues {
		if err := lossOf(q); err != nil {
			o.queue.Log.Error("an exporter that a reload ended", "error", err)
		}
	}
}

func (l *outlet) sharesName(o *outlet) bool {
	return slices.ContainsFunc(l.queues, func(a *exporters.Queue) bool {
		return slices.ContainsFunc(o.queues, func(b *exporters.Queue) bool { return a.Name() == b.Name() })
	})
}
