package exporters

import (
	"context"
	"time"
)

// DefaultRate is how many records a second go out over UDP while traces are
// read, where nothing else slows the exporter down.
const DefaultRate = 50_000

// AutoRate stands for DefaultRate while traces are read, for no limit live.
const AutoRate = -1

// Pacer holds an exporter to a rate. It is a token bucket that fills during
// coarse sleeps, so that a collector's socket buffer sees bursts of at most
// 25 ms: some 90 KB at the default rate, well below what Linux gives a socket.
type Pacer struct {
	rate   float64 // records per second; 0 is no limit
	tokens float64
	last   time.Time
}

// coarse is the shortest sleep: each one costs the waking up of a thread.
const coarse = 25 * time.Millisecond

// NewPacer returns a Pacer of so many records per second; 0 is no limit.
func NewPacer(rate int) *Pacer { return &Pacer{rate: float64(rate)} }

// leastTake is what a datagram counts for at least: nearly empty ones fill a
// socket's buffer as fast as full ones.
const leastTake = 12

// Take waits until a datagram of n records may go, or until ctx ends.
func (p *Pacer) Take(ctx context.Context, n int) {
	if p.rate == 0 {
		return
	}
	p.fill(time.Now())
	p.tokens -= float64(max(n, leastTake))
	if p.tokens >= 0 {
		return
	}
	sleep(ctx, max(coarse, time.Duration(-p.tokens/p.rate*float64(time.Second))))
}

// fill adds the tokens of the time since the last call.
func (p *Pacer) fill(now time.Time) {
	if p.last.IsZero() {
		p.last = now
	}
	p.tokens = min(p.tokens+now.Sub(p.last).Seconds()*p.rate, p.rate*coarse.Seconds())
	p.last = now
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
