package spool

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"path/filepath"
	"testing"

	"flowmeter/exporters"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func config(t *testing.T) Config {
	c := Default()
	c.Dir, c.Size, c.Enterprise = filepath.Join(t.TempDir(), "spool"), 4<<20, 32473
	return c
}

func open(t *testing.T, cfg Config, generation uint64) (*Disk, *exporters.Stats, Found) {
	t.Helper()
	stats := &exporters.Stats{}
	d, f, err := OpenDisk(cfg, generation, stats, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return d, stats, f
}

// abandon lets go of the files without a word, as a crash does.
func (d *Disk) abandon() {
	d.closeReader()
	if d.out != nil {
		d.out.Close()
	}
	d.running.file.Close()
}

// templateMessage has the template that messages of message use: one field,
// flowId.
func templateMessage() Message {
	b := header()
	b = append(b, 0, 2, 0, 12, 1, 16, 0, 1, 0, 148, 0, 8)
	return finished(Message{Buf: b, Intro: true})
}

// message holds n records whose flow ids are number × 1000 and up.
func message(number uint64, n int) Message {
	b := header()
	b = binary.BigEndian.AppendUint16(b, 272)
	b = binary.BigEndian.AppendUint16(b, uint16(4+8*n))
	for i := range n {
		b = binary.BigEndian.AppendUint64(b, number*1000+uint64(i))
	}
	m := Message{Buf: b, Number: number, Records: uint64(n)}
	m.Flows = exporters.Tally{Records: uint64(n), Packets: 2 * uint64(n), Octets: 100 * uint64(n)}
	return finished(m)
}

func header() []byte {
	b := make([]byte, headerSize)
	binary.BigEndian.PutUint16(b, 10)
	binary.BigEndian.PutUint32(b[4:], 1_600_000_000)
	binary.BigEndian.PutUint32(b[12:], 7)
	return b
}

func finished(m Message) Message {
	binary.BigEndian.PutUint16(m.Buf[2:], uint16(len(m.Buf)))
	return m
}

// fill appends messages of the given numbers, ten records each.
func fill(t *testing.T, d *Disk, from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		m := message(n, 10)
		if err := d.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
}

// next returns the next message, of whatever generation.
func next(d *Disk) (Message, bool) {
	var generation uint64
	if g := d.segmentOf(d.next); g != nil {
		generation = g.generation
	}
	return d.Next(generation)
}

// drain reads all that Next has and checks that it is what was put.
func drain(t *testing.T, d *Disk) (numbers []uint64) {
	t.Helper()
	for {
		got, ok := next(d)
		if !ok {
			return numbers
		}
		numbers = append(numbers, got.Number)
		if got.Intro {
			continue
		}
		want := message(got.Number, 10)
		binary.BigEndian.PutUint32(want.Buf[8:], binary.BigEndian.Uint32(got.Buf[8:])) // the sequence is the file's
		if !bytes.Equal(got.Buf, want.Buf) || got.Records != 10 || got.Flows.Records != 10 || got.Flows.Packets != 20 || got.Flows.Octets != 1000 {
			t.Fatalf("message %d came back as %+v", got.Number, got)
		}
	}
}

func upTo(from, to uint64) (all []uint64) {
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}
