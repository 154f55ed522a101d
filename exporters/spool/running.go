package spool

import (
	"fmt"
	"os"
	"path/filepath"
)

// running is the file that is locked while a meter uses the spool. It says how
// many records the meter holds that are not on disk, or that it ended in
// order: after kill -9 it is known what may be lost.
type running struct{ file *os.File }

const orderly = -1

// hold takes the spool of dir for this process. waiting is what the last run
// held when it was killed, or orderly.
func hold(dir string) (r running, waiting int64, err error) {
	path := filepath.Join(dir, "running")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return r, orderly, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return r, orderly, fmt.Errorf("%s is in use by another exporter: give each a directory of its own (%w)", dir, err)
	}
	waiting = orderly
	b := make([]byte, 64)
	n, _ := f.ReadAt(b, 0)
	if _, err := fmt.Sscanf(string(b[:n]), "waiting %d", &waiting); err != nil {
		waiting = orderly
	}
	return running{f}, waiting, nil
}

// note writes what the meter holds now.
func (r running) note(waiting int64) error {
	_, err := r.file.WriteAt(fmt.Appendf(nil, "waiting %-20d\n", waiting), 0)
	return err
}

// release says that the meter ended in order.
func (r running) release() error {
	err := r.note(orderly)
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	return err
}
