package spool

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/collect"
)

func TestDiskKeepsOrderOverRestarts(t *testing.T) {
	cfg := config(t)
	d, _, f := open(t, cfg, 1)
	if f.Killed != orderly || f.Messages != 0 {
		t.Errorf("a new spool found %+v", f)
	}
	fill(t, d, 1, 100)
	if got := drain(t, d); !slices.Equal(got, upTo(1, 100)) {
		t.Fatalf("read %v", got)
	}
	if d.Unread() {
		t.Error("something is left to read")
	}
	fill(t, d, 101, 150)
	d.Forget(41)
	if err := d.Close(101); err != nil {
		t.Fatal(err)
	}
	d, stats, f := open(t, cfg, 2)
	if f.Messages != 110 || f.Killed != orderly || f.Torn != 0 {
		t.Errorf("found %+v", f)
	}
	if d.pos.sent != 101 || stats.SpoolRecords.Load() != 1100 {
		t.Errorf("position %+v, %d records", d.pos, stats.SpoolRecords.Load())
	}
	fill(t, d, 151, 160)
	if got := drain(t, d); !slices.Equal(got, upTo(41, 160)) {
		t.Fatalf("read %v", got)
	}
	d.Forget(161)
	if n, _ := filepath.Glob(filepath.Join(cfg.Dir, "*"+suffix)); len(n) != 0 || stats.SpoolOctets.Load() != 0 || stats.SpoolRecords.Load() != 0 {
		t.Errorf("files left: %v; %d octets, %d records", n, stats.SpoolOctets.Load(), stats.SpoolRecords.Load())
	}
	d.Close(161)
}

func TestDiskRewinds(t *testing.T) {
	cfg := config(t)
	d, stats, _ := open(t, cfg, 1)
	defer d.Close(0)
	fill(t, d, 1, 50)
	for _, n := range []uint64{20, 1, 50, 51, 33} {
		if err := d.Rewind(n); err != nil {
			t.Fatal(err)
		}
		if want := int64(51-n) * 10; stats.SpoolRecords.Load() != want {
			t.Errorf("%d records unsent after going back to %d, want %d", stats.SpoolRecords.Load(), n, want)
		}
		if got := drain(t, d); !slices.Equal(got, upTo(n, 50)) {
			t.Errorf("from %d: %v", n, got)
		}
	}
}

// TestDiskTorn cuts the last file at every octet of its last message, as if
// the process had been killed as it wrote.
func TestDiskTorn(t *testing.T) {
	cfg := config(t)
	d, _, _ := open(t, cfg, 1)
	fill(t, d, 1, 3)
	path, size := d.segments[0].path, d.segments[0].size
	if err := d.running.note(77); err != nil {
		t.Fatal(err)
	}
	d.abandon()
	whole, err := os.ReadFile(path)
	if err != nil || int64(len(whole)) != size {
		t.Fatal(err, len(whole), size)
	}
	last := len(whole) - len(message(3, 10).Buf) - trailerSize
	for cut := last; cut < len(whole); cut++ {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		d, _, f := open(t, cfg, 2)
		if f.Torn != int64(cut-last) || f.Messages != 2 || cut == last && f.Killed != 77 {
			t.Fatalf("cut at %d: found %+v", cut, f)
		}
		if got := drain(t, d); !slices.Equal(got, upTo(1, 2)) {
			t.Fatalf("cut at %d: %v", cut, got)
		}
		if st, _ := os.Stat(path); st.Size() != int64(last) {
			t.Fatalf("cut at %d: %d octets are left", cut, st.Size())
		}
		d.abandon()
	}
}

// TestDiskDamaged turns one octet in the middle: the message is skipped, and
// its records are counted.
func TestDiskDamaged(t *testing.T) {
	for at := 40; at < 1200; at += 97 {
		cfg := config(t)
		d, _, _ := open(t, cfg, 1)
		fill(t, d, 1, 10)
		path := d.segments[0].path
		d.Close(1)
		b, _ := os.ReadFile(path)
		b[at] ^= 0x40
		os.WriteFile(path, b, 0o600)
		d, stats, _ := open(t, cfg, 2)
		got := drain(t, d)
		lost := stats.Dropped(exporters.SpoolDamaged)
		if uint64(len(got))*10+lost != 100 && at > 100 || len(got) < 9 {
			t.Errorf("octet %d: read %v, %d counted as damaged", at, got, lost)
		}
		d.abandon()
	}
}

// TestDiskDamagedWhileRead has a file damaged after it was counted.
func TestDiskDamagedWhileRead(t *testing.T) {
	d, stats, _ := open(t, config(t), 1)
	fill(t, d, 1, 1000)
	if err := os.Truncate(d.segments[0].path, 10_000); err != nil {
		t.Fatal(err)
	}
	got := drain(t, d)
	if n := uint64(len(got)) * 10; n+stats.Dropped(exporters.SpoolDamaged) != 10_000 || n == 0 || stats.SpoolGaps.Load() != 1 {
		t.Errorf("read %d records, %d counted as damaged, %d gaps", n, stats.Dropped(exporters.SpoolDamaged), stats.SpoolGaps.Load())
	}
	d.abandon()
}

func TestDiskSizeLimit(t *testing.T) {
	cfg := config(t)
	cfg.Size = MinSize
	d, stats, _ := open(t, cfg, 1)
	const n = 20_000 // of 156 octets each
	fill(t, d, 1, n)
	if octets := stats.SpoolOctets.Load(); octets > cfg.Size || octets < cfg.Size/2 {
		t.Errorf("%d octets", octets)
	}
	onDisk := int64(0)
	for _, g := range d.segments {
		st, err := os.Stat(g.path)
		if err != nil {
			t.Fatal(err)
		}
		onDisk += st.Size()
	}
	if onDisk != stats.SpoolOctets.Load() {
		t.Errorf("the files have %d octets, the account says %d", onDisk, stats.SpoolOctets.Load())
	}
	got := drain(t, d)
	if !slices.Equal(got, upTo(got[0], n)) {
		t.Error("what is left is not the newest, in order")
	}
	lost := stats.Lost()
	if dropped := stats.Dropped(exporters.SpoolFull); dropped+uint64(len(got))*10 != 10*n || lost.Packets != 2*dropped || lost.Octets != 100*dropped {
		t.Errorf("%d records left, %d dropped, lost %+v", len(got)*10, dropped, lost)
	}
	if stats.SpoolGaps.Load() == 0 {
		t.Error("no gap was marked")
	}
	d.Close(n)
}

// TestDiskLimitCountsUnsentOnly deletes what was sent already: no loss.
func TestDiskLimitCountsUnsentOnly(t *testing.T) {
	cfg := config(t)
	cfg.Size = MinSize
	d, stats, _ := open(t, cfg, 1)
	defer d.Close(0)
	for n := uint64(1); n <= 20_000; n++ {
		fill(t, d, n, n)
		if _, ok := next(d); !ok {
			t.Fatal("nothing to read")
		}
	}
	if n := stats.Lost().Records; n != 0 {
		t.Errorf("%d records counted as lost that were sent", n)
	}
}

func TestDiskAge(t *testing.T) {
	d, stats, _ := open(t, config(t), 1)
	defer d.Close(0)
	fill(t, d, 1, 20)
	if err := d.Tick(time.Now().Add(23*time.Hour), 0); err != nil || stats.Dropped(exporters.SpoolAge) != 0 {
		t.Error(err, "something was dropped after 23 hours")
	}
	if err := d.Tick(time.Now().Add(25*time.Hour), 0); err != nil || stats.Dropped(exporters.SpoolAge) != 200 || d.Unread() {
		t.Error(err, stats.Dropped(exporters.SpoolAge), "dropped after 25 hours, want 200")
	}
	fill(t, d, 21, 25)
	if got := drain(t, d); !slices.Equal(got, upTo(21, 25)) {
		t.Errorf("after that: %v", got)
	}
}

func TestDiskIsHeldByOne(t *testing.T) {
	cfg := config(t)
	d, _, _ := open(t, cfg, 1)
	if _, _, err := OpenDisk(cfg, 2, &exporters.Stats{}, quiet()); err == nil {
		t.Error("two have it")
	}
	d.Close(0)
	d, _, _ = open(t, cfg, 3)
	d.Close(0)
}

func TestDiskUnwritable(t *testing.T) {
	cfg := config(t)
	if err := os.WriteFile(cfg.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenDisk(cfg, 1, &exporters.Stats{}, quiet()); err == nil {
		t.Error("a file is taken for a directory")
	}
}

// TestDiskPositionLost has no position file, or a damaged one: everything is
// sent again.
func TestDiskPositionLost(t *testing.T) {
	for _, edit := range []func(path string) error{
		os.Remove,
		func(path string) error { return os.WriteFile(path, []byte("meter spool 1\nsafe 11\nsent 99"), 0o600) },
		func(path string) error { return os.Truncate(path, 0) },
	} {
		cfg := config(t)
		d, _, _ := open(t, cfg, 1)
		fill(t, d, 1, 20)
		drain(t, d)
		d.Forget(11)
		d.Close(21)
		if err := edit(d.path("position")); err != nil {
			t.Fatal(err)
		}
		d, _, _ = open(t, cfg, 2)
		if got := drain(t, d); !slices.Equal(got, upTo(1, 20)) {
			t.Errorf("read %v", got)
		}
		d.Close(0)
	}
}

// TestSegmentsAreIPFIXFiles reads the files with meter collect.
func TestSegmentsAreIPFIXFiles(t *testing.T) {
	cfg := config(t)
	cfg.Size = MinSize
	d, _, _ := open(t, cfg, 1)
	intro := templateMessage()
	intro.Number = 1
	if err := d.Append(&intro); err != nil {
		t.Fatal(err)
	}
	d.intro = []Message{intro}
	fill(t, d, 2, 4000)
	segments := d.segments
	if len(segments) < 2 {
		t.Fatalf("%d files", len(segments))
	}
	d.Close(1)
	total := uint64(0)
	for _, g := range segments {
		var out bytes.Buffer
		c, err := collect.Open(collect.Default(), g.path, &out)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := c.Stats()
		if text := fmt.Sprint(s); s.Malformed != 0 || bytes.Count(out.Bytes(), []byte(`"flowId"`)) != int(g.flows.Records) {
			t.Errorf("%s: %s, %d records of %d", g.path, text, bytes.Count(out.Bytes(), []byte(`"flowId"`)), g.flows.Records)
		}
		total += g.flows.Records
	}
	if total != 39990 {
		t.Errorf("%d records in all files", total)
	}
}

func TestPreamble(t *testing.T) {
	cfg := config(t)
	d, _, _ := open(t, cfg, 1)
	intro := templateMessage()
	d.intro = []Message{intro}
	fill(t, d, 1, 5)
	later := templateMessage()
	later.Number = 6
	if err := d.Append(&later); err != nil {
		t.Fatal(err)
	}
	fill(t, d, 7, 9)
	d.Forget(4)
	d.Close(5)
	d, _, _ = open(t, cfg, 2)
	defer d.Close(0)
	for n, want := range map[uint64]int{4: 1, 8: 2} {
		d.Rewind(n)
		msgs, err := d.Preamble()
		if err != nil || len(msgs) != want {
			t.Errorf("before message %d: %d messages, %v; want %d", n, len(msgs), err, want)
		}
		for _, m := range msgs {
			if !bytes.Equal(m.Buf[headerSize:], intro.Buf[headerSize:]) {
				t.Errorf("preamble: %x", m.Buf)
			}
		}
	}
}

// FuzzSegment reads damaged files: nothing panics, and what is read was put.
func FuzzSegment(f *testing.F) {
	var file []byte
	file = seal(file, &Message{Buf: append(header(), appendTemplate(nil, 32473)...)}, 0, 0)
	for n := uint64(1); n <= 3; n++ {
		m := message(n, 3)
		file = seal(file, &m, 3*n, uint32(4*n))
	}
	f.Add(file)
	f.Add(file[:len(file)-9])
	f.Add(append([]byte{0, 10, 0}, file...))
	f.Add(slices.Concat(file[:150], file[170:]))
	f.Add([]byte{0, 10, 0, 16})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newReader(bytes.NewReader(b))
		for {
			m, _, err := r.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			end := r.offset
			begin := end - int64(len(m.Buf)+trailerSize)
			if begin < 0 || end > int64(len(b)) {
				t.Fatalf("message at %d to %d of %d octets", begin, end, len(b))
			}
			again, _, ok := unseal(slices.Clone(b[begin:end]))
			if !ok || !bytes.Equal(again.Buf, m.Buf) || again.Number != m.Number {
				t.Fatalf("%x is not in the file at %d", m.Buf, begin)
			}
		}
		path := filepath.Join(t.TempDir(), segmentName(1, 1))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		g := &segment{path: path, generation: 1, first: 1}
		if fnd, err := g.load(); err != nil || g.size+fnd.torn != int64(len(b)) {
			t.Fatalf("%v: %d whole and %d torn octets of %d", err, g.size, fnd.torn, len(b))
		}
	})
}

func FuzzPosition(f *testing.F) {
	f.Add(position{3, 4, 5}.text())
	f.Add([]byte("meter spool 1\nsafe 1\nsent 2\ntotal 3\ncrc32 00000000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p := parsePosition(b); p != (position{}) && !bytes.Equal(p.text(), b) {
			t.Errorf("%q is taken for %+v", b, p)
		}
	})
}

// TestDiskOldest watches the time of the oldest record that was never sent, as
// messages of different times are read.
func TestDiskOldest(t *testing.T) {
	d, stats, _ := open(t, config(t), 1)
	if at, limit := stats.SpoolOldest.Load(), stats.SpoolLimit.Load(); at != 0 || limit != 4<<20 {
		t.Errorf("empty: oldest %d, limit %d", at, limit)
	}
	for n := uint64(1); n <= 3; n++ {
		m := message(n, 10)
		m.Flows.First, m.Flows.Last = int64(n)*100, int64(n)*100+50
		if err := d.Append(&m); err != nil {
			t.Fatal(err)
		}
	}
	if at := stats.SpoolOldest.Load(); at != 100 {
		t.Errorf("nothing sent: oldest %d", at)
	}
	if err := d.Rewind(3); err != nil { // the first two were sent, as their export time
		t.Fatal(err)
	}
	if at := stats.SpoolOldest.Load(); at != 1_600_000_000e9 {
		t.Errorf("the first two sent: oldest %d", at)
	}
	drain(t, d)
	if at := stats.SpoolOldest.Load(); at != 0 {
		t.Errorf("all sent: oldest %d", at)
	}
	if err := d.Close(4); err != nil {
		t.Error(err)
	}
}
