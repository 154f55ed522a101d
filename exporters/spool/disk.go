package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"flowmeter/exporters"
)

// Disk is a spool's files. It is for one goroutine at a time.
type Disk struct {
	cfg        Config
	log        *slog.Logger
	stats      *exporters.Stats
	generation uint64
	running    running
	pos        position  // as it is to be
	written    position  // as the file has it
	intro      []Message // what a file of this run begins with

	segments []*segment // oldest first
	octets   int64      // of all

	out      *os.File // last segment, if it is being written
	began    time.Time
	sequence uint32 // data records in it
	buf      []byte

	at   *segment // that is being read; nil: begin with the oldest
	file *os.File
	in   *reader
	next uint64 // number of the next message to read

	firstSent, everSent uint64 // this run has counted the messages of these numbers as exported
}

// Found is what an earlier run left.
type Found struct {
	Messages uint64
	Flows    uint64 // flow records
	Octets   int64
	Torn     int64 // octets of messages that were not whole, cut off
	Killed   int64 // flow records that a killed run held in memory, as it last said; -1: it ended in order
}

// OpenDisk takes the directory of cfg and reads what an earlier run left in it.
// What is lost is counted in stats.
func OpenDisk(cfg Config, generation uint64, stats *exporters.Stats, log *slog.Logger) (d *Disk, f Found, err error) {
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, f, err
	}
	d = &Disk{cfg: cfg, log: log, stats: stats, generation: generation}
	if d.running, f.Killed, err = hold(cfg.Dir); err != nil {
		return nil, f, err
	}
	if err := d.recover(&f); err != nil {
		d.running.file.Close()
		return nil, f, err
	}
	stats.SpoolLimit.Store(cfg.Size)
	return d, f, d.running.note(0)
}

// recover reads the position and the segments, and goes on where the last run
// ended.
func (d *Disk) recover(f *Found) error {
	var err error
	if d.pos, err = readPosition(d.path("position")); err != nil {
		return err
	}
	d.written = d.pos
	if err := d.readSegments(f); err != nil {
		return err
	}
	d.pos.safe = max(d.pos.safe, 1)
	if len(d.segments) > 0 {
		d.pos.safe = max(d.pos.safe, d.segments[0].first)
	}
	d.pos.sent = max(d.pos.sent, d.pos.safe)
	if err := d.Rewind(d.pos.safe); err != nil {
		return err
	}
	f.Flows = uint64(d.stats.SpoolRecords.Load())
	f.Messages, f.Octets = d.End()-d.pos.safe, d.octets
	return nil
}

// readSegments finds the segments and cuts off what was not written whole.
func (d *Disk) readSegments(f *Found) error {
	all, err := listSegments(d.cfg.Dir)
	if err != nil {
		return err
	}
	for _, g := range all {
		fnd, err := g.load()
		if err != nil {
			return err
		}
		if fnd.torn > 0 {
			f.Torn += fnd.torn
			if err := os.Truncate(g.path, g.size); err != nil {
				return err
			}
		}
		if g.last < g.first || g.last < d.pos.safe { // empty, or done with
			if err := os.Remove(g.path); err != nil {
				return err
			}
			continue
		}
		d.damaged(g, fnd.lost)
		d.pos.total = max(d.pos.total, fnd.total)
		d.segments = append(d.segments, g)
		d.octets += g.size
	}
	return nil
}

func (d *Disk) path(name string) string { return filepath.Join(d.cfg.Dir, name) }

func (d *Disk) damaged(g *segment, flows uint64) {
	if flows == 0 {
		return
	}
	d.gap("damaged messages", g, exporters.SpoolDamaged, exporters.Tally{Records: flows, First: g.flows.First, Last: g.flows.Last})
}

// gap counts and tells of flow records that are in the spool no more.
func (d *Disk) gap(what string, g *segment, why exporters.Reason, t exporters.Tally) {
	d.stats.Drop(why, t)
	d.stats.SpoolGaps.Add(1)
	d.log.Warn("gap in the spool: "+what, "file", g.path, "records", t.Records, "reason", why.String())
}

// account brings the gauges up to date.
func (d *Disk) account() {
	var unsent uint64
	var oldest int64
	for _, g := range d.segments {
		n := g.unsent().Records
		if unsent == 0 && n > 0 {
			oldest = g.oldest()
		}
		unsent += n
	}
	d.stats.SpoolOctets.Store(d.octets)
	d.stats.SpoolRecords.Store(int64(unsent))
	d.stats.SpoolOldest.Store(oldest)
}

// Start is the number of the first message that is there, End that after the
// last.
func (d *Disk) Start() uint64 {
	if len(d.segments) == 0 {
		return d.End()
	}
	return d.segments[0].first
}

// End returns the number after that of the last message.
func (d *Disk) End() uint64 {
	if n := len(d.segments); n > 0 {
		return d.segments[n-1].last + 1
	}
	return d.pos.sent
}

// Unread tells whether there are messages that Next has not returned.
func (d *Disk) Unread() bool { return len(d.segments) > 0 && d.next < d.End() }

// Sent notes that the messages before number n may have been sent.
func (d *Disk) Sent(n uint64) error {
	d.pos.sent = max(d.pos.sent, n)
	return d.save()
}

// Forget deletes what holds only messages before number n.
func (d *Disk) Forget(n uint64) {
	d.pos.safe = max(d.pos.safe, n)
	d.pos.sent = max(d.pos.sent, d.pos.safe)
	for len(d.segments) > 0 && d.segments[0].last < min(n, d.next) {
		d.settle(d.segments[0])
		d.remove(d.segments[0])
	}
	d.account()
}

// save writes the position, if it has changed.
func (d *Disk) save() error {
	if d.pos == d.written {
		return nil
	}
	if err := d.pos.write(d.path("position")); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	d.written = d.pos
	return nil
}

// Tick is for about every second: it deletes what is too old, and notes how
// far the collector got and how many records wait in memory.
func (d *Disk) Tick(now time.Time, waiting int64) error {
	d.expire(now)
	d.account()
	return errors.Join(d.save(), d.running.note(waiting))
}

// Close ends the use of the spool. What is in it stays for the next run, which
// is told that the messages before number sent were sent.
func (d *Disk) Close(sent uint64) error {
	d.closeReader()
	d.pos.sent = max(sent, d.pos.safe)
	err := d.save()
	if d.out != nil {
		err = errors.Join(err, d.out.Sync(), d.out.Close())
		d.out = nil
	}
	return errors.Join(err, d.running.release())
}
