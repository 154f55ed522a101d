package capture

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// ReaderConfig sizes what readers of traces work with.
type ReaderConfig struct {
	BufferSize int // octets of one read buffer, and so of one read
	MaxFrames  int // most frames of one batch
	MaxBuffers int // most buffers of one reader that may be in use at a time
}

// DefaultReaderConfig returns 1 MiB buffers, 8 of them, and 8192 frames.
func DefaultReaderConfig() ReaderConfig {
	return ReaderConfig{BufferSize: 1 << 20, MaxFrames: 8192, MaxBuffers: 8}
}

// Validate says what of c cannot work.
func (c ReaderConfig) Validate() error {
	switch {
	case c.BufferSize < 64 || c.BufferSize > maxRecord:
		return fmt.Errorf("a read buffer of %d octets: 64 to %d can be had", c.BufferSize, maxRecord)
	case c.MaxFrames < 1:
		return fmt.Errorf("batches of %d frames: at least 1 is needed", c.MaxFrames)
	case c.MaxBuffers < 2:
		return fmt.Errorf("%d read buffers: at least 2 are needed", c.MaxBuffers)
	}
	return nil
}

// Pool keeps buffers and batches for reuse, so that reading a list of traces
// allocates only for the first. It may be shared by readers and goroutines.
type Pool struct {
	cfg ReaderConfig

	mu      sync.Mutex
	buffers []*buffer
	batches []*Batch
}

// NewPool returns an empty pool of the sizes of cfg, which must be valid.
func NewPool(cfg ReaderConfig) *Pool { return &Pool{cfg: cfg} }

// buffer is a run of octets that a reader fills from front to back and that
// batches view parts of. The reader and each batch are one holder each; a
// batch's part is never written again while the batch holds it.
type buffer struct {
	data  []byte
	refs  atomic.Int32
	pool  *Pool
	slots chan struct{} // the reader's tokens; freeing the buffer gives one back
}

// buffer returns a buffer of at least size octets with one holder, once
// slots has a token for it.
func (p *Pool) buffer(size int, slots chan struct{}) *buffer {
	slots <- struct{}{}
	b := p.freeBuffer(size)
	b.slots = slots
	b.refs.Store(1)
	return b
}

func (p *Pool) freeBuffer(size int) *buffer {
	if size > p.cfg.BufferSize {
		return &buffer{pool: p, data: make([]byte, size)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.buffers); n > 0 {
		b := p.buffers[n-1]
		p.buffers = p.buffers[:n-1]
		return b
	}
	return &buffer{pool: p, data: make([]byte, p.cfg.BufferSize)}
}

// release drops one holder; the last one's call frees the buffer.
func (b *buffer) release() {
	if b.refs.Add(-1) != 0 {
		return
	}
	slots := b.slots
	b.slots = nil
	b.pool.keep(b)
	<-slots
}

// keep puts b aside for reuse, unless it was grown for one large record or
// enough are kept.
func (p *Pool) keep(b *buffer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(b.data) == p.cfg.BufferSize && len(p.buffers) < p.cfg.MaxBuffers {
		p.buffers = append(p.buffers, b)
	}
}

// batch returns an empty batch.
func (p *Pool) batch() *Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.batches); n > 0 {
		b := p.batches[n-1]
		p.batches = p.batches[:n-1]
		return b
	}
	return &Batch{Frames: make([]Frame, 0, p.cfg.MaxFrames), recycle: p.recycle}
}

// recycle takes back a batch that nobody holds any more.
func (p *Pool) recycle(b *Batch) {
	if b.buffer != nil {
		b.buffer.release()
	}
	b.buffer, b.Buf, b.Frames = nil, nil, b.Frames[:0]
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.batches) < maxFreeBatches {
		p.batches = append(p.batches, b)
	}
}

// maxFreeBatches bounds what a pool keeps: the many small batches of a
// trickling pipe must not stay for ever.
const maxFreeBatches = 32
