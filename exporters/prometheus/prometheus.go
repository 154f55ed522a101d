// Package prometheus serves metrics to Prometheus, and pages that say whether
// the meter is alive and ready.
package prometheus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"flowmeter/exporters"
	"flowmeter/meter/conf"
)

// Config says where metrics are served.
type Config struct {
	Listen string // host:port
}

// Default serves to the machine itself only.
func Default() Config { return Config{Listen: "127.0.0.1:9469"} }

// Validate returns what is wrong with the configuration, or nil.
func (c *Config) Validate() error { return exporters.CheckAddress(c.Listen) }

// ParseConfig reads `prometheus:` of an exporters list.
func ParseConfig(v conf.Value) Config {
	c := Default()
	if v.IsNull() {
		return c
	}
	v.Map(conf.Fields{"listen": func(v conf.Value) {
		c.Listen = v.Str()
		if err := c.Validate(); err != nil {
			v.Errorf("for example 127.0.0.1:9469", "%v", err)
		}
	}})
	return c
}

// Server serves /metrics, /-/healthy, /-/ready and a page with links to them.
type Server struct {
	cfg     Config
	metrics func(io.Writer) error
	ready   func() error // nil once the meter can do its work
	http    http.Server
}

// New returns a Server that does not listen yet. metrics writes the exposition
// format; ready says what is still missing.
func New(cfg Config, metrics func(io.Writer) error, ready func() error) *Server {
	s := &Server{cfg: cfg, metrics: metrics, ready: ready}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.serveMetrics)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "meter is healthy") })
	mux.HandleFunc("GET /-/ready", s.serveReady)
	mux.HandleFunc("GET /{$}", serveLinks)
	s.http = http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return s
}

// Run listens and serves until ctx ends. It returns at once if the address
// cannot be listened on; listening is called with the address once it is.
func (s *Server) Run(ctx context.Context, listening func(net.Addr)) error {
	l, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("prometheus: %w", err)
	}
	listening(l.Addr())
	stop := context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.http.Shutdown(bounded) // scrapes that take longer are cut off
	})
	defer stop()
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("prometheus: %w", err)
	}
	return nil
}

// serveMetrics writes the page only if all of it could be made.
func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	var page bytes.Buffer
	if err := s.metrics(&page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(page.Bytes()) // the scraper may have gone away
}

func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if err := s.ready(); err != nil {
		http.Error(w, "meter is not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "meter is ready")
}

func serveLinks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, `<!doctype html><html lang="en"><title>meter</title><h1>meter</h1><ul>
<li><a href="/metrics">metrics</a></li>
<li><a href="/-/healthy">healthy</a></li>
<li><a href="/-/ready">ready</a></li>
</ul></html>
`)
}
