package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/flow"
)

// configured reads a configuration as meter run does, with the given flags.
func configured(t *testing.T, c *runCmd, text string) *service {
	t.Helper()
	c.Config = filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(c.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, section, err := c.parse()
	if err != nil {
		t.Fatal(err)
	}
	r := &service{cmd: c, settings: settings}
	if r.pages, err = c.Web.over(section.web.served); err != nil {
		t.Fatal(err)
	}
	if r.logged, err = c.Log.over(section.log); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFixed changes one thing after the other in a configuration: what a reload
// cannot change is named, and all else is not in its way.
func TestFixed(t *testing.T) {
	const before = "meter: {id: 1, workers: 1, inputs: [{interface: lo}]}\nweb: {listen: ['127.0.0.1:9469']}\nlog: {level: info}\n"
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{"id: 1", "id: 2", "meter.id changed: that needs a new start (systemctl restart meter)"},
		{"workers: 1", "workers: 2", "meter.workers changed"},
		{"workers: 1", "workers: 1, decision_cache: 0", "meter.decision_cache changed"},
		{"9469", "9470", "web changed"},
		{"]}\nlog", "], control: true}\nlog", "web changed"},
		{"web:", "#", "web changed"},
		{"level: info", "level: warn", "log changed"},
		{"interface: lo", "traces: [a.pcap]", errOnlyTraces.Error()},
		{"interface: lo", "interface: any", ""},
		{"web:", "exporters: [{csv: {path: /dev/null}}]\nweb:", ""},
		{"web:", "rulesets: [{name: a}]\nweb:", ""},
	} {
		r := configured(t, &runCmd{}, before)
		if err := os.WriteFile(r.cmd.Config, []byte(strings.Replace(before, c.old, c.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		settings, section, err := r.cmd.parse()
		if err != nil {
			t.Fatal(err)
		}
		if err = r.fixed(settings, section); (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s to %s: %v, want %q", c.old, c.new, err, c.want)
		}
	}
}

// TestFixedByFlags: what a flag says stays as it is, whatever the file says.
func TestFixedByFlags(t *testing.T) {
	c := &runCmd{Web: webFlags{Listen: []string{"127.0.0.1:9999"}}, Log: logFlags{Level: "warn"}}
	r := configured(t, c, "meter: {inputs: [{interface: lo}]}\nweb: {listen: ['127.0.0.1:1']}\nlog: {level: info}\n")
	if err := os.WriteFile(c.Config, []byte("meter: {inputs: [{interface: lo}]}\nweb: {listen: ['127.0.0.1:2']}\nlog: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings, section, err := c.parse()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.fixed(settings, section); err != nil {
		t.Error(err)
	}
	c.Web.File = "/no/such"
	if err := r.fixed(settings, section); !errors.As(err, &usageError{}) {
		t.Errorf("a web configuration that is gone: %v", err)
	}
}

// rotatable is a sink that says when it was to look for another file.
type rotatable struct{ looked chan struct{} }

func (rotatable) Export(*flow.Batch) error { return nil }
func (rotatable) Tick(time.Time) error     { return nil }
func (rotatable) Close() error             { return nil }

func (s rotatable) Reopen() error {
	close(s.looked)
	return nil
}

// TestReloadWaitsForTheStart: a reload that is wanted while the service begins
// touches nothing until it has begun.
func TestReloadWaitsForTheStart(t *testing.T) {
	r := configured(t, &runCmd{}, "meter: {inputs: [{interface: lo}]}")
	log := slog.New(slog.DiscardHandler)
	r.app, r.manager, r.out = &app{log: log}, &lifecycle{log: log}, newOutputs(true, log)
	s := rotatable{make(chan struct{})}
	r.out.add("test", s)
	go r.out.queues[0].Run(t.Context())
	begun := r.beginning()
	r.reloads.over = true // it is to come no further
	reloaded := make(chan error)
	go func() { reloaded <- r.reload(t.Context()) }()
	select {
	case <-s.looked:
		t.Error("a reload met the start")
	case <-time.After(100 * time.Millisecond):
	}
	begun()
	if err := <-reloaded; err != errStopping {
		t.Error(err)
	}
	<-s.looked
}
