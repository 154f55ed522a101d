package main

import (
	"context"
	"net"
	"strings"

	"flowmeter/exporters/web"
	"flowmeter/meter/conf"
)

// webFlags say where pages are served. They are named as those of Prometheus'
// exporters are, and win over the configuration.
type webFlags struct {
	Listen []string `name:"web.listen-address" placeholder:"HOST:PORT" help:"Serve metrics and status there; may stand several times."`
	Socket bool     `name:"web.systemd-socket" help:"Serve on the sockets that systemd hands over."`
	File   string   `name:"web.config.file" placeholder:"FILE" help:"TLS and authentication of these pages, as exporter-toolkit has them."`
}

// over puts the flags over what the configuration says, which is nil where it
// serves nothing. Any of the flags starts the server.
func (f *webFlags) over(c *web.Config) (*web.Config, error) {
	if c == nil && len(f.Listen) == 0 && !f.Socket && f.File == "" {
		return nil, nil
	}
	served := web.Default()
	if c != nil {
		served = *c
	}
	if len(f.Listen) > 0 {
		served.Listen, served.SystemdSocket = f.Listen, false
	}
	served.SystemdSocket = served.SystemdSocket || f.Socket
	if f.File != "" {
		served.ConfigFile = f.File
	}
	if err := served.Validate(); err != nil {
		return nil, usageError{err}
	}
	return &served, nil
}

// webSection reads the two keys that serve pages: `web`, and the exporter
// `prometheus`, which is older and short for it.
type webSection struct{ served *web.Config }

func (s *webSection) parse(v conf.Value)        { s.only(v, web.Parse) }
func (s *webSection) parseMetrics(v conf.Value) { s.only(v, web.ParseMetrics) }

// only reads one of the keys. There is one server.
func (s *webSection) only(v conf.Value, parse func(conf.Value) web.Config) {
	if s.served != nil {
		v.Errorf("keep one: web: {listen: [...]} serves all that the exporter prometheus does", "metrics are served already")
	}
	c := parse(v)
	s.served = &c
}

// serve starts the server and returns once it listens. What ends it before
// ctx does is sent to ended, nil otherwise; without a server at once.
func (a *app) serve(ctx context.Context, cfg *web.Config, hooks web.Hooks) (ended <-chan error, err error) {
	done := make(chan error, 1)
	if cfg == nil {
		done <- nil
		return done, nil
	}
	s, err := web.New(*cfg, hooks, a.log)
	if err != nil {
		return nil, err
	}
	listeners, err := s.Listen()
	if err != nil {
		return nil, err
	}
	for _, url := range s.URLs(listeners) {
		a.log.Info("serving metrics", "url", url+"metrics")
	}
	if cfg.Control && cfg.ConfigFile == "" {
		a.warnOfStrangers(listeners)
	}
	go func() {
		err := s.Serve(ctx, listeners)
		if err != nil {
			a.log.Error("nothing is served any more", "error", err)
		}
		done <- err
	}()
	return done, nil
}

// warnOfStrangers says where orders are taken from other machines without
// asking who gives them.
func (a *app) warnOfStrangers(listeners []net.Listener) {
	for _, l := range listeners {
		if at, isTCP := l.Addr().(*net.TCPAddr); isTCP && !at.IP.IsLoopback() {
			a.log.Warn("anyone who reaches this address may give orders and see flows: set web.config_file, or listen on 127.0.0.1", "address", at.String())
		}
	}
}

// describeWeb says where pages are served, for check.
func describeWeb(c *web.Config) string {
	at := strings.Join(c.Listen, ", ")
	if c.SystemdSocket {
		at = "the sockets of systemd"
	}
	for _, more := range []struct {
		on   bool
		what string
	}{{c.ConfigFile != "", "with " + c.ConfigFile}, {c.Control, "takes orders"}, {c.PProf, "has profiles"}} {
		if more.on {
			at += ", " + more.what
		}
	}
	return at
}
