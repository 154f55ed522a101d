// Package grafana holds the dashboards of the meter as tables of panels, and
// makes of them the JSON that Grafana imports, with Grafana's own types. The
// files beside it are kept by its test, with -update.
package grafana

//lint:file-ignore SA1019 The newer schema is one that Grafana before 12 does not import.

import (
	"encoding/json"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Dashboard is a page of rows.
type Dashboard struct {
	File, UID, Title, Description string
	Variables                     []Variable
	Rows                          []Row
}

// Variable is a choice at the top of the page: the values of a label.
type Variable struct {
	Name, Label string
	Of          string // the series whose label it is
	One         bool   // one value only; else several, and all of them at first
}

// Row is a heading and what stands below it.
type Row struct {
	Title  string
	Panels []Panel
}

// Kind is how a panel shows its queries.
type Kind uint8

// The kinds of panels, all of which Grafana has by itself.
const (
	Graph Kind = iota
	Stack      // a graph of areas on top of each other
	Stat       // the last values in large
	State      // bars of states over time
)

// Panel is a diagram.
type Panel struct {
	Title, Help string
	Kind        Kind
	Unit        string // one of Grafana's
	Width       uint32 // of 24 columns; 0 is 12
	Queries     []Query
	Texts       []Text // what is shown in place of values
	BadAbove    *float64
}

// Query is a query of Prometheus and how its series are named.
type Query struct{ Expr, Legend string }

// Text is shown in place of a value.
type Text struct{ Value, Text, Color string }

// Dashboards returns all of them.
func Dashboards() []Dashboard {
	return []Dashboard{overview(), health(), export()}
}

// exported is what Grafana writes and reads: a dashboard and what it needs.
type exported struct {
	Inputs   []struct{}    `json:"__inputs"` // none: the data source is a variable
	Requires []requirement `json:"__requires"`
	dashboard.Dashboard
}

type requirement struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// JSON returns the dashboard as Grafana imports it.
func (d Dashboard) JSON() ([]byte, error) {
	built, err := d.build()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(exported{
		Inputs: []struct{}{},
		Requires: []requirement{
			{"grafana", "grafana", "Grafana", "10.0.0"},
			{"datasource", "prometheus", "Prometheus", "1.0.0"},
			{"panel", "timeseries", "Time series", ""},
			{"panel", "stat", "Stat", ""},
			{"panel", "state-timeline", "State timeline", ""},
		},
		Dashboard: built,
	}, "", "  ")
	return append(text, '\n'), err
}
