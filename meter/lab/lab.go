//go:build integration

package lab

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Patience is how long anything that a test waits for may take.
const Patience = 2 * time.Minute

// Eventually waits until something is true.
func Eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// environment is that of the test, with the same times and words everywhere.
func environment(more ...string) []string {
	return append(append(os.Environ(), more...), "TZ=UTC", "LC_ALL=C")
}

// Output runs a program, which must succeed, and returns its standard output.
func Output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, log := finish(t, name, args)
	if len(log) > 0 {
		t.Logf("%s says: %s", name, log)
	}
	return out
}

// Said is Output and, after it, what the program says on standard error.
func Said(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, log := finish(t, name, args)
	return out + log
}

// Run is Said of a line that is cut at its spaces.
func Run(t *testing.T, format string, args ...any) string {
	t.Helper()
	f := strings.Fields(fmt.Sprintf(format, args...))
	return Said(t, f[0], f[1:]...)
}

func finish(t *testing.T, name string, args []string) (out, log string) {
	t.Helper()
	var o, l strings.Builder
	cmd := exec.Command(Tool(t, name), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(), &o, &l
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, l.String(), o.String())
	}
	return o.String(), l.String()
}

// Get returns a page; an error if it is answered with other than 200.
func Get(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return string(text), err
}

// Promtool has Prometheus' tool look at a page of metrics.
func Promtool(t *testing.T, page string) {
	t.Helper()
	cmd := exec.Command(Tool(t, "promtool"), "check", "metrics")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
