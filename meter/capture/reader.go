package capture

import (
	"io"
	"os"
	"sync"
)

// Reader reads the frames of one trace: pcap, pcapng or ERF, plain or
// compressed, told by content. Files, pipes and decompressors take the same
// path: large reads straight into recycled buffers, in which frames are found
// where they lie.
//
// Next, Close and Name belong to one goroutine; Progress, Interfaces and the
// Release of batches may be called from any.
type Reader struct {
	name  string
	pool  *Pool
	slots chan struct{} // one token for each buffer in use
	src   source
	iface interfaceList

	format format  // nil until the first octets have told
	buf    *buffer // being filled; nil before the first and after the last read
	off    int     // how far buf has been scanned
	end    int     // how far buf is filled
	base   int64   // offset in the trace of buf's first octet

	packets uint64 // delivered
	ended   bool   // src has no more
	cause   error  // why src ended, if not at its end
	err     error  // what Next returns from now on
}

// Open returns a reader of the trace at path, or of standard input for "-",
// with a pool of its own. Nothing is read before the first Next.
func Open(path string) (*Reader, error) { return NewPool(DefaultReaderConfig()).Open(path) }

// NewReader returns a reader of the trace that r yields, with a pool of its
// own. The name appears in errors.
func NewReader(name string, r io.Reader) *Reader {
	return NewPool(DefaultReaderConfig()).NewReader(name, r)
}

// Open is as the function Open, with buffers of p.
func (p *Pool) Open(path string) (*Reader, error) {
	if path == "-" {
		return p.openFile("standard input", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return p.openFile(path, f)
}

func (p *Pool) openFile(name string, f *os.File) (*Reader, error) {
	r := p.NewReader(name, f)
	if err := r.src.setFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// NewReader is as the function NewReader, with buffers of p.
func (p *Pool) NewReader(name string, in io.Reader) *Reader {
	return &Reader{
		name:  name,
		pool:  p,
		slots: make(chan struct{}, p.cfg.MaxBuffers),
		src:   source{raw: counter{r: in}, size: -1},
	}
}

// Name returns the path, or "standard input".
func (r *Reader) Name() string { return r.name }

// Progress returns how many octets of the input, as it is stored, have been
// read so far and how many there are; -1 if that is not known.
func (r *Reader) Progress() (read, size int64) { return r.src.raw.n.Load(), r.src.size }

// Waits tells whether Next may wait for somebody to write: whether the input
// is anything but a regular file.
func (r *Reader) Waits() bool { return !r.src.patient }

// Interfaces returns the interfaces found so far; Frame.Iface is an index
// into it. Later calls return the same ones and perhaps more.
func (r *Reader) Interfaces() []Interface { return r.iface.all() }

// Next returns the next batch of at least one frame. The caller is its only
// holder and must Release it, from any goroutine and in any order.
//
// A reader has at most ReaderConfig.MaxBuffers buffers in use: Next waits for
// a Release when batches hold all of them but its own, so a caller must not
// keep batches of that many buffers (of MaxBuffers batches, to be safe) and
// call Next again. From a pipe, Next delivers what is there and does not wait
// for a full buffer.
//
// The error is io.EOF at the end, else an *Error, after all whole packets
// before it were delivered; it stays the same in further calls.
func (r *Reader) Next() (*Batch, error) {
	for r.err == nil {
		if b := r.scan(); b != nil {
			return b, nil
		}
	}
	r.drop()
	return nil, r.err
}

// scan returns the frames of what is in the buffer. If there are none it
// reads more, or sets r.err, and returns nil.
func (r *Reader) scan() *Batch {
	if r.buf == nil {
		r.start()
		return nil
	}
	if r.format == nil {
		r.detect()
		return nil
	}
	b := r.pool.batch()
	s, err := r.format.scan(r.buf.data[:r.end], r.off, b.Frames)
	r.off, b.Frames = s.off, s.frames
	r.packets += uint64(len(b.Frames))
	switch {
	case err != nil:
		r.fail(ErrDamaged, "", err)
	case len(b.Frames) == 0:
		r.more(s.need, s.part)
	}
	return r.deliver(b)
}

// deliver makes b a holder of the buffer that its frames lie in.
func (r *Reader) deliver(b *Batch) *Batch {
	b.refs.Store(1)
	if len(b.Frames) == 0 {
		b.Release()
		return nil
	}
	r.buf.refs.Add(1)
	b.buffer, b.Buf = r.buf, r.buf.data[:r.end]
	return b
}

// start tells the compression and takes the first buffer.
func (r *Reader) start() {
	if err := r.src.open(); err != nil {
		r.fail(ErrCut, "", err)
		return
	}
	r.buf = r.pool.buffer(r.pool.cfg.BufferSize, r.slots)
	r.read()
}

// detect tells the format once enough octets are there.
func (r *Reader) detect() {
	f, need := detect(r.buf.data[:r.end], r.ended, &r.iface)
	switch {
	case f != nil:
		r.format = f
	case need > 0 && !r.ended:
		r.more(need, "")
	case need > 0 && r.cause != nil:
		r.fail(ErrCut, "", r.cause)
	default:
		r.fail(ErrNotATrace, notATrace(r.buf.data[:r.end], r.src.codec), nil)
	}
}

// more reads on, so that need octets from r.off can come to lie in one
// buffer. At the end of the input it settles how the trace ended.
func (r *Reader) more(need int, part string) {
	switch have := r.end - r.off; {
	case !r.ended:
		r.makeRoom(need)
		r.read()
	case have > 0:
		r.fail(ErrCut, cutDetail(have, need, part), r.cause)
	case r.cause != nil:
		r.fail(ErrCut, "", r.cause)
	default:
		r.err = io.EOF
	}
}

// makeRoom moves the unscanned rest to the front of a buffer if nothing can
// be read behind it, or if the need octets from r.off fit a buffer only then.
func (r *Reader) makeRoom(need int) {
	size := len(r.buf.data)
	if r.end < size && (r.off+need <= size || need > size) {
		return
	}
	old := r.buf
	if need > size || old.refs.Load() > 1 {
		r.buf = r.pool.buffer(grown(size, need, r.pool.cfg.BufferSize), r.slots)
	}
	r.end = copy(r.buf.data, old.data[r.off:r.end])
	r.base += int64(r.off)
	r.off = 0
	if r.buf != old {
		old.release()
	}
}

// grown returns the size of the buffer that follows one of size octets. A
// record too large for it doubles the size step by step as its octets arrive,
// so that a length without octets behind it costs nothing.
func grown(size, need, usual int) int {
	if need <= usual {
		return usual
	}
	if need <= size {
		return size
	}
	return min(need, 2*size)
}

// read reads once; if the input never makes one wait, until the buffer is full.
func (r *Reader) read() {
	for !r.ended && r.end < len(r.buf.data) {
		n, err := r.src.read(r.buf.data[r.end:])
		r.end += n
		if err != nil {
			r.ended = true
			if err != io.EOF {
				r.cause = err
			}
		}
		if n > 0 && !r.src.patient {
			return
		}
	}
}

// fail ends the trace at the record that begins at r.off.
func (r *Reader) fail(kind error, detail string, err error) {
	r.err = &Error{
		File:   r.name,
		Kind:   kind,
		Packet: r.packets + 1,
		Offset: r.base + int64(r.off),
		Detail: detail,
		Err:    err,
	}
}

// drop gives the buffer back.
func (r *Reader) drop() {
	if r.buf != nil {
		r.buf.release()
		r.buf = nil
	}
}

// Close gives the reader's buffer back and closes the file. Batches that are
// still held stay valid; Next returns os.ErrClosed.
func (r *Reader) Close() error {
	r.drop()
	if r.err == nil {
		r.err = os.ErrClosed
	}
	return r.src.close()
}

// interfaceList is written by the reader and read by anyone.
type interfaceList struct {
	mu   sync.Mutex
	list []Interface
}

func (l *interfaceList) add(i Interface) (index uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, i)
	return uint32(len(l.list) - 1)
}

func (l *interfaceList) all() []Interface {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[:len(l.list):len(l.list)]
}
