//go:build integration

package interop

import (
	"bufio"
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestReaderGoesAway closes the pipe that records are written to, as head does.
func TestReaderGoesAway(t *testing.T) {
	paths, err := filepath.Glob(testdata + "*.pcap")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"read", "-o", "-"}
	for range 10 { // much more than a pipe holds
		args = append(args, paths...)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(meter, args...)
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || len(parseRecords(t, line)) != 1 {
		t.Errorf("first line %q: %v", line, err)
	}
	out.Close()
	_ = cmd.Wait() // the exit status tells
	if status := cmd.ProcessState.ExitCode(); status != 0 || stderr.Len() > 0 {
		t.Errorf("exit status %d, standard error %q: want 0 and silence", status, stderr.String())
	}
}
