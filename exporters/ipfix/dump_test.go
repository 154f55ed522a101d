//go:build integration

package ipfix

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/lab"
)

// TestSpoolByOthers has ipfixDump and tshark read the files of a spool.
func TestSpoolByOthers(t *testing.T) {
	lab.Tool(t, "ipfixDump")
	_, cfg := newPeer(t, false)
	f := feed(t, cfg)
	f.give(sample.TCP4(3000))
	until(t, "the spool has them", 5*time.Second, func() bool { return f.e.Stats().SpoolRecords.Load() == 3000 })
	f.end()
	files := onDisk(cfg)
	if len(files) != 1 {
		t.Fatalf("%d files", len(files))
	}
	text := lab.Said(t, "ipfixDump", "--rfc5610", "--in", files[0])
	flows := 0
	for line := range strings.Lines(text) {
		if strings.Contains(line, "flowId") && strings.Contains(line, " : ") && !strings.Contains(line, "<") {
			flows++
		}
	}
	if flows != 3000 || !strings.Contains(text, "messageMD5Checksum") || strings.Contains(strings.ToLower(text), "error") {
		t.Errorf("ipfixDump found %d flows of 3000:\n%.3000s", flows, text)
	}
	messages := 0
	for b, _ := os.ReadFile(files[0]); len(b) > 0; messages++ {
		b = b[int(b[2])<<8|int(b[3]):]
	}
	tshark := sample.DissectFile(t, files[0], messages)
	if n := strings.Count(tshark, "FlowId:") + strings.Count(tshark, "Flow Id:"); n < 3000 {
		t.Errorf("tshark found %d flows of 3000", n)
	}
}

// TestLiveDiskFull has a spool on a file system of 700 kB.
func TestLiveDiskFull(t *testing.T) {
	lab.NeedRoot(t)
	_, cfg := newPeer(t, false)
	if err := os.Mkdir(cfg.Spool.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", cfg.Spool.Dir, "tmpfs", 0, "size=700k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(cfg.Spool.Dir, syscall.MNT_DETACH) })
	f := feed(t, cfg)
	f.give(sample.TCP4(60_000))
	f.checkFull(60_000)
}
