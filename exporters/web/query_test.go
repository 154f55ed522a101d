package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestFlows asks for flows in all ways.
func TestFlows(t *testing.T) {
	h := all()
	good := h.Flows
	h.Flows = func(w io.Writer, top int, sort string, json bool) error {
		switch sort {
		case "nosuch":
			return fmt.Errorf("%w: no field nosuch", ErrParameter)
		case "fails":
			return errors.New("it fails")
		}
		return good(w, top, sort, json)
	}
	base := serve(t, Config{Control: true}, h)
	for _, c := range []struct {
		query, accept string
		status        int
		body          string
	}{
		{"", "*/*", 200, "top=20 sort=octets json=false\n"},
		{"", "application/x-ndjson", 200, "top=20 sort=octets json=true\n"},
		{"?top=1&sort=packets", "text/html, application/json;q=0.9", 200, "top=1 sort=packets json=true\n"},
		{"?top=10000", "text/plain, application/json;q=0.5", 200, "top=10000 sort=octets json=false\n"},
		{"?top=10001", "", 400, `top="10001": a number from 1 to 10000` + "\n"},
		{"?top=0", "", 400, `top="0": a number`},
		{"?top=99999999999999999999", "", 400, `top="99999999999999999999": a number`},
		{"?top=ten", "", 400, `top="ten": a number`},
		{"?top=1&top=2", "", 400, "top stands 2 times"},
		{"?sort=", "", 400, `sort="": the name`},
		{"?sort=a%0Ab", "", 400, `sort="a\nb": the name`},
		{"?sort=" + strings.Repeat("x", 65), "", 400, "the name of a field"},
		{"?tpo=5", "", 400, `unknown parameter "tpo": known are top and sort`},
		{"?sort=nosuch", "", 400, "no field nosuch"},
		{"?sort=fails", "", 500, "it fails"},
	} {
		resp, body := ask(t, http.DefaultClient, "GET", base+"/flows"+c.query, "Accept", c.accept)
		if resp.StatusCode != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s, Accept %s: %d %q, want %d %q", c.query, c.accept, resp.StatusCode, body, c.status, c.body)
		}
		if c.status != 200 {
			continue
		}
		want := plain
		if strings.Contains(c.body, "json=true") {
			want = jsonLines
		}
		if got := resp.Header.Get("Content-Type"); got != want {
			t.Errorf("%s, Accept %s: Content-Type %s, want %s", c.query, c.accept, got, want)
		}
	}
}

func TestWantsJSON(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                      false,
		"*/*":                                   false,
		"application/*":                         false,
		"application/json":                      true,
		"application/jsonl":                     true,
		"APPLICATION/JSON; charset=utf-8":       true,
		"application/json;q=0":                  false,
		"application/json;q=x":                  false,
		"text/plain;q=0.5, application/json":    true,
		"text/plain, application/json":          true,
		"text/plain, application/json;q=0.9":    false,
		";;;, application/json":                 true,
		"text/html,application/xhtml+xml,*/*":   false,
		"application/x-ndjson, text/plain;q=.1": true,
	} {
		if got := wantsJSON([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}
