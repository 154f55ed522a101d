package logs

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Limit says how often the same is logged. The same is: the same level and
// message, of the same exporter, input or whatever else By names. Other
// attributes, as the text of an error, may differ.
type Limit struct {
	First int           // records that are written in an interval; 0: all, always
	Every time.Duration // the interval, from the first record on
	By    []string      // keys of attributes that tell records apart
}

// DefaultLimit is three in a minute.
func DefaultLimit() Limit {
	return Limit{First: 3, Every: time.Minute, By: []string{"exporter", "input", "interface", "ruleset", "reason"}}
}

// maxKinds bounds the kinds of records that are told apart. There should be as
// many as messages in the program and parts in the configuration; what is
// beyond is one kind a level.
const maxKinds = 4096

// limiter counts records by kind. Its state lasts no longer than an interval
// in which nothing comes.
type limiter struct {
	Limit
	mu      sync.Mutex
	kinds   map[kind]*window
	telling sync.WaitGroup // intervals that are just ending
}

// kind is what makes records the same.
type kind struct {
	level slog.Level
	text  string // message and attributes of By
}

// window is an interval of one kind.
type window struct {
	written int
	left    int // out
	last    slog.Record
	to      slog.Handler // for the last
	timer   *time.Timer
}

func newLimiter(cfg Limit) *limiter { return &limiter{Limit: cfg, kinds: map[kind]*window{}} }

// admit tells whether a record is to be written. One that is not is kept until
// the interval ends.
func (l *limiter) admit(k kind, r slog.Record, to slog.Handler) bool {
	if l.First == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.kinds[k]
	if w == nil && len(l.kinds) >= maxKinds {
		k.text = ""
		w = l.kinds[k]
	}
	if w == nil {
		w = &window{}
		w.timer = time.AfterFunc(l.Every, func() { l.end(k, w) })
		l.kinds[k] = w
	}
	if w.written < l.First {
		w.written++
		return true
	}
	w.left++
	w.last, w.to = r.Clone(), to
	return false
}

// end ends an interval: the last record that was left out is written with the
// number of those before it, and stands first in the next interval.
func (l *limiter) end(k kind, w *window) {
	l.mu.Lock()
	if l.kinds[k] != w {
		l.mu.Unlock()
		return // flush was faster
	}
	left, last, to := w.left, w.last, w.to
	if left == 0 {
		delete(l.kinds, k)
	} else {
		w.left, w.written = 0, 1
		w.timer.Reset(l.Every)
	}
	l.telling.Add(1) // before flush can find nothing left
	l.mu.Unlock()
	defer l.telling.Done()
	tell(last, to, left)
}

// tell writes a record in place of left ones, itself included.
func tell(r slog.Record, to slog.Handler, left int) {
	if left == 0 {
		return
	}
	if left > 1 {
		r.AddAttrs(slog.Int("repeated", left-1))
	}
	_ = to.Handle(context.Background(), r) // there is nowhere to say that the log fails
}

// flush ends all intervals, and waits for those that are just ending.
func (l *limiter) flush() {
	l.mu.Lock()
	kinds := l.kinds
	l.kinds = map[kind]*window{}
	l.mu.Unlock()
	for _, w := range kinds {
		w.timer.Stop()
		tell(w.last, w.to, w.left)
	}
	l.telling.Wait()
}

// limited is a handler behind a limiter. What With gave it already is in by.
type limited struct {
	slog.Handler
	limiter *limiter
	by      string
	grouped bool // attributes are in a group: their keys are others
}

// Handle writes a record, or counts it.
func (h *limited) Handle(ctx context.Context, r slog.Record) error {
	k := kind{r.Level, r.Message + h.by}
	r.Attrs(func(a slog.Attr) bool {
		k.text += h.told(a)
		return true
	})
	if !h.limiter.admit(k, r, h.Handler) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// told returns what an attribute tells records apart by.
func (h *limited) told(a slog.Attr) string {
	if h.grouped || !slices.Contains(h.limiter.By, a.Key) {
		return ""
	}
	return "\x00" + a.Key + "=" + a.Value.String()
}

func (h *limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		more.by += h.told(a)
	}
	return &more
}

func (h *limited) WithGroup(name string) slog.Handler {
	more := *h
	more.Handler, more.grouped = h.Handler.WithGroup(name), true
	return &more
}
