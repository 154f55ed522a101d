package exporters

import (
	"bufio"
	"errors"
	"io"
	"os"
	"syscall"
)

// Stream writes messages one after the other to a file or an io.Writer.
type Stream struct {
	path string
	file *os.File // nil for an io.Writer, and before Open
	buf  *bufio.Writer
}

const streamBuffer = 256 << 10

// NewFile returns a Stream to the file of that name, which Open creates.
func NewFile(path string) *Stream { return &Stream{path: path} }

// NewStream returns a Stream to w, which it does not close.
func NewStream(w io.Writer) *Stream { return &Stream{buf: bufio.NewWriterSize(w, streamBuffer)} }

// Open creates the file, or empties the one that is there.
func (s *Stream) Open() error {
	if s.buf != nil {
		return nil
	}
	f, err := os.Create(s.path)
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

// Close flushes, and syncs and closes a file.
func (s *Stream) Close() error {
	err := s.Flush()
	if s.file == nil {
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
