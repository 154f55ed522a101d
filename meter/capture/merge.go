package capture

import (
	"errors"
	"io"
	"slices"
	"sync"
)

// Merged reads several traces together, in the order of their packets' times;
// of packets of the same time, those of the trace named first come first. A
// trace whose own packets are out of order gives them in the order in which
// they stand. Frames are copied into batches of their own.
type Merged struct {
	pool   *Pool
	parts  []*part
	mu     sync.Mutex // of ifaces: Next may run in a goroutine of its own
	ifaces []Interface
	slots  chan struct{}
	err    error // of the traces that could not be read whole
}

// part is one trace of a Merged and where in it the merging stands.
type part struct {
	r      *Reader
	batch  *Batch
	next   int      // frame of batch
	ifaces []uint32 // numbers in Merged by Frame.Iface
}

// OpenMerged opens the traces at all paths. Those that cannot be opened are
// reported at the end, with those that cannot be read whole.
func OpenMerged(p *Pool, paths []string) (*Merged, error) {
	m := &Merged{pool: p, slots: make(chan struct{}, p.cfg.MaxBuffers)}
	for _, path := range paths {
		r, err := p.Open(path)
		if err != nil {
			m.err = errors.Join(m.err, err)
			continue
		}
		m.parts = append(m.parts, &part{r: r})
	}
	if len(m.parts) == 0 {
		return nil, m.err
	}
	return m, nil
}

// Name says that there are several traces.
func (m *Merged) Name() string { return "merged traces" }

// Interfaces returns the interfaces seen so far, those of all traces in one
// list.
func (m *Merged) Interfaces() []Interface {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ifaces
}

// Waits tells whether Next may wait for somebody to write.
func (m *Merged) Waits() bool {
	return slices.ContainsFunc(m.parts, func(p *part) bool { return p.r.Waits() })
}

// Progress sums that of the traces.
func (m *Merged) Progress() (read, size int64) {
	for _, p := range m.parts {
		r, s := p.r.Progress()
		read += r
		if s < 0 || size < 0 {
			size = -1
			continue
		}
		size += s
	}
	return read, size
}

// Close closes all traces.
func (m *Merged) Close() error {
	var errs []error
	for _, p := range m.parts {
		if p.batch != nil {
			p.batch.Release()
			p.batch = nil
		}
		errs = append(errs, p.r.Close())
	}
	return errors.Join(errs...)
}

// Next returns the next packets of all traces. After the last it returns the
// errors of all traces, joined, or io.EOF if there were none.
func (m *Merged) Next() (*Batch, error) {
	var b *Batch
	for b == nil || len(b.Frames) < m.pool.cfg.MaxFrames {
		p := m.earliest()
		if p == nil {
			break
		}
		f := p.batch.Frames[p.next]
		if b != nil && len(b.Buf)+int(f.CapLen) > len(b.buffer.data) {
			break
		}
		if b == nil {
			b = m.batch(int(f.CapLen))
		}
		m.copy(b, p, f)
	}
	switch {
	case b != nil:
		return b, nil
	case m.err != nil:
		return nil, m.err
	}
	return nil, io.EOF
}

// batch returns an empty batch with a buffer that holds at least size octets.
func (m *Merged) batch(size int) *Batch {
	b := m.pool.batch()
	b.refs.Store(1)
	b.buffer = m.pool.buffer(max(size, m.pool.cfg.BufferSize), m.slots)
	b.Buf = b.buffer.data[:0]
	return b
}

// copy moves a frame of p into b.
func (m *Merged) copy(b *Batch, p *part, f Frame) {
	octets := p.batch.Data(&f)
	f.Off = uint32(len(b.Buf))
	b.Buf = append(b.Buf, octets...)
	f.Iface = m.number(p, f.Iface)
	b.Frames = append(b.Frames, f)
	if p.next++; p.next == len(p.batch.Frames) {
		p.batch.Release()
		p.batch, p.next = nil, 0
	}
}

// number returns an interface's place in the common list.
func (m *Merged) number(p *part, iface uint32) uint32 {
	if int(iface) < len(p.ifaces) {
		return p.ifaces[iface]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, in := range p.r.Interfaces()[len(p.ifaces):] {
		p.ifaces = append(p.ifaces, uint32(len(m.ifaces)))
		m.ifaces = append(m.ifaces, in)
	}
	return p.ifaces[iface]
}

// earliest returns the trace whose next packet comes first, or nil at the end
// of all.
func (m *Merged) earliest() *part {
	var first *part
	for _, p := range m.parts {
		if !m.fill(p) {
			continue
		}
		if first == nil || p.batch.Frames[p.next].Time < first.batch.Frames[first.next].Time {
			first = p
		}
	}
	return first
}

// fill sees to it that p has a packet, and tells whether it has.
func (m *Merged) fill(p *part) bool {
	if p.batch != nil {
		return true
	}
	if p.r.err != nil {
		return false // its end, or its error, is known
	}
	b, err := p.r.Next()
	if err != nil {
		if err != io.EOF {
			m.err = errors.Join(m.err, err)
		}
		return false
	}
	p.batch = b
	return true
}
