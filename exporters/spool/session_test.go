package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"flowmeter/exporters"
)

// backlog makes a backlog on disk whose collector is away.
func diskBacklog(t *testing.T, cfg Config, generation uint64) *Backlog {
	t.Helper()
	stats := &exporters.Stats{}
	d, _, err := OpenDisk(cfg, generation, stats, quiet())
	if err != nil {
		t.Fatal(err)
	}
	b := NewBacklog(0, generation, stats)
	b.Use(d)
	b.Away()
	return b
}

func put(t *testing.T, b *Backlog, m Message) {
	t.Helper()
	if err := b.Put(context.Background(), m); err != nil {
		t.Error(err)
	}
}

// TestIntroIsNotChanged: what a session begins with stays as it is while new
// files begin with it, and is no younger than what follows.
func TestIntroIsNotChanged(t *testing.T) {
	b := diskBacklog(t, config(t), 7)
	in := message(1, 0)
	in.Intro = true
	binary.BigEndian.PutUint32(in.Buf[4:], 1000)
	put(t, b, in)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint64(2); i < 20_000; i++ {
			m := message(i, 10)
			binary.BigEndian.PutUint32(m.Buf[4:], uint32(1000+i))
			put(t, b, m)
		}
	}()
	for run := true; run; {
		select {
		case <-done:
			run = false
		default:
		}
		_, intro, err := b.Session()
		if err != nil {
			t.Fatal(err)
		}
		for i := range intro {
			if at := binary.BigEndian.Uint32(intro[i].Buf[4:]); at != 1000 {
				t.Fatalf("the session begins with the time %d, not 1000", at)
			}
		}
		b.Away()
	}
}

// TestTakeStopsAtOtherRun: where the end of one run's file is damaged, the next
// message is another run's, and not for this session.
func TestTakeStopsAtOtherRun(t *testing.T) {
	cfg := config(t)
	b := diskBacklog(t, cfg, 1)
	for i := uint64(1); i <= 4; i++ {
		put(t, b, message(i, 10))
	}
	b.Close()
	b = diskBacklog(t, cfg, 2)
	for i := uint64(5); i <= 6; i++ {
		put(t, b, message(i, 10))
	}
	path := b.disk.segments[0].path
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-3] ^= 0xff
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for session := range 2 {
		generation, _, err := b.Session()
		if err != nil {
			t.Fatal(err)
		}
		taken := 0
		for {
			m, err := b.Take(generation)
			if err != nil {
				if want := []error{ErrOtherRun, ErrEmpty}[session]; !errors.Is(err, want) {
					t.Errorf("session %d ends with %v", session, err)
				}
				break
			}
			taken++
			if m.Generation != generation {
				t.Errorf("a session of run %d got message %d of run %d", generation, m.Number, m.Generation)
			}
		}
		if taken == 0 {
			t.Errorf("session %d got nothing", session)
		}
	}
}
