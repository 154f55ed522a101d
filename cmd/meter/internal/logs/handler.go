package logs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// New returns a logger to w. What it held back of repeated messages is written
// by the function returned, which is to be called at the end.
func New(w io.Writer, cfg Config) (log *slog.Logger, flush func()) {
	l := newLimiter(cfg.Limit)
	return slog.New(&limited{Handler: newHandler(w, cfg), limiter: l}), l.flush
}

func newHandler(w io.Writer, cfg Config) slog.Handler {
	opts := &slog.HandlerOptions{Level: cfg.Level}
	switch cfg.Format {
	case JSON:
		return slog.NewJSONHandler(w, opts)
	case Auto:
		if IsJournal(w, os.Getenv("JOURNAL_STREAM")) {
			return newJournal(w, opts)
		}
	case Journal:
		return newJournal(w, opts)
	}
	return slog.NewTextHandler(w, opts)
}

// journal writes lines as sd-daemon(3) wants them: the priority of syslog in
// angle brackets, then the text. The time is the journal's own.
type journal struct {
	slog.Handler
	out *priorities
}

// priorities puts the priority of the record that is being written before its
// line.
type priorities struct {
	w     io.Writer
	mu    sync.Mutex
	level slog.Level
}

func newJournal(w io.Writer, opts *slog.HandlerOptions) slog.Handler {
	opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}
	out := &priorities{w: w}
	return &journal{slog.NewTextHandler(out, opts), out}
}

// Handle writes one line; a TextHandler quotes line feeds.
func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.out.mu.Lock()
	defer j.out.mu.Unlock()
	j.out.level = r.Level
	return j.Handler.Handle(ctx, r)
}

func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journal{j.Handler.WithAttrs(attrs), j.out}
}

func (j *journal) WithGroup(name string) slog.Handler {
	return &journal{j.Handler.WithGroup(name), j.out}
}

// Write is called by the TextHandler, once for each record.
func (p *priorities) Write(line []byte) (int, error) {
	if _, err := fmt.Fprintf(p.w, "<%d>%s", priority(p.level), line); err != nil {
		return 0, err
	}
	return len(line), nil
}

// priority returns syslog's number for a level.
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
