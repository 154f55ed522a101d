package ring

import (
	"io"
	"time"

	"flowmeter/meter/capture"
)

// MemoryRing is what one worker reads of a Memory.
type MemoryRing struct {
	src  Source
	full chan *capture.Batch
	free chan *capture.Batch
	fill *capture.Batch // being filled; the feeder's
}

func (r *MemoryRing) recycle(b *capture.Batch) {
	b.Buf, b.Frames = b.Buf[:0], b.Frames[:0]
	r.free <- b
}

// put copies a frame behind those that are there.
func (r *MemoryRing) put(b *capture.Batch, f capture.Frame, snaplen int, shift int64) {
	data := b.Data(&f)
	if snaplen > 0 {
		data = data[:min(len(data), snaplen)]
	}
	f.Off, f.CapLen = uint32(len(r.fill.Buf)), uint32(len(data))
	f.Time += shift
	r.fill.Buf = append(r.fill.Buf, data...)
	r.fill.Frames = append(r.fill.Frames, f)
}

func (r *MemoryRing) flush() {
	if r.fill == nil {
		return
	}
	r.fill.Retain(1)
	r.full <- r.fill // it has room for all batches that there are
	r.fill = nil
}

// Interfaces returns those of the trace; see Ring.Interfaces.
func (r *MemoryRing) Interfaces() []capture.Interface { return r.src.Interfaces() }

// Next is as Ring.Next.
func (r *MemoryRing) Next(wait time.Duration) (*capture.Batch, error) {
	select {
	case b, open := <-r.full:
		return ended(b, open)
	default:
	}
	if wait <= 0 {
		return nil, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case b, open := <-r.full:
		return ended(b, open)
	case <-timer.C:
		return nil, nil
	}
}

func ended(b *capture.Batch, open bool) (*capture.Batch, error) {
	if !open {
		return nil, io.EOF
	}
	return b, nil
}
