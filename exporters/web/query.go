package web

import (
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// flowQuery is what /flows is asked for.
type flowQuery struct {
	top  int
	sort string
}

const maxTop = 10_000

var sortWord = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// parseFlowQuery reads top (20) and sort (octets). Whether there is such a
// field, the meter knows.
func parseFlowQuery(v url.Values) (flowQuery, error) {
	q := flowQuery{top: 20, sort: "octets"}
	for name := range v {
		if name != "top" && name != "sort" {
			return q, fmt.Errorf("unknown parameter %q: known are top and sort", clip(name))
		}
		if len(v[name]) != 1 {
			return q, fmt.Errorf("%s stands %d times", name, len(v[name]))
		}
	}
	if v.Has("top") {
		n, err := strconv.Atoi(v.Get("top"))
		if err != nil || n < 1 || n > maxTop {
			return q, fmt.Errorf("top=%q: a number from 1 to %d", clip(v.Get("top")), maxTop)
		}
		q.top = n
	}
	if v.Has("sort") {
		q.sort = v.Get("sort")
		if !sortWord.MatchString(q.sort) {
			return q, fmt.Errorf("sort=%q: the name of a field", clip(q.sort))
		}
	}
	return q, nil
}

// clip shortens what is shown of a request.
func clip(s string) string { return s[:min(len(s), 40)] }

// wantsJSON tells whether a header Accept (RFC 9110 §12.5.1) asks for JSON by
// name and does not like plain text better. Whoever takes anything, such as
// curl, gets the table.
func wantsJSON(accept []string) bool {
	var asJSON, asText float64
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if w, given := params["q"]; given {
			if q, err = strconv.ParseFloat(w, 64); err != nil {
				continue
			}
		}
		switch {
		case slices.Contains(jsonTypes, name):
			asJSON = max(asJSON, q)
		case name == "text/plain":
			asText = max(asText, q)
		}
	}
	return asJSON > 0 && asJSON >= asText
}

var jsonTypes = []string{"application/json", "application/x-ndjson", "application/jsonl", "application/jsonlines"}
