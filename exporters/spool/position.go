package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
)

// position says how far the collector got. It outlives a crash: the file is
// replaced whole, and a damaged one only makes more be sent again.
type position struct {
	safe  uint64 // messages before this number are done with
	sent  uint64 // messages before this number may have been sent
	total uint64 // flow records that the spool took so far
}

func (p position) text() []byte {
	b := fmt.Appendf(nil, "meter spool 1\nsafe %d\nsent %d\ntotal %d\n", p.safe, p.sent, p.total)
	return fmt.Appendf(b, "crc32 %08x\n", crc32.ChecksumIEEE(b))
}

// parsePosition returns the zero position for anything but a whole file.
func parsePosition(b []byte) (p position) {
	if _, err := fmt.Sscanf(string(b), "meter spool 1\nsafe %d\nsent %d\ntotal %d\n", &p.safe, &p.sent, &p.total); err != nil {
		return position{}
	}
	if !bytes.Equal(b, p.text()) || p.safe > p.sent {
		return position{}
	}
	return p
}

func readPosition(path string) (position, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return position{}, nil
	}
	return parsePosition(b), err
}

// write replaces the file at path.
func (p position) write(path string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, p.text(), 0o640); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
