//go:build integration && linux

package ring

import (
	"errors"
	"io"
	"testing"
	"time"
)

// TestCloseEndsWaiting closes an input while its reader waits for a packet.
func TestCloseEndsWaiting(t *testing.T) {
	if !isolated(t) {
		return
	}
	veth(t, "a0", "b0")
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
	case <-time.After(patience):
		t.Fatal("Next waits on")
	}
	if _, err := in.Ring(0).Next(0); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}
