package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmeter/cmd/meter/internal/logs"
	"flowmeter/exporters/web"
	"flowmeter/meter/conf"
)

// TestWebFlags checks what the flags and the file say together.
func TestWebFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inFile := &web.Config{Listen: []string{"a:1"}, Control: true}
	for _, c := range []struct {
		flags webFlags
		file  *web.Config
		want  string // "" for no server
	}{
		{webFlags{}, nil, ""},
		{webFlags{}, inFile, "a:1, takes orders"},
		{webFlags{Listen: []string{"b:2", "c:3"}}, nil, "b:2, c:3"},
		{webFlags{Listen: []string{"b:2"}}, inFile, "b:2, takes orders"},
		{webFlags{File: file}, nil, "127.0.0.1:9469, with " + file},
		{webFlags{File: file}, inFile, "a:1, with " + file + ", takes orders"},
		{webFlags{Socket: true}, inFile, "the sockets of systemd, takes orders"},
		{webFlags{Listen: []string{"b:2"}}, &web.Config{SystemdSocket: true, PProf: true}, "b:2, has profiles"},
	} {
		got, err := c.flags.over(c.file)
		if err != nil {
			t.Errorf("%+v: %v", c.flags, err)
			continue
		}
		if (got == nil) != (c.want == "") || got != nil && describeWeb(got) != c.want {
			t.Errorf("%+v over %+v: %+v, want %s", c.flags, c.file, got, c.want)
		}
	}
	if !slices.Equal(inFile.Listen, []string{"a:1"}) || inFile.ConfigFile != "" {
		t.Errorf("the file's own is changed: %+v", inFile)
	}
	for _, f := range []webFlags{{Listen: []string{"b"}}, {File: "/no/such"}} {
		if _, err := f.over(nil); !errors.As(err, &usageError{}) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// TestOneServer has both keys that serve pages.
func TestOneServer(t *testing.T) {
	for src, want := range map[string]string{
		"web:":                                    "",
		"exporters: [prometheus: ]":               "",
		"web:\nexporters: [prometheus: ]":         "metrics are served already",
		"exporters: [prometheus: , prometheus: ]": "metrics are served already",
		"web: {listen: 80}":                       "write host:port",
		"log: {level: loud}":                      "one of: debug, info, warn, error",
	} {
		var x exporterSection
		v, c := conf.Parse("f", []byte(src))
		v.Map(x.fields())
		if err := c.Err(); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
		if want == "" && !slices.Equal(x.web.served.Listen, []string{web.DefaultListen}) {
			t.Errorf("%s: %+v", src, x.web.served)
		}
	}
}

// TestReadIgnoresService has a file of a service read by a command that is
// none: it opens nothing and complains of nothing.
func TestReadIgnoresService(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("web: {config_file: /no/such}\nlog: {format: journal}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := meterRun(t, "read", "-q", "--top", "0", "-c", file, traces+"ssh.pcap"); status != exitOK || stderr != "" {
		t.Errorf("%d: %s", status, stderr)
	}
}

func TestLogFlags(t *testing.T) {
	c, err := (&logFlags{Format: "json"}).over(logs.Config{Format: logs.Journal, Level: slog.LevelWarn})
	if err != nil || c.Format != logs.JSON || c.Level != slog.LevelWarn {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = (&logFlags{Level: "debug"}).over(c); err != nil || c.Format != logs.JSON || c.Level != slog.LevelDebug {
		t.Errorf("%+v, %v", c, err)
	}
	for _, f := range []logFlags{{Format: "xml"}, {Level: "loud"}} {
		if _, err := f.over(c); !errors.As(err, &usageError{}) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// TestServe starts a server, asks it, and ends it.
func TestServe(t *testing.T) {
	port := freePort(t)
	cfg := &web.Config{Listen: []string{"127.0.0.1:" + port}, Control: true}
	var log bytes.Buffer
	a := &app{log: slog.New(slog.NewTextHandler(&log, nil))}
	ctx, cancel := context.WithCancel(t.Context())
	ended, err := a.serve(ctx, cfg, web.Hooks{Healthy: func() error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://127.0.0.1:" + port + "/-/healthy")
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("%v, %v", resp, err)
	}
	if _, err := a.serve(ctx, cfg, web.Hooks{}); err == nil {
		t.Error("two servers have one address")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "url=http://127.0.0.1:"+port+"/metrics") || strings.Contains(log.String(), "WARN") {
		t.Errorf("log: %s", log.String())
	}
	if ended, err := a.serve(t.Context(), nil, web.Hooks{}); err != nil || <-ended != nil {
		t.Error("no server is an error", err)
	}
}

// TestWarnOfStrangers checks which addresses others can reach.
func TestWarnOfStrangers(t *testing.T) {
	var log bytes.Buffer
	a := &app{log: slog.New(slog.NewTextHandler(&log, nil))}
	a.warnOfStrangers([]net.Listener{at{"127.0.0.1"}, at{"::1"}, at{"192.0.2.1"}, at{"0.0.0.0"}, at{"::"}})
	for address, warned := range map[string]bool{"127.0.0.1:80": false, "[::1]:80": false, "192.0.2.1:80": true, "0.0.0.0:80": true, "[::]:80": true} {
		if strings.Contains(log.String(), "address="+address) != warned && strings.Contains(log.String(), `address="`+address+`"`) != warned {
			t.Errorf("%s: warned %v in\n%s", address, !warned, log.String())
		}
	}
}

// at is a listener on an address that the machine need not have.
type at struct{ ip string }

func (a at) Accept() (net.Conn, error) { return nil, io.EOF }
func (a at) Close() error              { return nil }
func (a at) Addr() net.Addr            { return &net.TCPAddr{IP: net.ParseIP(a.ip), Port: 80} }

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
