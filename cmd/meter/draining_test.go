package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"flowmeter/exporters/web"
	"flowmeter/meter"
	"flowmeter/meter/capture"
	"flowmeter/meter/conf"
	"flowmeter/meter/flow"
)

// TestExportersDrain: what a reload took away is in /status until it has sent
// what it has; the one that comes after it, to the same collector, waits.
func TestExportersDrain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	item := func(more string) string {
		return fmt.Sprintf("exporters: [{ipfix: {address: '%s', transport: tcp%s}}]", l.Addr(), more)
	}
	before, err := built(t, item(""))
	if err != nil {
		t.Fatal(err)
	}
	show := func(o *outputs) (all string) {
		for _, e := range statusOf(&meter.Account{}, o).Exporters {
			all += fmt.Sprintf("%s %d+%d ", e.State, e.Records, e.Queued)
		}
		return all
	}
	eventually := func(o *outputs, want string) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); show(o) != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("/status has %q, want %q", show(o), want)
			}
		}
	}
	eventually(before, "waiting 0+0 ")
	before.start(t.Context())
	offer(before, 3)
	eventually(before, "running 3+0 ")
	first := accept(t, l)

	after := succeed(t, before, item(", resend_overlap: 1"))
	after.begin(t.Context())
	after.finish(before, &meter.Account{})
	offer(after, 5)
	eventually(after, "waiting 0+5 draining 3+0 ")
	last := succeed(t, after, "exporters: []") // one that has not begun is taken away, too
	last.begin(t.Context())
	last.finish(after, &meter.Account{})
	eventually(last, "draining 3+0 draining 0+5 ")
	readAll(t, first)
	eventually(last, "draining 5+0 ")
	readAll(t, accept(t, l))
	eventually(last, "")
	if err := last.wait(); err != nil {
		t.Error(err)
	}
}

// offer gives the feeds of a run a batch of n records.
func offer(o *outputs, n int) {
	for _, f := range o.feeds {
		b := &flow.Batch{Records: make([]flow.Record, n)}
		for i := range b.Records {
			b.Records[i].RuleSet = &flow.RuleSet{Name: "default"}
		}
		b.Retain(1)
		f.Offer(b)
	}
}

func succeed(t *testing.T, o *outputs, yaml string) *outputs {
	t.Helper()
	var x exporterSection
	v, errs := conf.Parse("c.yaml", []byte(yaml))
	v.Map(x.fields())
	n, err := o.successor(&x, &meter.Settings{ID: 7})
	if err != nil || errs.Err() != nil {
		t.Fatal(err, errs.Err())
	}
	return n
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// readAll is a collector that reads to the end of a connection and closes it.
func readAll(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); n == 0 || err != nil {
		t.Errorf("%d octets came, %v", n, err)
	}
	c.Close()
}

// TestInputsDrain: an input that a reload took away is in /status until it has
// been metered to its end, and the pages are served meanwhile.
func TestInputsDrain(t *testing.T) {
	r := configured(t, &runCmd{}, "meter: {inputs: [{name: a, interface: lo}, {name: b, interface: any}]}")
	r.app, r.shared, r.out = &app{log: slog.New(slog.DiscardHandler)}, &shared{}, newOutputs(true, slog.New(slog.DiscardHandler))
	var err error
	if r.inputs, err = r.build(r.settings, r.out); err != nil {
		t.Fatal(err)
	}
	show := func() (all string) {
		s := r.status().(web.Status)
		for i := range s.Inputs {
			all += s.Inputs[i].Name + " " + string(s.Inputs[i].State) + " "
		}
		return all
	}
	if s := show(); s != "a running b running " {
		t.Errorf("before: %s", s)
	}
	gone := r.inputs[0]
	settings := configured(t, &runCmd{}, "meter: {inputs: [{name: b, interface: any}]}").settings
	r.leaving, r.settings, r.inputs = []*runningInput{gone}, settings, r.inputs[1:]
	retired := make(chan struct{})
	go func() {
		r.retire()
		close(retired)
	}()
	if s := show(); s != "b running a draining " {
		t.Errorf("while it drains: %s", s)
	}
	close(gone.ended)
	<-retired
	if s := show(); s != "b running " {
		t.Errorf("afterwards: %s", s)
	}
	if len(r.retired) != 1 {
		t.Error("its account is gone")
	}
}

// TestExportersBeginAtOnce: exporters of a reload do not wait for inputs that it
// took away, and that take their time to end.
func TestExportersBeginAtOnce(t *testing.T) {
	const input = "meter: {inputs: [{name: a, interface: lo}]}\n"
	r := configured(t, &runCmd{}, input)
	log := slog.New(slog.DiscardHandler)
	r.app, r.shared, r.out, r.ctx = &app{log: log, stderr: io.Discard}, &shared{}, newOutputs(true, log), t.Context()
	var err error
	if r.inputs, err = r.build(r.settings, r.out); err != nil {
		t.Fatal(err)
	}
	gone := r.inputs[0]
	gone.open = true // it cannot be reloaded, as it never ran: so it is to end
	path := filepath.Join(t.TempDir(), "flows.jsonl")
	if err := os.WriteFile(r.cmd.Config, []byte(input+"exporters: [{jsonl: {path: '"+path+"'}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := make(chan error)
	go func() { changed <- r.change() }()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, queues := r.shown()
		if len(queues) == 1 && queues[0].Stats().Up.Load() {
			break
		}
		if time.Now().After(end) {
			t.Error("the new exporter waits")
			break
		}
	}
	close(gone.ended)
	if err := <-changed; err == nil {
		t.Error("an input that never ran was reloaded")
	}
}

// hangingRing gives nothing, and then does not come back.
type hangingRing struct {
	calls int
	hang  chan struct{}
}

func (r *hangingRing) Next(time.Duration) (*capture.Batch, error) {
	if r.calls++; r.calls < 3 {
		return nil, nil
	}
	<-r.hang
	return nil, io.EOF
}

func (*hangingRing) Interfaces() []capture.Interface { return nil }

// TestHangingInputIsSeen, also that of one which a reload took away.
func TestHangingInputIsSeen(t *testing.T) {
	r := configured(t, &runCmd{}, "meter: {inputs: [{name: a, interface: lo}]}")
	log := slog.New(slog.DiscardHandler)
	r.app, r.shared, r.out = &app{log: log}, &shared{}, newOutputs(true, log)
	var err error
	if r.inputs, err = r.build(r.settings, r.out); err != nil {
		t.Fatal(err)
	}
	in, ring := r.inputs[0], &hangingRing{hang: make(chan struct{})}
	metered := make(chan error)
	go func() { metered <- in.meter.RunLive([]meter.Ring{ring}, func(error) {}) }()
	<-in.meter.Begun()
	time.Sleep(50 * time.Millisecond)
	for range 2 {
		if r.hung(time.Millisecond) == nil || r.hung(time.Minute) != nil {
			t.Errorf("inputs %d, leaving %d: %v, %v", len(r.inputs), len(r.leaving), r.hung(time.Millisecond), r.hung(time.Minute))
		}
		r.inputs, r.leaving = nil, r.inputs
	}
	close(ring.hang)
	if err := <-metered; err != nil {
		t.Error(err)
	}
	if err := r.hung(time.Millisecond); err != nil {
		t.Error(err)
	}
}
