//go:build integration && linux

package ring

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"flowmeter/meter/capture"
	"flowmeter/meter/lab"
)

// taken is a frame that came out of a ring.
type taken struct {
	capture.Frame
	name   string // of the interface
	worker int
	data   string
}

// taker reads the rings of an input until Close.
type taker struct {
	t     *testing.T
	in    *Input
	stop  context.CancelFunc
	ended chan []taken
}

// take opens an input and reads all its rings.
func take(t *testing.T, cfg Config) *taker {
	t.Helper()
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	k := &taker{t: t, in: in, stop: stop, ended: make(chan []taken, cfg.Workers)}
	go func() {
		if err := in.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	for i := range cfg.Workers {
		go func() { k.ended <- readRing(t, in.Ring(i), i) }()
		lab.Eventually(t, "a reader", func() bool { return in.Ring(i).state.Load() == read })
	}
	return k
}

func readRing(t *testing.T, r *Ring, worker int) (all []taken) {
	for {
		b, err := r.Next(lab.Patience)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Error(err)
			return all
		}
		if b == nil {
			continue
		}
		for i := range b.Frames {
			f := &b.Frames[i]
			all = append(all, taken{*f, r.Interfaces()[f.Iface].Name, worker, string(b.Data(f))})
		}
		b.Release()
	}
}

// close ends the input and returns all frames, by worker, and the accounts.
func (k *taker) close() ([][]taken, []InterfaceStats) {
	k.t.Helper()
	if err := k.in.Close(); err != nil {
		k.t.Error(err)
	}
	k.stop()
	all := make([][]taken, len(k.in.rings))
	for range all {
		select {
		case got := <-k.ended:
			if len(got) > 0 {
				all[got[0].worker] = got
			}
		case <-time.After(lab.Patience):
			k.t.Fatal("a reader does not come to its end")
		}
	}
	return all, k.in.Stats()
}
