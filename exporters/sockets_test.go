package exporters

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestSockets follows a TCP and a UDP connection from their beginning to their
// end.
func TestSockets(t *testing.T) {
	set := &Sockets{}
	l := listen(t, "127.0.0.1:0")
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	tcp := NewTCP(LineConfig{Address: l.Addr().String(), MaxWait: time.Second, Sockets: set})
	udp := NewUDP(LineConfig{Address: server.LocalAddr().String(), MaxWait: time.Second, Sockets: set}, nil)
	if len(set.Load()) != 0 {
		t.Error("there are sockets before any was opened")
	}
	if err := tcp.Connect(); err != nil {
		t.Fatal(err)
	}
	if err := udp.Send([]byte("x")); err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, from, err := server.ReadFrom(make([]byte, 10))
	if err != nil {
		t.Fatal(err)
	}
	parse := netip.MustParseAddrPort
	want := []Socket{ // as the other side sees them
		{Proto: 6, Local: parse(peer.RemoteAddr().String()), Remote: parse(peer.LocalAddr().String())},
		{Proto: 17, Local: parse(from.String()), Remote: parse(server.LocalAddr().String())},
	}
	if got := set.Load(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	tcp.Close()
	udp.Close()
	if len(set.Load()) != 2 {
		t.Error("the packets of the end are not the meter's own any more")
	}
	for end := time.Now().Add(5 * time.Second); len(set.Load()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still there: %v", set.Load())
		}
	}
}

func TestSocketsNil(t *testing.T) {
	var set *Sockets
	if set.Load() != nil {
		t.Error("a nil set has something in it")
	}
	a, b := net.Pipe()
	defer b.Close()
	defer a.Close()
	set.add(a)()
}

// TestSocketsRace reads while others write, and what was read does not change.
func TestSocketsRace(t *testing.T) {
	set := &Sockets{}
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for n := range 200 {
				sock := Socket{Proto: uint8(i), Local: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n))}
				set.change(func(all []Socket) []Socket { return append(all, sock) })
				set.change(func(all []Socket) []Socket {
					at := slices.Index(all, sock)
					return slices.Delete(all, at, at+1)
				})
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		all := set.Load()
		before := slices.Clone(all)
		select {
		case <-done:
			if len(set.Load()) != 0 {
				t.Errorf("left: %v", set.Load())
			}
			return
		default:
		}
		if !slices.Equal(all, before) || len(all) > 4 {
			t.Fatalf("a set changed: %v, %v", before, all)
		}
	}
}

func BenchmarkSocketsLoad(b *testing.B) {
	set := &Sockets{}
	set.change(func([]Socket) []Socket { return make([]Socket, 3) })
	for b.Loop() {
		if len(set.Load()) != 3 {
			b.Fatal()
		}
	}
}
