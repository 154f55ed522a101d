package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// all are hooks that work.
func all() Hooks {
	return Hooks{
		Metrics: func(w io.Writer) error { _, err := io.WriteString(w, "a_total 1\n"); return err },
		Healthy: func() error { return nil },
		Ready:   func() []string { return nil },
		Status:  func() any { return map[string]int{"a": 1} },
		Flows: func(w io.Writer, top int, sort string, json bool) error {
			_, err := fmt.Fprintf(w, "top=%d sort=%s json=%v\n", top, sort, json)
			return err
		},
		Expire: func(context.Context) error { return nil },
		Reload: func(context.Context) error { return nil },
	}
}

// serve starts a server on a free port and returns where its pages are.
func serve(t *testing.T, cfg Config, hooks Hooks) (base string) {
	t.Helper()
	cfg.Listen = []string{"127.0.0.1:1"}
	s, err := New(cfg, hooks, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.Listen = []string{"127.0.0.1:0"}
	listeners, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listeners) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server goes on")
		}
	})
	return strings.TrimSuffix(s.URLs(listeners)[0], "/")
}

// ask makes a request and returns the answer with its body.
func ask(t *testing.T, c *http.Client, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// TestMethodsAndPermissions asks for every page with every method, with all
// switched on, all off, and with nothing behind the pages.
func TestMethodsAndPermissions(t *testing.T) {
	for _, c := range []struct {
		path         string
		method       string // the one that is served
		on, off, nil int
	}{
		{"/", "GET", 200, 200, 200},
		{"/metrics", "GET", 200, 200, 501},
		{"/status", "GET", 200, 200, 501},
		{"/flows", "GET", 200, 403, 501},
		{"/-/healthy", "GET", 200, 200, 501},
		{"/-/ready", "GET", 200, 200, 501},
		{"/-/expire", "POST", 200, 403, 501},
		{"/-/reload", "POST", 200, 403, 501},
		{"/debug/pprof/", "GET", 200, 403, 200},
		{"/debug/pprof/heap", "GET", 200, 403, 200},
		{"/debug/pprof/cmdline", "GET", 200, 403, 200},
		{"/debug/pprof/profile?seconds=1", "GET", 200, 403, 200},
		{"/debug/pprof/trace?seconds=0.1", "GET", 200, 403, 200},
		{"/debug/pprof/symbol", "GET", 200, 403, 200},
		{"/other", "GET", 404, 404, 404},
		{"/metrics/", "GET", 404, 404, 404},
	} {
		for _, server := range []struct {
			cfg   Config
			hooks Hooks
			want  int
		}{
			{Config{Control: true, PProf: true}, all(), c.on},
			{Config{}, all(), c.off},
			{Config{Control: true, PProf: true}, Hooks{}, c.nil},
		} {
			base := serve(t, server.cfg, server.hooks)
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
				want := server.want
				served := method == c.method || method == "HEAD" && c.method == "GET" ||
					method == "POST" && c.path == "/debug/pprof/symbol"
				if !served && want != http.StatusNotFound {
					want = http.StatusMethodNotAllowed
				}
				resp, body := ask(t, http.DefaultClient, method, base+c.path)
				if resp.StatusCode != want {
					t.Errorf("%s %s, control %v: %d, want %d: %s", method, c.path, server.cfg.Control, resp.StatusCode, want, body)
				}
				if want == http.StatusMethodNotAllowed && !strings.Contains(resp.Header.Get("Allow"), c.method) {
					t.Errorf("%s %s: allowed are %q", method, c.path, resp.Header.Get("Allow"))
				}
				if h := resp.Header.Get("X-Content-Type-Options"); h != "nosniff" {
					t.Errorf("%s %s: X-Content-Type-Options %q", method, c.path, h)
				}
			}
		}
	}
}

// TestRefusalNamesTheKey checks that who may not is told what to set.
func TestRefusalNamesTheKey(t *testing.T) {
	base := serve(t, Config{}, all())
	for path, want := range map[string]string{
		"POST /-/reload":    "/-/reload is off: set web: {control: true} in the configuration",
		"GET /flows":        "/flows is off: set web: {control: true} in the configuration",
		"GET /debug/pprof/": "/debug/pprof/ is off: set web: {pprof: true} in the configuration",
	} {
		method, path, _ := strings.Cut(path, " ")
		if _, body := ask(t, http.DefaultClient, method, base+path); !strings.Contains(body, want) {
			t.Errorf("%s %s: %q, want %q", method, path, body, want)
		}
	}
}

// TestPages has pages whose hooks find something to say.
func TestPages(t *testing.T) {
	h := all()
	h.Metrics = func(w io.Writer) error { io.WriteString(w, "half a page"); return errors.New("no numbers") }
	h.Healthy = func() error { return errors.New("worker 1 stands still") }
	h.Ready = func() []string { return []string{"input eth0: down", "exporter ipfix 192.0.2.1:4739: not connected"} }
	h.Expire = func(context.Context) error { return errors.New("stopping") }
	bad := serve(t, Config{Control: true}, h)
	good := serve(t, Config{Control: true, PProf: true}, all())
	for _, c := range []struct {
		method, url string
		status      int
		contentType string
		body        string
	}{
		{"GET", good + "/metrics", 200, exposition, "a_total 1\n"},
		{"GET", bad + "/metrics", 500, plain, "no numbers\n"},
		{"GET", good + "/-/healthy", 200, plain, "meter is healthy\n"},
		{"GET", bad + "/-/healthy", 503, plain, "meter is not healthy: worker 1 stands still\n"},
		{"GET", good + "/-/ready", 200, plain, "meter is ready\n"},
		{"GET", bad + "/-/ready", 503, plain, "meter is not ready\ninput eth0: down\nexporter ipfix 192.0.2.1:4739: not connected\n"},
		{"GET", good + "/status", 200, jsonPage, "{\n  \"a\": 1\n}\n"},
		{"POST", good + "/-/expire", 200, plain, "expire: done\n"},
		{"POST", good + "/-/reload", 200, plain, "reload: done\n"},
		{"POST", bad + "/-/expire", 500, plain, "expire: stopping\n"},
	} {
		resp, body := ask(t, http.DefaultClient, c.method, c.url)
		if resp.StatusCode != c.status || body != c.body || resp.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s %s: %d %s %q, want %d %s %q", c.method, c.url, resp.StatusCode, resp.Header.Get("Content-Type"), body, c.status, c.contentType, c.body)
		}
	}
}

// TestLinks follows the links of the first page: it has those that are served.
func TestLinks(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want []string
	}{
		{Config{}, []string{"/metrics", "/status", "/-/healthy", "/-/ready"}},
		{Config{Control: true, PProf: true}, []string{"/metrics", "/status", "/flows", "/-/healthy", "/-/ready", "/debug/pprof/"}},
	} {
		base := serve(t, c.cfg, all())
		_, page := ask(t, http.DefaultClient, "GET", base+"/")
		if n := strings.Count(page, "href="); n != len(c.want) {
			t.Errorf("%d links, want %d:\n%s", n, len(c.want), page)
		}
		for _, path := range c.want {
			if !strings.Contains(page, `<a href="`+path+`">`) {
				t.Errorf("no link to %s", path)
			}
			if resp, _ := ask(t, http.DefaultClient, "GET", base+path); resp.StatusCode != 200 {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
	}
}

// TestForeignOrigin has a web site make its visitor's browser give orders.
func TestForeignOrigin(t *testing.T) {
	var given atomic.Int32
	h := all()
	h.Reload = func(context.Context) error { given.Add(1); return nil }
	base := serve(t, Config{Control: true}, h)
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, 200}, // curl
		{[]string{"Origin", base}, 200},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		{[]string{"Origin", "https://example.net"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site", "Origin", base}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
	} {
		before := given.Load()
		resp, body := ask(t, http.DefaultClient, "POST", base+"/-/reload", c.header...)
		if resp.StatusCode != c.status || (given.Load() > before) != (c.status == 200) {
			t.Errorf("%v: %d %q, want %d", c.header, resp.StatusCode, body, c.status)
		}
	}
}

// TestRebinding has a web site whose name was made to lead here: without
// passwords it is shown what all may see, and may give no orders.
func TestRebinding(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	write(t, file, "")
	open, withFile := serve(t, Config{Control: true, PProf: true}, all()), serve(t, Config{Control: true, ConfigFile: file}, all())
	for _, c := range []struct {
		base, method, path, host string
		status                   int
	}{
		{open, "POST", "/-/reload", "example.net", 403},
		{open, "POST", "/-/reload", "example.net:9469", 403},
		{open, "GET", "/flows", "127.0.0.1.example.net", 403},
		{open, "GET", "/debug/pprof/cmdline", "example.net", 403},
		{open, "GET", "/metrics", "example.net", 200},
		{open, "POST", "/-/reload", "localhost:9469", 200},
		{open, "POST", "/-/reload", "192.0.2.1", 200},
		{open, "POST", "/-/reload", "[2001:db8::1]:80", 200},
		{open, "POST", "/-/reload", "[2001:db8::1]", 200},
		{withFile, "POST", "/-/reload", "meter.example.net", 200},
	} {
		req, err := http.NewRequest(c.method, c.base+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s %s of %s: %s, want %d", c.method, c.path, c.host, resp.Status, c.status)
		}
	}
	named := Config{Listen: []string{"Meter.example.net:9469"}}
	if !named.knows("meter.example.net:9469") || named.knows("example.net:9469") || named.knows("") {
		t.Error("the names of web.listen")
	}
}

// TestOneOrderAtATime asks for a reload while flows are being expired, and
// leaves before that ends.
func TestOneOrderAtATime(t *testing.T) {
	begun, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	h := all()
	h.Expire = func(ctx context.Context) error {
		close(begun)
		<-end
		done <- ctx.Err()
		return nil
	}
	base := serve(t, Config{Control: true}, h)
	ctx, leave := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "POST", base+"/-/expire", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	<-begun
	if resp, body := ask(t, http.DefaultClient, "POST", base+"/-/reload"); resp.StatusCode != http.StatusConflict {
		t.Errorf("%s %q", resp.Status, body)
	}
	leave()
	close(end)
	if err := <-done; err != nil {
		t.Errorf("the order is broken off: %v", err)
	}
}

// TestBounds sends a header that is too long: the server reads no more of it
// than it needs to.
func TestBounds(t *testing.T) {
	base := serve(t, Config{}, all())
	c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	head := "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: "
	if _, err := io.WriteString(c, head+strings.Repeat("x", maxHeader+4096-len(head))); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if answer, err := bufio.NewReader(c).ReadString('\n'); !strings.Contains(answer, " 431 ") {
		t.Errorf("%q, %v", answer, err)
	}
}

// TestSeveralListeners has one server on two ports; one that is taken is an
// error, and the others are given up.
func TestSeveralListeners(t *testing.T) {
	cfg := Default()
	s, err := New(cfg, all(), discard())
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.Listen = []string{"127.0.0.1:0", "127.0.0.1:0"}
	listeners, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listeners) }()
	for _, url := range s.URLs(listeners) {
		if resp, _ := ask(t, http.DefaultClient, "GET", url+"metrics"); resp.StatusCode != 200 {
			t.Errorf("%s: %s", url, resp.Status)
		}
	}
	taken := Server{cfg: Config{Listen: []string{"127.0.0.1:0", listeners[0].Addr().String()}}}
	if l, err := taken.Listen(); err == nil || l != nil {
		t.Errorf("%v, %v", l, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
