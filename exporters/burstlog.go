package exporters

import (
	"log/slog"
	"time"
)

// burstLog logs the first error of a burst, then at most one a minute with the
// number of those it kept back.
type burstLog struct {
	log    *slog.Logger
	next   time.Time
	missed int
	last   error
}

func (b *burstLog) error(err error) {
	now := time.Now()
	if now.Before(b.next) {
		b.missed++
		b.last = err
		return
	}
	b.write(err)
	b.next = now.Add(time.Minute)
}

// flush tells of errors that were kept back.
func (b *burstLog) flush() {
	if b.missed > 0 {
		b.missed--
		b.write(b.last)
	}
}

func (b *burstLog) write(err error) {
	if b.missed > 0 {
		b.log.Error("export failed", "error", err, "repeated", b.missed)
	} else {
		b.log.Error("export failed", "error", err)
	}
	b.missed = 0
}
