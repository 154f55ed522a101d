package prometheus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/conf"
)

func TestPage(t *testing.T) {
	p := NewPage()
	a := p.Add(Family{Name: "b_total", Type: "counter", Help: "Bs.", Labels: []string{"x", "y"}})
	g := p.Add(Family{Name: "a_now", Type: "gauge", Help: "As."})
	p.Add(Family{Name: "none_total", Type: "counter", Help: "A family without values is not shown."})
	a(1, "q\"\\\n", "2")
	g(7)
	a(18446744073709551615, "other", "")
	var got bytes.Buffer
	if err := p.Write(&got); err != nil {
		t.Fatal(err)
	}
	want := `# HELP b_total Bs.
# TYPE b_total counter
b_total{x="other",y=""} 18446744073709551615
b_total{x="q\"\\\n",y="2"} 1
# HELP a_now As.
# TYPE a_now gauge
a_now 7
`
	if got.String() != want {
		t.Errorf("page\n%s\nwant\n%s", got.String(), want)
	}
}

func TestServer(t *testing.T) {
	notReady, broken := errors.New("no input"), errors.New("no numbers")
	var ready, failing error
	s := New(Config{Listen: "127.0.0.1:0"}, func(w io.Writer) error {
		io.WriteString(w, "a_total 1\n")
		return failing
	}, func() error { return ready })
	ctx, cancel := context.WithCancel(context.Background())
	addr, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- s.Run(ctx, func(a net.Addr) { addr <- a }) }()
	base := "http://" + (<-addr).String()

	for _, c := range []struct {
		path           string
		ready, failing error
		status         int
		body           string
	}{
		{"/metrics", nil, nil, 200, "a_total 1\n"},
		{"/metrics", nil, broken, 500, "no numbers\n"},
		{"/-/healthy", notReady, broken, 200, "meter is healthy\n"},
		{"/-/ready", nil, nil, 200, "meter is ready\n"},
		{"/-/ready", notReady, nil, 503, "meter is not ready: no input\n"},
		{"/", nil, nil, 200, `href="/metrics"`},
		{"/other", nil, nil, 404, ""},
	} {
		ready, failing = c.ready, c.failing
		resp, err := http.Get(base + c.path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.body) {
			t.Errorf("%s: %d %q, want %d %q", c.path, resp.StatusCode, body, c.status, c.body)
		}
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the server goes on")
	}
}

func TestAddressTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := New(Config{Listen: l.Addr().String()}, nil, nil)
	if err := s.Run(context.Background(), func(net.Addr) { t.Error("listens") }); err == nil {
		t.Error("no error")
	}
}

func TestParseConfig(t *testing.T) {
	for src, want := range map[string]string{
		"prometheus:":                                   "127.0.0.1:9469",
		"prometheus: {listen: \"[::1]:80\"}":            "[::1]:80",
		"prometheus: {listen: 80}":                      "",
		"prometheus: {listen: \"a:1\", liste: \"a:1\"}": "",
	} {
		v, c := conf.Parse("f", []byte(src))
		var got Config
		v.Map(conf.Fields{"prometheus": func(v conf.Value) { got = ParseConfig(v) }})
		if (c.Err() == nil) != (want != "") || want != "" && got.Listen != want {
			t.Errorf("%s: %v, %v", src, got, c.Err())
		}
	}
}
