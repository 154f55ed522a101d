package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// safeBuffer is a buffer for two goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// running is a Collector at work.
type running struct {
	*Collector
	out  safeBuffer
	stop func() error
}

func listen(t *testing.T, where string) *running {
	t.Helper()
	r := &running{}
	c, err := Open(Default(), where, &r.out)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	r.Collector, r.stop = c, func() error { cancel(); return <-done }
	t.Cleanup(cancel)
	return r
}

// until waits for what the collector's account must come to.
func (r *running) until(t *testing.T, reached func(Stats) bool) {
	t.Helper()
	for range 500 {
		if reached(r.Stats()) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("after 5 s:\n%+v", r.Stats())
}

func dial(t *testing.T, r *running) net.Conn {
	t.Helper()
	conn, err := net.Dial(r.Addr().Network(), r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t *testing.T, conn net.Conn, messages ...string) {
	t.Helper()
	for _, m := range messages {
		if _, err := conn.Write(unhex(t, m)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUDP(t *testing.T) {
	r := listen(t, "udp://127.0.0.1:0")
	one, other := dial(t, r), dial(t, r)
	send(t, one, rfc7011, rfc3954, "000b")
	send(t, other, newMessage(0, 1).set(256, make([]byte, 20)...).hex()) // the template is the other's
	if err := r.stop(); err != nil {                                     // what came before is still read
		t.Fatal(err)
	}
	s := r.Stats()
	if s.IPFIX.Records != 3 || s.V9.Records != 3 || s.Malformed != 1 || s.Unknown != 1 {
		t.Errorf("%s", s.Summary())
	}
	if got := strings.Count(r.out.String(), `{"exporter":"`+one.LocalAddr().String()+`",`); got != 10 {
		t.Errorf("%d records of the first exporter in\n%s", got, r.out.String())
	}
}

func TestTCP(t *testing.T) {
	r := listen(t, "tcp://127.0.0.1:0")
	one, other := dial(t, r), dial(t, r)
	message := unhex(t, rfc7011)
	for _, b := range message { // in pieces
		send(t, one, string("0123456789abcdef"[b>>4])+string("0123456789abcdef"[b&15]))
	}
	send(t, other, rfc5103+b3ipfix) // two at once
	r.until(t, func(s Stats) bool { return s.IPFIX.Messages == 3 })
	send(t, other, "0009002c5f5e1000") // no IPFIX: the connection ends
	r.until(t, func(s Stats) bool { return s.Malformed == 1 })
	one.Close()
	r.until(t, func(Stats) bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.dec.sessions) == 0 && r.dec.kept == 0 })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if s := r.Stats(); s.IPFIX.Records != 5 || s.Malformed != 1 {
		t.Errorf("%s", s.Summary())
	}
}

var errClosed = errors.New("reader went away")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errClosed }

func TestOutputFails(t *testing.T) {
	for _, where := range []string{"udp://127.0.0.1:0", "tcp://127.0.0.1:0"} {
		c, err := Open(Default(), where, failing{})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- c.Run(context.Background()) }()
		send(t, dial(t, &running{Collector: c}), rfc7011)
		if err := <-done; !errors.Is(err, errClosed) {
			t.Errorf("%s: %v", where, err)
		}
	}
	c, err := Open(Default(), writeFile(t, rfc7011), failing{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Run(context.Background()); !errors.Is(err, errClosed) {
		t.Errorf("file: %v", err)
	}
}

func TestOpenMistakes(t *testing.T) {
	for where, want := range map[string]string{
		"sctp://127.0.0.1:4739": "sctp://127.0.0.1:4739: collects from udp://host:port, tcp://host:port or an IPFIX file",
		"no/such/file.ipfix":    "open no/such/file.ipfix: no such file or directory",
		"udp://127.0.0.1":       "address 127.0.0.1: missing port in address",
	} {
		if _, err := Open(Default(), where, nil); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", where, err, want)
		}
	}
	if _, err := Open(Config{}, "udp://127.0.0.1:0", nil); err == nil {
		t.Error("an empty Config is taken")
	}
}

func TestRecordJSON(t *testing.T) {
	r := Record{Exporter: `"x"`, Version: 10, Domain: 7, Template: 256, ExportTime: 1.6e18, Fields: []Field{
		{"a", uint64(math.MaxUint64)}, {"b", int64(-5)}, {"c", 0.25}, {"d", true}, {"e", "\x00\"text"}, {"f", math.NaN()},
	}}
	var got map[string]any
	if err := json.Unmarshal(r.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"exporter": `"x"`, "version": 10.0, "domain": 7.0, "template": 256.0, "exportTime": "2020-09-13T12:26:40Z",
		"a": float64(math.MaxUint64), "b": -5.0, "c": 0.25, "d": true, "e": "\x00\"text", "f": "NaN"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if r.Get("b") != int64(-5) || r.Get("z") != nil {
		t.Errorf("Get: %v, %v", r.Get("b"), r.Get("z"))
	}
}
