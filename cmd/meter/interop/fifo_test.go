//go:build integration

package interop

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"flowmeter/meter/lab"
)

// fifo makes a named pipe and returns its path, and the end that the test
// writes to: as long as it is open, the trace has not ended.
func fifo(t *testing.T) (string, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) // does not wait for the reader
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return path, f
}

// feed writes part of a trace and waits until all of it has been read.
func feed(t *testing.T, to *os.File, data []byte) {
	t.Helper()
	if _, err := to.Write(data); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "the pipe is read", func() bool {
		n, err := unix.IoctlGetInt(int(to.Fd()), unix.TIOCINQ)
		return err == nil && n == 0
	})
	time.Sleep(200 * time.Millisecond) // what was read last is on its way
}

// balanceRow finds the packets of a row of the balance.
func balanceRow(t *testing.T, balance, name string) uint64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^ *` + name + ` +([\d,]+) `).FindStringSubmatch(balance)
	if m == nil {
		t.Fatalf("no row %q in:\n%s", name, balance)
	}
	return number(t, strings.ReplaceAll(m[1], ",", ""))
}
