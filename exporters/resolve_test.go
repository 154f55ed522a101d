package exporters

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// fakeResolver knows one name, and where it is can be changed.
type fakeResolver struct {
	mu    sync.Mutex
	addrs []netip.Addr
	err   error
	asked int
}

func (r *fakeResolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if host != "collector.example" {
		return nil, &net.DNSError{Err: "no such host", Name: host}
	}
	return r.addrs, r.err
}

func (r *fakeResolver) set(err error, addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs, r.err = nil, err
	for _, a := range addrs {
		r.addrs = append(r.addrs, netip.MustParseAddr(a))
	}
}

func (r *fakeResolver) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// sockets returns two sockets on the same port of two loopback addresses.
func twoCollectors(t *testing.T) (a, b net.PacketConn, port string) {
	t.Helper()
	for range 20 {
		var err error
		a, err = net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(a.LocalAddr().String())
		if b, err = net.ListenPacket("udp", "127.0.0.2:"+port); err == nil {
			t.Cleanup(func() { a.Close(); b.Close() })
			return a, b, port
		}
		a.Close()
	}
	t.Fatal("no port is free on both addresses")
	return nil, nil, ""
}

// receive returns the next datagram, or "" if none comes.
func receive(c net.PacketConn) string {
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	b := make([]byte, 100)
	n, _, _ := c.ReadFrom(b)
	return string(b[:n])
}

// TestUDPFollowsName has a collector that moves: the name is looked up again,
// and the new one is told the templates first.
func TestUDPFollowsName(t *testing.T) {
	a, b, port := twoCollectors(t)
	names := &fakeResolver{}
	names.set(nil, "127.0.0.1")
	var u *UDP
	u = NewUDP(LineConfig{Address: "collector.example:" + port, MaxWait: time.Second, Resolver: names}, func() { u.Send([]byte("templates")) })
	u.where.every = 50 * time.Millisecond
	defer u.Close()
	send := func(s string) {
		t.Helper()
		if err := u.Send([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	send("one")
	if got := receive(a); got != "one" {
		t.Fatalf("first got %q", got)
	}
	for _, answer := range []func(){
		func() { names.set(errors.New("server misbehaving")) },
		func() { names.set(nil) },
		func() { names.set(nil, "127.0.0.2", "127.0.0.1") }, // still one of them
	} {
		answer()
		for range 4 {
			time.Sleep(60 * time.Millisecond)
			u.Check()
		}
		send("stays")
		if got := receive(a); got != "stays" {
			t.Fatalf("first got %q", got)
		}
	}
	names.set(nil, "127.0.0.2")
	for range 4 {
		time.Sleep(60 * time.Millisecond)
		u.follow()
	}
	send("moved")
	if got := receive(b) + " " + receive(b); got != "templates moved" {
		t.Errorf("second got %q", got)
	}
	if got := receive(a); got != "" {
		t.Errorf("first got %q after the move", got)
	}
}

// TestUDPLooksUpAfterErrors: the minute is not waited for.
func TestUDPLooksUpAfterErrors(t *testing.T) {
	a, b, port := twoCollectors(t)
	a.Close()
	names := &fakeResolver{}
	names.set(nil, "127.0.0.1")
	u := NewUDP(LineConfig{Address: "collector.example:" + port, MaxWait: time.Second, Resolver: names}, nil)
	u.where.soon = 20 * time.Millisecond
	defer u.Close()
	u.Send([]byte("x"))
	names.set(nil, "127.0.0.2")
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		u.Send([]byte("y"))
	}
	if got := receive(b); got != "y" {
		t.Errorf("second got %q after %d look-ups", got, names.times())
	}
}

// TestUDPLiteralAddress is never looked up.
func TestUDPLiteralAddress(t *testing.T) {
	a, _, port := twoCollectors(t)
	names := &fakeResolver{}
	u := NewUDP(LineConfig{Address: "127.0.0.1:" + port, MaxWait: time.Second, Resolver: names}, nil)
	u.where.every = time.Millisecond
	defer u.Close()
	for range 5 {
		u.Send([]byte("x"))
		time.Sleep(2 * time.Millisecond)
	}
	if receive(a) != "x" || names.times() != 0 {
		t.Errorf("%d look-ups", names.times())
	}
}

// TestUDPTellsTemplatesBeforeData: a collector that has come back is sent
// templates before anything else, whenever it comes back.
func TestUDPTellsTemplatesBeforeData(t *testing.T) {
	for range 20 {
		addr := nowhere(t, "udp")
		var u *UDP
		u = NewUDP(LineConfig{Address: addr, MaxWait: time.Second}, func() { u.Send([]byte("templates")) })
		for range 3 {
			u.Send([]byte("lost"))
		}
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue // the port was taken meanwhile
		}
		u.Send([]byte("data"))
		if got := receive(c) + " " + receive(c); got != "templates data" {
			t.Errorf("got %q", got)
		}
		c.Close()
		u.Close()
	}
}

// TestUDPOpens has a collector whose name is not known at first: the exporter is
// up as soon as there is a way to it, without a record.
func TestUDPOpens(t *testing.T) {
	a, _, port := twoCollectors(t)
	names, stats, failed := &fakeResolver{}, &Stats{}, 0
	names.set(errors.New("server misbehaving"))
	u := NewUDP(LineConfig{Address: "collector.example:" + port, MaxWait: 50 * time.Millisecond, Resolver: names, Failed: func(error) { failed++ }}, nil)
	defer u.Close()
	u.Open(stats)
	if stats.Up.Load() || failed != 1 {
		t.Errorf("up: %v, told %d times", stats.Up.Load(), failed)
	}
	u.Open(stats) // too early for another attempt
	if failed != 1 {
		t.Errorf("tried %d times at once", failed)
	}
	names.set(nil, "127.0.0.1")
	time.Sleep(firstWait)
	u.Open(stats)
	if !stats.Up.Load() {
		t.Error("not up")
	}
	stats.Up.Store(false) // as after an error of something else
	u.Open(stats)
	if stats.Up.Load() {
		t.Error("up again, though nothing was tried")
	}
	if err := u.Send([]byte("one")); err != nil || receive(a) != "one" {
		t.Errorf("nothing came: %v", err)
	}
}
