package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/net/netutil"
	"gopkg.in/yaml.v3"
)

// Bounds on what one client can take.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = 2 * time.Minute // a profile takes 30 s
	idleTimeout    = 2 * time.Minute
	maxHeader      = 16 << 10
	maxConnections = 64 // of each listener
	stopTimeout    = time.Second
)

// Server serves the pages.
type Server struct {
	cfg     Config
	handler http.Handler
	log     *slog.Logger
}

// New returns a Server that does not listen yet. What it has to say, such as
// failed TLS handshakes, goes to l.
func New(cfg Config, hooks Hooks, l *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, handler: handler(&cfg, hooks), log: l}, nil
}

// Listen opens all sockets, or none. Serve closes them.
func (s *Server) Listen() ([]net.Listener, error) {
	if s.cfg.SystemdSocket {
		all, err := activation.Listeners()
		if err == nil && len(all) == 0 {
			err = errors.New("systemd handed over no socket: start the .socket unit, or set web.listen")
		}
		return all, err
	}
	var all []net.Listener
	for _, address := range s.cfg.Listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("web: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nothing was accepted
	}
}

// Serve serves on the listeners until ctx ends. An error of one listener, as a
// web configuration that has become wrong since New, ends all of them.
func (s *Server) Serve(ctx context.Context, listeners []net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(listeners))
	var running sync.WaitGroup
	for i, l := range listeners {
		running.Go(func() {
			defer cancel()
			errs[i] = s.serve(ctx, l)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// serve has a server for each listener: the toolkit puts its own handler into
// the one that it is given.
func (s *Server) serve(ctx context.Context, l net.Listener) error {
	hs := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       log.New(errorLog{s.log}, "", 0),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		shutdown(hs)
	})
	defer l.Close()
	err := toolkit.Serve(netutil.LimitListener(l, maxConnections), hs, s.flags(), quiet(s.log))
	if !stop() {
		<-stopped // answers that are under way
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("web: %w", err)
}

// errorLog is what net/http complains to, mostly of clients. Its text names
// each of them: as an attribute, so that the message stays the same.
type errorLog struct{ log *slog.Logger }

func (e errorLog) Write(text []byte) (int, error) {
	e.log.Warn("a client of the web server failed", "error", string(bytes.TrimSpace(text)))
	return len(text), nil
}

// shutdown lets answers that are under way end, but not for long.
func shutdown(hs *http.Server) {
	bounded, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if hs.Shutdown(bounded) != nil {
		_ = hs.Close() // what is cut off has had its time
	}
}

func (s *Server) flags() *toolkit.FlagConfig {
	return &toolkit.FlagConfig{WebConfigFile: &s.cfg.ConfigFile}
}

// URLs returns where the pages of listeners are.
func (s *Server) URLs(listeners []net.Listener) []string {
	scheme := "http://"
	if usesTLS(s.cfg.ConfigFile) {
		scheme = "https://"
	}
	var all []string
	for _, l := range listeners {
		all = append(all, scheme+l.Addr().String()+"/")
	}
	return all
}

// usesTLS tells whether a web configuration, which is valid, has a certificate.
func usesTLS(path string) bool {
	src, err := os.ReadFile(path)
	var file struct {
		TLS map[string]any `yaml:"tls_server_config"`
	}
	return err == nil && yaml.Unmarshal(src, &file) == nil && len(file.TLS) > 0
}

// quiet returns a logger for the toolkit without what it says of each start:
// who wires says that better.
func quiet(l *slog.Logger) *slog.Logger { return slog.New(warnings{l.Handler()}) }

type warnings struct{ slog.Handler }

func (h warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}
