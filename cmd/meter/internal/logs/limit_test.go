package logs

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// buffer may be read while the log goes on.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// take returns what was written since the last call, without times.
func (b *buffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.b.Reset()
	return times.ReplaceAllString(b.b.String(), "")
}

var times = regexp.MustCompile(`(?m)^time=\S+ `)

func open(c Config) (*buffer, *slog.Logger, func()) {
	var b buffer
	log, flush := New(&b, c)
	return &b, log, flush
}

func expect(t *testing.T, b *buffer, want ...string) {
	t.Helper()
	text := strings.Join(want, "\n")
	if want != nil {
		text += "\n"
	}
	if diff := cmp.Diff(text, b.take()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestLimit logs the same error ten times, then nothing.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log, flush := open(Default())
		defer flush()
		for i := range 10 {
			log.Error("export failed", "exporter", "ipfix", "error", fmt.Sprint("attempt ", i))
			time.Sleep(time.Second)
		}
		expect(t, b,
			`level=ERROR msg="export failed" exporter=ipfix error="attempt 0"`,
			`level=ERROR msg="export failed" exporter=ipfix error="attempt 1"`,
			`level=ERROR msg="export failed" exporter=ipfix error="attempt 2"`)
		time.Sleep(49 * time.Second)
		expect(t, b)
		time.Sleep(2 * time.Second) // a minute since the first
		expect(t, b, `level=ERROR msg="export failed" exporter=ipfix error="attempt 9" repeated=6`)
		log.Error("export failed", "exporter", "ipfix", "error", "later")
		expect(t, b, `level=ERROR msg="export failed" exporter=ipfix error=later`)
		time.Sleep(2 * time.Hour)
		expect(t, b)
	})
}

// TestLimitIsByKind checks what is the same and what is not.
func TestLimitIsByKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log, flush := open(Config{Limit: Limit{First: 1, Every: time.Minute, By: []string{"exporter", "input"}}})
		one, two := log.With("exporter", "one"), log.With("exporter", "two")
		inGroup := log.WithGroup("g")
		for range 2 {
			log.Warn("lost")
			log.Error("lost")
			log.Warn("found")
			one.Warn("lost")
			two.Warn("lost")
			two.Warn("lost", "input", "eth0")
			log.Warn("lost", "exporter", "one") // as one
			log.Warn("lost", "records", 7)      // as without
			inGroup.Warn("lost", "exporter", "three")
		}
		expect(t, b, `level=WARN msg=lost`, `level=ERROR msg=lost`, `level=WARN msg=found`, `level=WARN msg=lost exporter=one`,
			`level=WARN msg=lost exporter=two`, `level=WARN msg=lost exporter=two input=eth0`)
		flush()
		lines := strings.Split(strings.TrimSpace(b.take()), "\n")
		if len(lines) != 6 {
			t.Errorf("six kinds were held back, flush wrote\n%s", strings.Join(lines, "\n"))
		}
		for _, want := range []string{`level=WARN msg=lost exporter=one repeated=2`, `level=WARN msg=lost g.exporter=three g.repeated=4`, `level=ERROR msg=lost`} {
			found := false
			for _, line := range lines {
				found = found || line == want
			}
			if !found {
				t.Errorf("no %s in\n%s", want, strings.Join(lines, "\n"))
			}
		}
	})
}

// TestStorm logs from several goroutines for minutes: each record is written
// or counted.
func TestStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log, flush := open(Default())
		var running sync.WaitGroup
		const workers, each = 4, 3000
		for range workers {
			running.Go(func() {
				for range each {
					log.Error("lost")
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		running.Wait()
		flush()
		lines, repeated := 0, 0
		for line := range strings.Lines(b.take()) {
			lines++
			var n int
			if _, rest, found := strings.Cut(line, "repeated="); found {
				fmt.Sscan(rest, &n)
			}
			repeated += n
		}
		if lines+repeated != workers*each {
			t.Errorf("%d lines and %d repeated, %d were logged", lines, repeated, workers*each)
		}
		if lines > 3*6 {
			t.Errorf("%d lines in five minutes", lines)
		}
	})
}

// TestNoLimit lets everything through.
func TestNoLimit(t *testing.T) {
	b, log, _ := open(Config{})
	for range 100 {
		log.Info("again")
	}
	if n := strings.Count(b.take(), "\n"); n != 100 {
		t.Errorf("%d lines", n)
	}
}

// TestKindsAreBounded has messages that all differ: beyond a number they are
// taken for one.
func TestKindsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b buffer
		l := newLimiter(Limit{First: 1, Every: time.Minute})
		log := slog.New(&limited{Handler: slog.NewTextHandler(&b, nil), limiter: l})
		for i := range 2 * maxKinds {
			log.Info(fmt.Sprint(i))
		}
		if n := strings.Count(b.take(), "\n"); n != maxKinds+1 || l.held() != maxKinds+1 {
			t.Errorf("%d lines, %d kinds", n, l.held())
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		expect(t, &b, fmt.Sprintf("level=INFO msg=%d repeated=%d", 2*maxKinds-1, maxKinds-2))
		if l.held() != 0 {
			t.Errorf("%d kinds are kept after an hour of silence", l.held())
		}
	})
}

// held returns how many kinds are kept.
func (l *limiter) held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kinds)
}
