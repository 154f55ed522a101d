//go:build unix

package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestJournalStream has a log that goes to the journal, as systemd says it,
// and one that goes elsewhere.
func TestJournalStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	for stream, want := range map[string]string{
		fmt.Sprintf("%d:%d", st.Dev, st.Ino):   "<6>msg=hello\n",
		fmt.Sprintf("%d:%d", st.Dev, st.Ino+1): "level=INFO",
		"":                                     "level=INFO",
		"x":                                    "level=INFO",
	} {
		t.Setenv("JOURNAL_STREAM", stream)
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		f.Seek(0, 0)
		log, _ := New(f, Config{})
		log.Info("hello")
		got, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("JOURNAL_STREAM=%s: %q, %v; want %q", stream, got, err, want)
		}
	}
}
