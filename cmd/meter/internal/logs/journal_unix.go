//go:build unix

package logs

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// IsJournal tells whether w is the stream that systemd names in
// $JOURNAL_STREAM, as device:inode (systemd.exec(5)). Where output was
// redirected since, it is another.
func IsJournal(w io.Writer, stream string) bool {
	f, isFile := w.(*os.File)
	if !isFile || stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}
