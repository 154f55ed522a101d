package ring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/packet"
)

// MemoryConfig is how a ring in memory is set up.
type MemoryConfig struct {
	Workers int     // rings, as many as there are workers
	Frames  int     // of a batch, at most
	Batches int     // of a ring: those that wait, those that are held, and the one that is filled
	Snaplen int     // octets of a frame, at most; 0 for all
	Drop    bool    // what comes while a ring is full is dropped and counted, as by the kernel; else it waits
	Pace    float64 // how many times faster than the packets' times say; 0: as fast as they are read
	Now     bool    // times are moved, so that the first packet's is when it was fed
}

// DefaultMemory returns a ring for one worker that loses nothing.
func DefaultMemory() MemoryConfig { return MemoryConfig{Workers: 1, Frames: 1024, Batches: 64} }

// Validate says what of c cannot work.
func (c *MemoryConfig) Validate() error {
	switch {
	case c.Workers < 1 || c.Workers > maxWorkers:
		return fmt.Errorf("%d workers: 1 to %d can be had", c.Workers, maxWorkers)
	case c.Frames < 1 || c.Batches < 2:
		return fmt.Errorf("%d batches of %d frames: at least 2 of 1 are needed", c.Batches, c.Frames)
	case c.Snaplen < 0 || c.Pace < 0:
		return fmt.Errorf("a snaplen of %d and a pace of %g: neither can be negative", c.Snaplen, c.Pace)
	}
	return nil
}

// Source is a trace: a capture.Reader or a capture.Merged.
type Source interface {
	Next() (*capture.Batch, error)
	Interfaces() []capture.Interface
}

// Memory is an input without a kernel: rings that are fed from a trace, each
// packet to the ring of the worker that packet.Shard chooses. At the end of
// the trace the interfaces are quiet.
type Memory struct {
	cfg   MemoryConfig
	src   Source
	rings []*MemoryRing
	fed   chan struct{}

	done   chan struct{} // closed by Close
	once   sync.Once
	feeder sync.Mutex // held while packets are fed

	mu    sync.Mutex
	stats []InterfaceStats

	start time.Time // when the first packet was fed, and
	first int64     // its time
	shift int64     // added to times
}

// NewMemory returns rings that Run feeds from src.
func NewMemory(src Source, cfg MemoryConfig) (*Memory, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := &Memory{cfg: cfg, src: src, fed: make(chan struct{}), done: make(chan struct{})}
	for range cfg.Workers {
		r := &MemoryRing{src: src, full: make(chan *capture.Batch, cfg.Batches), free: make(chan *capture.Batch, cfg.Batches)}
		for range cfg.Batches {
			b := capture.NewBatch(r.recycle)
			b.Frames = make([]capture.Frame, 0, cfg.Frames)
			r.free <- b
		}
		m.rings = append(m.rings, r)
	}
	return m, nil
}

// Ring returns what worker reads, from 0.
func (m *Memory) Ring(worker int) *MemoryRing { return m.rings[worker] }

// Open is there for the meter's sake: there is nothing to open.
func (m *Memory) Open() error { return nil }

// Fed is closed when the whole trace has been fed, or Run has ended before.
func (m *Memory) Fed() <-chan struct{} { return m.fed }

// Run feeds the trace, once, and then waits until ctx ends or Close. The error
// is that of the trace.
func (m *Memory) Run(ctx context.Context) error {
	err := m.feed(ctx)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-m.done:
	}
	return nil
}

// feed feeds until the trace, ctx or the input ends.
func (m *Memory) feed(ctx context.Context) error {
	m.feeder.Lock()
	defer m.feeder.Unlock()
	defer close(m.fed)
	for ctx.Err() == nil && !m.isClosed() {
		b, err := m.src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range b.Frames {
			m.packet(ctx, b, &b.Frames[i])
		}
		m.flush()
		b.Release()
	}
	return nil
}

// packet puts one packet into its ring, when its time has come.
func (m *Memory) packet(ctx context.Context, b *capture.Batch, f *capture.Frame) {
	m.pace(ctx, f.Time)
	shard := packet.Shard(packet.LinkType(f.Link), b.Data(f))
	worker, _ := bits.Mul32(shard, uint32(m.cfg.Workers))
	r := m.rings[worker]
	ok := r.fill != nil || m.refill(ctx, r)
	if ok {
		r.put(b, *f, m.cfg.Snaplen, m.shift)
	}
	m.count(f.Iface, ok)
	if ok && len(r.fill.Frames) == m.cfg.Frames {
		r.flush()
	}
}

// refill takes a free batch, if need be once there is one.
func (m *Memory) refill(ctx context.Context, r *MemoryRing) bool {
	select {
	case r.fill = <-r.free:
		return true
	default:
	}
	if m.cfg.Drop {
		return false
	}
	m.flush() // another worker may wait for what the one that is full waits for
	select {
	case r.fill = <-r.free:
		return true
	case <-ctx.Done():
	case <-m.done:
	}
	return false
}

// flush hands over what was filled.
func (m *Memory) flush() {
	for _, r := range m.rings {
		r.flush()
	}
}

// pace waits until it is time for a packet.
func (m *Memory) pace(ctx context.Context, t int64) {
	if m.start.IsZero() {
		m.start, m.first = time.Now(), t
		if m.cfg.Now {
			m.shift = m.start.UnixNano() - t
		}
	}
	if m.cfg.Pace == 0 {
		return
	}
	wait := time.Until(m.start.Add(time.Duration(float64(t-m.first) / m.cfg.Pace)))
	if wait < time.Millisecond {
		return
	}
	m.flush()
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	case <-m.done:
	}
}

func (m *Memory) count(iface uint32, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for int(iface) >= len(m.stats) {
		in := m.src.Interfaces()[len(m.stats)]
		m.stats = append(m.stats, InterfaceStats{Name: in.Name, Index: in.Index})
	}
	m.stats[iface].Packets++
	if !ok {
		m.stats[iface].Drops++
	}
}

// Stats returns the account of each interface of the trace, as far as it has
// shown packets.
func (m *Memory) Stats() []InterfaceStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := append([]InterfaceStats(nil), m.stats...)
	for i := range all {
		all[i].Up = !m.isClosed()
	}
	return all
}

func (m *Memory) isClosed() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// Close ends feeding. Calls of Next return what is there, and then io.EOF.
func (m *Memory) Close() error {
	m.once.Do(func() {
		close(m.done)
		m.feeder.Lock()
		defer m.feeder.Unlock()
		m.flush()
		for _, r := range m.rings {
			close(r.full)
		}
	})
	return nil
}
