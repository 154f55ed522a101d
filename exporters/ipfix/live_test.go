package ipfix

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/sample"
)

// eachTransport runs a test over TCP and over TLS.
func eachTransport(t *testing.T, test func(t *testing.T, secure bool)) {
	for name, secure := range map[string]bool{"tcp": false, "tls": true} {
		t.Run(name, func(t *testing.T) { test(t, secure) })
	}
}

// TestLiveQuiet has a link with few records: they arrive within two seconds,
// and nothing goes to disk.
func TestLiveQuiet(t *testing.T) {
	eachTransport(t, func(t *testing.T, secure bool) {
		p, cfg := newPeer(t, secure)
		p.run()
		f := feed(t, cfg)
		begin := time.Now()
		f.give(sample.Records(1, 5))
		f.sent(3 * time.Second)
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("took %v", d)
		}
		if files := onDisk(cfg); len(files) > 0 || !f.e.Stats().Up.Load() {
			t.Errorf("up: %v, spool: %v", f.e.Stats().Up.Load(), files)
		}
		f.end()
		f.check(p)
		if f.e.Stats().Resent.Load() != 0 || len(p.sessions()) != 1 {
			t.Errorf("%d sent again, %d sessions", f.e.Stats().Resent.Load(), len(p.sessions()))
		}
	})
}

// TestLiveFields compares every field of records that went through the spool.
func TestLiveFields(t *testing.T) {
	p, cfg := newPeer(t, false)
	cfg.Fields = everything
	f := feed(t, cfg)
	records := sample.Records(2, 2000)
	f.give(records)
	until(t, "the spool has them", 5*time.Second, func() bool { return f.e.Stats().SpoolRecords.Load() == 2000 })
	p.run()
	f.sent(35 * time.Second)
	f.end()
	c := newCollector(t, streamMessage)
	for _, data := range p.sessions() {
		c.session()
		c.stream(data)
	}
	c.check(cfg, records)
}

// TestLiveOutages stops, kills and restarts a collector under load.
func TestLiveOutages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	eachTransport(t, func(t *testing.T, secure bool) {
		t.Parallel()
		p, cfg := newPeer(t, secure)
		p.run()
		f := feed(t, cfg)
		rest := sample.Records(3, 200_000)
		rest = f.steadily(rest, 100, time.Second)
		p.signal(syscall.SIGSTOP)
		rest = f.untilSpooled(rest, 400)
		p.signal(syscall.SIGCONT)
		rest = f.steadily(rest, 100, time.Second)
		p.signal(syscall.SIGKILL)
		rest = f.steadily(rest, 100, 2*time.Second)
		if f.e.Stats().Up.Load() {
			t.Error("the exporter is said to be up, the collector is dead")
		}
		p.run()
		rest = f.steadily(rest, 100, time.Second)
		p.signal(syscall.SIGSTOP)
		rest = f.steadily(rest, 400, time.Second)
		p.signal(syscall.SIGKILL)
		p.run()
		f.steadily(rest, 50, time.Second)
		f.sent(60 * time.Second)
		f.end()
		f.check(p)
		if files := onDisk(cfg); len(files) > 0 {
			t.Errorf("the spool has files after all was delivered: %v", files)
		}
	})
}

// TestLiveOrder checks that records arrive in their order, spool or not.
func TestLiveOrder(t *testing.T) {
	p, cfg := newPeer(t, false)
	cfg.Spool.Rate = 0
	f := feed(t, cfg)
	rest := f.steadily(sample.TCP4(60_000), 100, time.Second)
	p.run()
	rest = f.steadily(rest, 100, 2*time.Second)
	p.signal(syscall.SIGSTOP)
	rest = f.steadily(rest, 600, time.Second)
	p.signal(syscall.SIGCONT)
	f.steadily(rest, 100, time.Second)
	f.sent(40 * time.Second)
	f.end()
	f.check(p)
	_, order := p.flows()
	for i := range order {
		if order[i].id != f.given[i].FlowID {
			t.Fatalf("record %d is not the %dth to arrive", i, i)
		}
	}
}

// TestLiveKilledUnread has a collector that takes what comes into its socket's
// buffer, does not read it and dies: the overlap covers it.
func TestLiveKilledUnread(t *testing.T) {
	eachTransport(t, func(t *testing.T, secure bool) {
		p, cfg := newPeer(t, secure)
		p.limit = 100_000
		p.run()
		f := feed(t, cfg)
		rest := f.steadily(sample.TCP4(50_000), 200, 1500*time.Millisecond) // about 1 MB
		p.signal(syscall.SIGKILL)
		p.limit = 1 << 60
		p.run()
		f.steadily(rest, 50, time.Second)
		f.sent(30 * time.Second)
		f.end()
		f.check(p)
		if f.e.Stats().Resent.Load() == 0 {
			t.Error("nothing was sent again")
		}
	})
}

// TestLiveRate holds a collector that is back to the rate.
func TestLiveRate(t *testing.T) {
	p, cfg := newPeer(t, false)
	cfg.Spool.Rate = 10_000
	f := feed(t, cfg)
	f.give(sample.TCP4(20_000))
	until(t, "the spool has them", 5*time.Second, func() bool { return f.e.Stats().SpoolRecords.Load() == 20_000 })
	p.run()
	until(t, "the first are sent", 35*time.Second, func() bool { return f.e.Stats().Records.Load() > 0 })
	begin := time.Now()
	f.sent(30 * time.Second)
	if d := time.Since(begin); d < 1500*time.Millisecond || d > 6*time.Second {
		t.Errorf("20000 records at 10000 a second took %v", d)
	}
	f.end()
	f.check(p)
}

// TestLiveStoppedWithSpool stops the meter while the collector is away. The
// next run has other fields, so that its templates have the same numbers and
// mean something else.
func TestLiveStoppedWithSpool(t *testing.T) {
	p, cfg := newPeer(t, false)
	first := feed(t, cfg)
	first.give(sample.Records(4, 5000))
	until(t, "the spool has them", 5*time.Second, func() bool { return first.e.Stats().SpoolRecords.Load() == 5000 })
	first.give(sample.Records(5, 300))
	first.end()
	if n := first.e.Stats().Lost().Records; n != 0 {
		t.Errorf("%d records lost", n)
	}
	p.run()
	cfg.Fields = []string{"octetDeltaCount", "flowId", "pieceNumber", "flowEndReason"}
	second := feed(t, cfg)
	second.given = slices.Clone(first.given)
	second.give(sample.Records(6, 1000))
	second.sent(10 * time.Second)
	second.end()
	second.check(p)
	if n := len(p.sessions()); n != 2 {
		t.Errorf("%d sessions, want one for each run's templates", n)
	}
}

// TestLiveWithoutSpool has no disk: what does not fit is dropped by the queue
// and counted, and another exporter does not notice.
func TestLiveWithoutSpool(t *testing.T) {
	p, cfg := newPeer(t, false)
	cfg.Spool.Dir = ""
	p.run()
	f := feed(t, cfg)
	other, otherCfg := newPeer(t, false)
	otherCfg.Spool.Dir = ""
	other.run()
	g := feed(t, otherCfg)
	p.signal(syscall.SIGSTOP)
	records := sample.TCP4(100_000)
	for i := 0; i < len(records); i += 10_000 {
		f.give(records[i : i+10_000])
		g.give(records[i : i+10_000])
		time.Sleep(50 * time.Millisecond)
	}
	g.sent(10 * time.Second)
	dropped := f.e.Stats().Dropped(exporters.QueueFull)
	if dropped == 0 {
		t.Error("nothing was dropped: the test tests nothing")
	}
	p.signal(syscall.SIGCONT)
	until(t, "the rest was sent", 20*time.Second, func() bool { return f.e.Stats().Records.Load()+dropped == uint64(len(records)) })
	f.end()
	g.end()
	g.check(other)
	if times, _ := p.flows(); uint64(len(times))+dropped != uint64(len(records)) {
		t.Errorf("%d arrived and %d were dropped of %d", len(times), dropped, len(records))
	}
}

// TestLiveUnwritableSpool cannot make its directory: the meter goes on.
func TestLiveUnwritableSpool(t *testing.T) {
	p, cfg := newPeer(t, false)
	if err := os.WriteFile(cfg.Spool.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.run()
	f := feed(t, cfg)
	f.give(sample.TCP4(5000))
	f.sent(5 * time.Second)
	f.end()
	f.check(p)
	if f.e.Stats().Errors.Load() == 0 {
		t.Error("it was not counted")
	}
}

// TestLiveDiskBroken has a spool that can make no new file.
func TestLiveDiskBroken(t *testing.T) {
	_, cfg := newPeer(t, false)
	cfg.Spool.Size = 2 << 20 // files of 512 KiB
	f := feed(t, cfg)
	f.give(sample.TCP4(1000))
	until(t, "the spool works", 5*time.Second, func() bool { return f.e.Stats().SpoolRecords.Load() > 0 })
	if err := os.Rename(cfg.Spool.Dir, cfg.Spool.Dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg.Spool.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.give(sample.TCP4(60_000))
	f.checkFull(61_000)
}

// checkFull waits for the first loss of a spool that takes nothing more, and
// checks the account of all that was given.
func (f *feeder) checkFull(given int) {
	f.t.Helper()
	until(f.t, "the loss is counted", 10*time.Second, func() bool { return f.e.Stats().Dropped(exporters.SpoolFailed) > 0 })
	f.end()
	s := f.e.Stats()
	if n := s.SpoolRecords.Load() + int64(s.Lost().Records); n != int64(given) {
		f.t.Errorf("%d in the spool and %d lost, of %d", s.SpoolRecords.Load(), s.Lost().Records, given)
	}
	if s.Errors.Load() == 0 {
		f.t.Error("it was not said")
	}
}

// childExporter spools records for a collector that is not there, and says how
// many are on disk, until it is killed.
func childExporter() {
	cfg := Default()
	cfg.Transport, cfg.Live, cfg.Address, cfg.Domain, cfg.Log = TCP, true, os.Getenv("METER_TEST_ADDRESS"), 7, quietLog()
	cfg.Spool.Dir = os.Getenv("METER_TEST_DIR")
	e, err := New(cfg)
	exitIf(err)
	qc := exporters.DefaultQueue()
	qc.Log = quietLog()
	q := exporters.NewQueue("child", e, qc)
	go q.Run(testContext{})
	records := sample.TCP4(childRecords)
	for i := 0; i < childRecords; i += 100 {
		b := batch(records[i : i+100])
		b.Retain(1)
		q.Offer(b)
		time.Sleep(time.Millisecond)
		fmt.Println(i+100, e.Stats().SpoolRecords.Load())
	}
	select {}
}

// childRecords is how many records the child that is killed has to give.
const childRecords = 200_000

// testContext never ends.
type testContext struct{}

func (testContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (testContext) Done() <-chan struct{}       { return nil }
func (testContext) Err() error                  { return nil }
func (testContext) Value(any) any               { return nil }

// TestLiveKillNine kills an exporter: what had reached the spool arrives after
// the restart, and what had not is bounded by a queue, and counted.
func TestLiveKillNine(t *testing.T) {
	p, cfg := newPeer(t, false)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "METER_TEST_CHILD=exporter", "METER_TEST_ADDRESS="+p.address, "METER_TEST_DIR="+cfg.Spool.Dir)
	out, err := os.Create(cfg.Spool.Dir + ".out")
	if err != nil {
		t.Fatal(err)
	}
	child.Stdout, child.Stderr = out, os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the child spools", 30*time.Second, func() bool { st, err := out.Stat(); return err == nil && st.Size() > 2000 })
	time.Sleep(time.Second)
	child.Process.Kill()
	child.Wait()
	given, spooled := lastLine(t, out.Name())
	if spooled < 2000 {
		t.Fatalf("only %d of %d records were in the spool", spooled, given)
	}
	p.run()
	f := feed(t, cfg)
	own := sample.Records(9, 100)
	f.give(own)
	time.Sleep(100 * time.Millisecond)
	until(t, "the spool is empty", 20*time.Second, func() bool {
		return f.e.Stats().SpoolRecords.Load() == 0 && f.e.Stats().Records.Load()+f.e.Stats().Resent.Load() >= uint64(spooled+len(own))
	})
	f.end()
	times, _ := p.flows()
	arrived := 0
	for i, r := range sample.TCP4(childRecords) {
		there := times[flowPiece{r.FlowID, uint64(r.Piece)}] > 0
		if there {
			arrived++
		}
		if i < spooled && !there {
			t.Fatalf("record %d had reached the spool, which had %d, and did not arrive", i, spooled)
		}
	}
	killed := f.e.Stats().Dropped(exporters.Killed)
	t.Logf("%d given, %d in the spool as last said, %d arrived; %d counted as killed", given, spooled, arrived, killed)
	if missing := given - arrived; missing > 5000 || killed > 5000 {
		t.Errorf("%d records are missing, %d were counted", missing, killed)
	}
}

// lastLine reads the last whole line of two numbers.
func lastLine(t *testing.T, path string) (given, spooled int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	text = text[:strings.LastIndexByte(text, '\n')]
	text = text[strings.LastIndexByte(text, '\n')+1:]
	first, second, _ := strings.Cut(text, " ")
	given, err1 := strconv.Atoi(first)
	spooled, err2 := strconv.Atoi(second)
	if err1 != nil || err2 != nil {
		t.Fatalf("last line %q", text)
	}
	return given, spooled
}

// TestLiveUpBeforeRecords has a collector come, go and come back while there
// is nothing to export.
func TestLiveUpBeforeRecords(t *testing.T) {
	eachTransport(t, func(t *testing.T, secure bool) {
		p, cfg := newPeer(t, secure)
		f := feed(t, cfg)
		up := func() bool { return f.e.Stats().Up.Load() }
		time.Sleep(1500 * time.Millisecond) // a tick or two
		if up() {
			t.Error("up without a collector")
		}
		p.run()
		until(t, "up", 10*time.Second, up)
		p.signal(syscall.SIGKILL)
		until(t, "down", 10*time.Second, func() bool { return !up() })
		p.run()
		until(t, "up again", 10*time.Second, up)
		f.end()
	})
}

// TestFileUpBeforeRecords opens a file that can be written, and one that cannot.
func TestFileUpBeforeRecords(t *testing.T) {
	for path, want := range map[string]bool{t.TempDir() + "/flows.ipfix": true, "/no/such/flows.ipfix": false} {
		cfg := Default()
		cfg.Transport, cfg.Path, cfg.Live = File, path, true
		f := feed(t, cfg)
		time.Sleep(100 * time.Millisecond)
		if up := f.e.Stats().Up.Load(); up != want {
			t.Errorf("%s: up is %v", path, up)
		}
		f.end()
	}
}
