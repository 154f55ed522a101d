package exporters

import (
	"bufio"
	"errors"
	"io"
	"syscall"
)

// Stream writes messages one after the other to a file or an io.Writer.
type Stream struct {
	path string // of a file of its own; "" for an io.Writer
	file *File  // nil for an io.Writer that is none, and before Open
	buf  *bufio.Writer
}

const streamBuffer = 256 << 10

// NewFile returns a Stream to the file of that name, which Open creates.
func NewFile(path string) *Stream { return &Stream{path: path} }

// NewStream returns a Stream to w, which it does not close.
func NewStream(w io.Writer) *Stream {
	file, _ := w.(*File)
	return &Stream{file: file, buf: bufio.NewWriterSize(w, streamBuffer)}
}

// Open creates the file, or empties the one that is there.
func (s *Stream) Open() error {
	if s.buf != nil {
		return nil
	}
	f, err := Create(s.path)
	if err != nil {
		return err
	}
	s.file, s.buf = f, bufio.NewWriterSize(f, streamBuffer)
	return nil
}

// Send appends one message.
func (s *Stream) Send(msg []byte) error {
	if err := s.Open(); err != nil {
		return err
	}
	_, err := s.buf.Write(msg)
	return err
}

// Flush hands what was sent to the system.
func (s *Stream) Flush() error {
	if s.buf == nil {
		return nil
	}
	return s.buf.Flush()
}

// Reopen goes on in another file, if the one that is written was moved away. last
// sends what is still to be sent to that one.
func (s *Stream) Reopen(last func() error) (moved bool, err error) {
	if s.file == nil {
		return false, nil
	}
	moved, err = s.file.Reopen(func() error { return errors.Join(last(), s.Flush()) })
	if moved {
		s.buf.Reset(s.file) // an error of the other one is over
	}
	return moved, err
}

// Close flushes, and syncs and closes a file of its own.
func (s *Stream) Close() error {
	err := s.Flush()
	if s.path == "" || s.file == nil {
		return err
	}
	if serr := s.file.Sync(); err == nil && !unsyncable(serr) {
		err = serr
	}
	if cerr := s.file.Close(); err == nil {
		err = cerr
	}
	return err
}

// unsyncable tells whether err says that there is nothing to sync: a pipe, a
// terminal.
func unsyncable(err error) bool {
	return err == nil || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP)
}
