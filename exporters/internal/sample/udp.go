package sample

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// Server is a UDP socket on the loopback that keeps what it receives.
type Server struct {
	t    testing.TB
	conn *net.UDPConn
}

// Listen returns a Server that is closed when the test ends.
func Listen(t testing.TB) *Server {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadBuffer(8 << 20)
	t.Cleanup(func() { conn.Close() })
	return &Server{t, conn}
}

// Address returns host:port.
func (s *Server) Address() string { return s.conn.LocalAddr().String() }

// Receive returns the next n datagrams.
func (s *Server) Receive(n int) [][]byte {
	s.t.Helper()
	var out [][]byte
	buf := make([]byte, 65536)
	s.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for len(out) < n {
		m, err := s.conn.Read(buf)
		if err != nil {
			s.t.Fatalf("after %d of %d messages: %v", len(out), n, err)
		}
		out = append(out, bytes.Clone(buf[:m]))
	}
	return out
}
