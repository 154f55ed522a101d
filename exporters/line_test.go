package exporters

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// nowhere is an address where nobody listens.
func nowhere(t *testing.T, network string) string {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().String()
	}
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	return l.Addr().String()
}

func TestGivesUp(t *testing.T) {
	tcp := NewTCP(LineConfig{Address: nowhere(t, "tcp"), GiveUp: 300 * time.Millisecond, MaxWait: 50 * time.Millisecond})
	begin := time.Now()
	err := tcp.Connect()
	if d := time.Since(begin); !errors.Is(err, ErrUnreachable) || d < 250*time.Millisecond || d > 2*time.Second {
		t.Errorf("%v after %v", err, d)
	}
	begin = time.Now()
	for range 100 { // what follows must not wait again
		tcp.Connect()
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("a hundred more attempts took %v", d)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tcp := NewTCP(LineConfig{Address: nowhere(t, "tcp"), MaxWait: time.Minute})
	tcp.Start(ctx)
	time.AfterFunc(200*time.Millisecond, cancel)
	begin := time.Now()
	if err := tcp.Connect(); !errors.Is(err, ErrUnreachable) || time.Since(begin) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// TestBlockedWriteEndsWithContext has a collector that does not read.
func TestBlockedWriteEndsWithContext(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	go func() {
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			<-t.Context().Done()
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	tcp := NewTCP(LineConfig{Address: l.Addr().String(), MaxWait: time.Second})
	tcp.Start(ctx)
	if err := tcp.Connect(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, cancel)
	begin := time.Now()
	for tcp.Send(make([]byte, 1<<20)) == nil {
	}
	if d := time.Since(begin); d > grace+2*time.Second {
		t.Errorf("blocked for %v", d)
	}
}

func TestFinishTellsWhetherAllWasRead(t *testing.T) {
	for _, reads := range []bool{true, false} {
		l := listen(t, "127.0.0.1:0")
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if reads {
				io.Copy(io.Discard, c)
			} else {
				c.Read(make([]byte, 1))
			}
			c.Close()
		}()
		tcp := NewTCP(LineConfig{Address: l.Addr().String(), MaxWait: time.Second})
		if err := tcp.Connect(); err != nil {
			t.Fatal(err)
		}
		if err := tcp.Send(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if !reads {
			time.Sleep(50 * time.Millisecond)
		}
		if err := tcp.Finish(5 * time.Second); (err == nil) != reads {
			t.Errorf("collector reads all: %v; Finish returned %v", reads, err)
		}
	}
}

func TestUDPSurvivesRefusal(t *testing.T) {
	addr := nowhere(t, "udp")
	renewed := 0
	u := NewUDP(LineConfig{Address: addr, MaxWait: time.Second}, func() { renewed++ })
	defer u.Close()
	for range 5 {
		if err := u.Send([]byte("nobody")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if u.Reached() || renewed == 0 {
		t.Errorf("the refusals were not noticed; templates renewed %d times", renewed)
	}
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal("the port was taken meanwhile: ", err)
	}
	defer c.Close()
	if err := u.Send([]byte("somebody")); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	buf := make([]byte, 100)
	if n, _, err := c.ReadFrom(buf); err != nil || string(buf[:n]) != "somebody" {
		t.Errorf("got %q, %v", buf[:n], err)
	}
}

func TestUDPUnresolvable(t *testing.T) {
	u := NewUDP(LineConfig{Address: "collector.invalid:4739", GiveUp: 200 * time.Millisecond, MaxWait: 50 * time.Millisecond}, nil)
	if err := u.Send([]byte("x")); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}
