package exporters

import (
	"errors"
	"os"
)

// File is a file that is written to its end. Others may move it away meanwhile,
// as logrotate does: Reopen goes on in another of that name.
type File struct {
	path string
	mode os.FileMode // of a new one
	*os.File
}

// Create makes a file, or empties the one that is there.
func Create(path string) (*File, error) { return openFile(path, os.O_TRUNC, 0o666) }

// Append goes on where a file ended, if there is one.
func Append(path string) (*File, error) { return openFile(path, 0, 0o640) }

func openFile(path string, how int, mode os.FileMode) (*File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY|how, mode)
	if err != nil {
		return nil, err
	}
	return &File{path, mode, f}, nil
}

// Empty tells whether nothing is in the file.
func (f *File) Empty() bool {
	st, err := f.Stat()
	return err == nil && st.Size() == 0
}

// Reopen goes on in the file that has the name now, or in a new one, if that is
// not the one that is open. last writes what is still to be written to that one,
// to which all goes on if there can be no other.
func (f *File) Reopen(last func() error) (moved bool, err error) {
	if !f.moved() {
		return false, nil
	}
	next, err := openFile(f.path, 0, f.mode)
	if err != nil {
		return false, err
	}
	err = errors.Join(last(), f.Close())
	f.File = next.File
	return true, err
}

// moved tells whether another file has the name, or none.
func (f *File) moved() bool {
	open, err := f.Stat()
	if err != nil {
		return true
	}
	named, err := os.Stat(f.path)
	return err != nil || !os.SameFile(open, named)
}
