package web

import (
	"net/http"
	"net/http/pprof"
	"slices"
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
	for _, r := range p.all() {
		switch r.key {
		case "":
		case "control":
			r = r.onlyIf(cfg.Control)
		case "pprof":
			r = r.onlyIf(cfg.PProf)
		}
		mux.HandleFunc(r.method+" "+r.path, r.serve)
		p.routes = append(p.routes, r)
	}
	return harden(mux)
}

// all returns the routes in the order in which the first page links to them.
func (p *pages) all() []route {
	all := []route{
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
	return slices.Clip(all)
}

// onlyIf returns the route, or what says why it is not served.
func (r route) onlyIf(allowed bool) route {
	if allowed {
		return r
	}
	r.about = ""
	r.serve = func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, r.path+" is off: set web: {"+r.key+": true} in the configuration to serve it", http.StatusForbidden)
	}
	return r
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
