package capture

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
)

// source is the octets of a trace, decompressed.
type source struct {
	raw     counter
	file    *os.File
	size    int64 // of the file, or -1
	patient bool  // reading never waits for someone to write: fill whole buffers
	codec   string
	r       io.Reader
}

// counter counts what is read through it.
type counter struct {
	r    io.Reader
	n    atomic.Int64
	idle int // reads in a row that gave neither octets nor an error
}

// maxIdle is how many empty reads are taken for a broken io.Reader.
const maxIdle = 100

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if n > 0 || err != nil {
		c.idle = 0
	} else if c.idle++; c.idle > maxIdle {
		err = io.ErrNoProgress
	}
	return n, err
}

// setFile notes what the file system knows of the input.
func (s *source) setFile(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if st.IsDir() {
		return &os.PathError{Op: "read", Path: f.Name(), Err: syscall.EISDIR}
	}
	s.file = f
	if st.Mode().IsRegular() {
		s.size, s.patient = st.Size(), true
	}
	return nil
}

// open tells the compression by the first octets.
func (s *source) open() error {
	head := make([]byte, maxMagic)
	n, err := io.ReadFull(&s.raw, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	s.r = io.MultiReader(bytes.NewReader(head[:n]), &s.raw)
	c := findCodec(head[:n])
	if c == nil {
		return nil
	}
	s.codec = c.name
	r, err := c.open(s.r)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return s.explain(err)
	}
	s.r = r
	return nil
}

// explain says that an error came up in decompressing.
func (s *source) explain(err error) error {
	if err == nil || err == io.EOF || s.codec == "" {
		return err
	}
	return fmt.Errorf("decompressing %s: %w", s.codec, err)
}

func (s *source) read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	return n, s.explain(err)
}

func (s *source) close() error {
	if c, ok := s.r.(io.Closer); ok {
		c.Close() // a decompressor's: nothing but memory
	}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
