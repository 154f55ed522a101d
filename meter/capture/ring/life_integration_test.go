//go:build integration && linux

package ring

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"flowmeter/meter/lab"
)

// TestCloseEndsWaiting closes an input while its reader waits for a packet.
func TestCloseEndsWaiting(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	cfg := Default()
	cfg.Interfaces = []string{"b0"}
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Ring(0).Next(time.Second); !errors.Is(err, errNotOpen) {
		t.Errorf("before Open: %v", err)
	}
	if err := in.Open(); err != nil {
		t.Fatal(err)
	}
	if b, err := in.Ring(0).Next(10 * time.Millisecond); b != nil || err != nil {
		t.Errorf("nothing was sent: %v, %v", b, err)
	}
	ended := make(chan error)
	go func() {
		_, err := in.Ring(0).Next(time.Hour)
		ended <- err
	}()
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err != io.EOF || time.Since(start) > time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	case <-time.After(lab.Patience):
		t.Fatal("Next waits on")
	}
	if _, err := in.Ring(0).Next(0); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

// resources counts the rings that are mapped and the files that are open.
func resources(t *testing.T) (rings, files int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "socket:["), len(open)
}

// TestNothingIsLeft opens and closes inputs, read, unread, and with a batch
// still held: the rings are unmapped and the sockets closed when the last
// batch is released, and not before.
func TestNothingIsLeft(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	lab.Veth(t, "a0", "b0")
	cfg := Default()
	cfg.Interfaces, cfg.Workers = []string{"a0", "b0"}, 2
	take(t, cfg).close()
	rings, files := resources(t)
	if rings != 0 {
		t.Fatalf("%d rings are mapped", rings)
	}
	for range 3 {
		in, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Open(); err != nil {
			t.Fatal(err)
		}
		lab.Replay(t, "a0", "--topspeed", testdata("http-tls.pcap"))
		b, err := in.Ring(0).Next(lab.Patience)
		if b == nil || err != nil {
			t.Fatal(b, err)
		}
		if n, _ := resources(t); n != 4 {
			t.Errorf("%d rings are mapped", n)
		}
		in.Close()
		octets := len(b.Frames)
		for {
			more, err := in.Ring(0).Next(lab.Patience)
			if err == io.EOF {
				break
			}
			octets += len(more.Frames)
			more.Release()
		}
		if n, _ := resources(t); n != 1 {
			t.Errorf("a batch is held, and %d rings are mapped", n)
		}
		if len(b.Data(&b.Frames[0])) == 0 {
			t.Error("the batch is empty")
		}
		b.Release()
		if n, m := resources(t); n != 0 || m > files {
			t.Errorf("%d rings are mapped, %d files open, %d before", n, m, files)
		}
		sum, drops := 0, 0
		for _, s := range in.Stats() {
			sum += int(s.Packets)
			drops += int(s.Drops)
		}
		if n := len(sent(t, testdata("http-tls.pcap"))); sum != 2*n || drops != 2*n-octets {
			t.Errorf("%d frames were sent to each: %d came, %d were read, %d count as dropped", n, sum, octets, drops)
		}
	}
}

// TestPermission drops what the kernel wants for packet sockets: the error
// says what to do.
func TestPermission(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	var header = unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	runtime.LockOSThread() // capabilities are a thread's; it ends with the test
	none := [2]unix.CapUserData{}
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.Interfaces = []string{"lo"}
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Open(); err == nil || !strings.HasPrefix(err.Error(), "interface lo: socket: operation not permitted (reading interfaces needs CAP_NET_RAW") {
		t.Error(err)
	}
	if _, err := in.Ring(0).Next(0); err != io.EOF {
		t.Error(err)
	}
}
