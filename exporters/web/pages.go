package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"
)

// Content types of the pages.
const (
	exposition = "text/plain; version=0.0.4; charset=utf-8"
	plain      = "text/plain; charset=utf-8"
	htmlPage   = "text/html; charset=utf-8"
	jsonPage   = "application/json"
	jsonLines  = "application/x-ndjson"
)

// send sends a page only if all of it could be made.
func send(w http.ResponseWriter, contentType string, write func(io.Writer) error) {
	var page bytes.Buffer
	if err := write(&page); err != nil {
		status := http.StatusInternalServerError
		if errors.Is(err, ErrParameter) {
			status = http.StatusBadRequest
		}
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(page.Bytes()) // who asked may have gone away
}

// missing answers for a hook that the program did not fill in.
func missing(w http.ResponseWriter, what string) {
	http.Error(w, "this run of meter has no "+what, http.StatusNotImplemented)
}

func (p *pages) metrics(w http.ResponseWriter, _ *http.Request) {
	if p.Metrics == nil {
		missing(w, "metrics")
		return
	}
	send(w, exposition, p.Metrics)
}

func (p *pages) healthy(w http.ResponseWriter, _ *http.Request) {
	if p.Healthy == nil {
		missing(w, "account of its workers' progress")
		return
	}
	if err := p.Healthy(); err != nil {
		http.Error(w, "meter is not healthy: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "meter is healthy")
}

func (p *pages) ready(w http.ResponseWriter, _ *http.Request) {
	if p.Ready == nil {
		missing(w, "account of what is up")
		return
	}
	if down := p.Ready(); len(down) > 0 {
		http.Error(w, "meter is not ready\n"+strings.Join(down, "\n"), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "meter is ready")
}

func (p *pages) status(w http.ResponseWriter, _ *http.Request) {
	if p.Status == nil {
		missing(w, "status")
		return
	}
	send(w, jsonPage, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(p.Status())
	})
}

func (p *pages) flows(w http.ResponseWriter, r *http.Request) {
	if p.Flows == nil {
		missing(w, "live flows to show")
		return
	}
	q, err := parseFlowQuery(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	contentType := plain
	asJSON := wantsJSON(r.Header.Values("Accept"))
	if asJSON {
		contentType = jsonLines
	}
	w.Header().Set("Vary", "Accept")
	send(w, contentType, func(w io.Writer) error { return p.Flows(w, q.top, q.sort, asJSON) })
}

// orderTimeout is how long an order may take.
const orderTimeout = time.Minute

// orderTo returns the handler of an order. While one is carried out no other
// is taken.
func (p *pages) orderTo(name string, do func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if do == nil {
			missing(w, "way to "+name)
			return
		}
		if !p.order.TryLock() {
			http.Error(w, "another order is being carried out", http.StatusConflict)
			return
		}
		defer p.order.Unlock()
		// Who asked may go away: what was begun is brought to its end.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), orderTimeout)
		defer cancel()
		if err := do(ctx); err != nil {
			http.Error(w, name+": "+err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, name+": done")
	}
}

// links is the first page.
func (p *pages) links(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", htmlPage)
	fmt.Fprint(w, `<!doctype html><html lang="en"><meta charset="utf-8"><title>meter</title>
<style>body{font:16px/1.5 sans-serif;margin:2em}</style>
<h1>meter</h1><ul>
`)
	for _, r := range p.routes {
		if r.about != "" {
			fmt.Fprintf(w, "<li><a href=\"%s\">%s</a></li>\n", r.path, html.EscapeString(r.about))
		}
	}
	fmt.Fprint(w, "</ul></html>\n")
}
