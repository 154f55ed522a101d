package ipfix

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
	"flowmeter/meter/flow"
)

// tcpServer keeps what comes over each connection.
type tcpServer struct {
	sessions [][]byte
	cutAt    []int // octets after which each connection is reset; later ones are not
	wg       sync.WaitGroup
	l        net.Listener
}

func serve(t *testing.T, cutAt ...int) *tcpServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &tcpServer{l: l, cutAt: cutAt}
	s.wg.Go(s.accept)
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

func (s *tcpServer) accept() {
	for {
		conn, err := s.l.Accept()
		if err != nil {
			return
		}
		s.session(conn.(*net.TCPConn))
	}
}

// session reads one connection to its end, or to where it is to be cut.
func (s *tcpServer) session(conn *net.TCPConn) {
	limit := int64(1 << 40)
	if len(s.cutAt) > 0 {
		limit, s.cutAt = int64(s.cutAt[0]), s.cutAt[1:]
	}
	data, _ := io.ReadAll(io.LimitReader(conn, limit))
	if int64(len(data)) == limit {
		conn.SetLinger(0) // as if the collector had crashed
	}
	conn.Close()
	s.sessions = append(s.sessions, whole(data))
}

// stop ends the server and decodes what it got, each connection as a session
// of its own.
func (s *tcpServer) stop(t *testing.T) *collector {
	t.Helper()
	s.l.Close()
	s.wg.Wait()
	c := newCollector(t, streamMessage)
	for _, data := range s.sessions {
		c.session()
		c.stream(data)
	}
	return c
}

// whole cuts off a message that did not arrive to its end.
func whole(data []byte) []byte {
	n := 0
	for len(data)-n >= 4 && len(data)-n >= int(binary.BigEndian.Uint16(data[n+2:])) {
		n += int(binary.BigEndian.Uint16(data[n+2:]))
	}
	return data[:n]
}

func tcpConfig(addr string) Config {
	cfg := Default()
	cfg.Transport, cfg.Address, cfg.GiveUp = TCP, addr, 3*time.Second
	return cfg
}

func TestTCP(t *testing.T) {
	s := serve(t)
	records := sample.Records(5, 2000)
	cfg := tcpConfig(s.l.Addr().String())
	export(t, cfg, records)
	s.stop(t).check(cfg, records)
}

// TestTCPReconnects has a collector that crashes twice on the way: every
// record arrives all the same, some of them more than once.
func TestTCPReconnects(t *testing.T) {
	s := serve(t, 300_000, 1_000_000)
	records := sample.TCP4(20_000)
	e, err := New(tcpConfig(s.l.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	q := exporters.NewQueue("tcp", e, exporters.QueueConfig{Records: 1000, Lossless: true, Log: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	go func() { done <- q.Run(t.Context()) }()
	offer(q, records)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c := s.stop(t)
	ids := map[uint64]bool{}
	for _, r := range c.records {
		ids[r.uint(element{0, 148})] = true
	}
	if len(s.sessions) != 3 {
		t.Errorf("%d connections", len(s.sessions))
	}
	for i := range records {
		if !ids[records[i].FlowID] {
			t.Fatalf("record %d never arrived; %d of %d did", i, len(ids), len(records))
		}
	}
	if lost := e.Stats().Lost(); lost.Records != 0 || e.Stats().Resent.Load() == 0 {
		t.Errorf("lost %v, sent again %d", lost, e.Stats().Resent.Load())
	}
	if n := e.Stats().Records.Load(); n != uint64(len(records)) {
		t.Errorf("account says %d records", n)
	}
}

func offer(q *exporters.Queue, records []flow.Record) {
	for i := 0; i < len(records); i += 100 {
		b := batch(records[i:min(i+100, len(records))])
		b.Final = i+100 >= len(records)
		b.Retain(1)
		q.Offer(b)
	}
}

// TestTCPUnreachable has no collector at all: everything is counted.
func TestTCPUnreachable(t *testing.T) {
	s := serve(t)
	addr := s.l.Addr().String()
	s.l.Close()
	cfg := tcpConfig(addr)
	cfg.GiveUp = 200 * time.Millisecond
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	q := exporters.NewQueue("tcp", e, exporters.QueueConfig{Records: 1000, Lossless: true, Log: slog.New(slog.DiscardHandler)})
	done := make(chan error, 1)
	go func() { done <- q.Run(t.Context()) }()
	begin := time.Now()
	offer(q, sample.TCP4(5000))
	<-done
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
	if n := e.Stats().Dropped(exporters.Unreachable); n != 5000 {
		t.Errorf("%d of 5000 counted as unreachable", n)
	}
}
