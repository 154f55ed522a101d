package web

import (
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// route is a page or an order.
type route struct {
	method, path string
	about        string // the text of its link; none: it is no page to go to
	key          string // of the section web that must be true; empty: always served
	serve        http.HandlerFunc
}

// pages are the handlers and what they ask.
type pages struct {
	Hooks
	order  sync.Mutex // held while an order is carried out
	routes []route    // that are served
}

// handler returns all pages. Another method than a route's is answered with
// 405, and what the configuration does not let with 403.
func handler(cfg *Config, hooks Hooks) http.Handler {
	p := &pages{Hooks: hooks}
	mux := http.NewServeMux()
	on := map[string]bool{"control": cfg.Control, "pprof": cfg.PProf}
	for _, r := range p.all() {
		if r.key != "" {
			r = r.guarded(cfg, on[r.key])
		}
		mux.HandleFunc(r.method+" "+r.path, r.serve)
		p.routes = append(p.routes, r)
	}
	return harden(mux)
}

// all returns the routes in the order in which the first page links to them.
func (p *pages) all() []route {
	return []route{
		{"GET", "/{$}", "", "", p.links},
		{"GET", "/metrics", "metrics, for Prometheus", "", p.metrics},
		{"GET", "/status", "status, as JSON", "", p.status},
		{"GET", "/flows", "the largest live flows", "control", p.flows},
		{"GET", "/-/healthy", "healthy: do the workers make progress?", "", p.healthy},
		{"GET", "/-/ready", "ready: are all inputs and exporters up?", "", p.ready},
		{"POST", "/-/expire", "", "control", p.orderTo("expire", p.Expire)},
		{"POST", "/-/reload", "", "control", p.orderTo("reload", p.Reload)},
		{"GET", "/debug/pprof/", "profiles", "pprof", pprof.Index},
		{"GET", "/debug/pprof/cmdline", "", "pprof", pprof.Cmdline},
		{"GET", "/debug/pprof/profile", "", "pprof", pprof.Profile},
		{"GET", "/debug/pprof/symbol", "", "pprof", pprof.Symbol},
		{"POST", "/debug/pprof/symbol", "", "pprof", pprof.Symbol},
		{"GET", "/debug/pprof/trace", "", "pprof", pprof.Trace},
	}
}

// guarded returns the route, or what says why it is not served. Without a web
// configuration, anyone who can connect may ask: then only for a host that no
// stranger can have made a name for.
func (r route) guarded(cfg *Config, on bool) route {
	serve := r.serve
	switch {
	case !on:
		r.about = ""
		r.serve = refuse(r.path + " is off: set web: {" + r.key + ": true} in the configuration to serve it")
	case cfg.ConfigFile == "":
		unknown := refuse(r.path + " is served under this name only with passwords or certificates of clients: set web: {config_file: …}, or ask for it by address")
		r.serve = func(w http.ResponseWriter, req *http.Request) {
			if cfg.knows(req.Host) {
				serve(w, req)
				return
			}
			unknown(w, req)
		}
	}
	return r
}

func refuse(why string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, why, http.StatusForbidden) }
}

// knows tells whether a Host header names this machine beyond doubt: by an
// address, as localhost or as the configuration does. Any other name could be
// that of a web site whose address was changed to ours after its page was
// loaded (DNS rebinding): to a browser, page and meter then have one origin.
func (c *Config) knows(hostport string) bool {
	host := hostOf(hostport)
	if host == "localhost" {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return slices.ContainsFunc(c.Listen, func(l string) bool { return strings.EqualFold(hostOf(l), host) })
}

// hostOf takes the port off, if there is one.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

// maxBody is of requests: none has a body that is read, but for pprof's list
// of addresses.
const maxBody = 64 << 10

// harden puts before all pages what holds for each of them. A web site that
// its visitor's browser makes ask is refused where something would change.
func harden(next http.Handler) http.Handler {
	safe := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		safe.ServeHTTP(w, r)
	})
}
