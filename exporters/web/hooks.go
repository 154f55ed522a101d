package web

import (
	"context"
	"errors"
	"io"
)

// Hooks are what the pages show and the orders do. The program fills them in;
// what it leaves nil is answered with 501. They are called from several
// goroutines at once, but of Expire and Reload one at a time.
type Hooks struct {
	// Metrics writes the exposition format.
	Metrics func(io.Writer) error
	// Healthy says which of the meter's workers make no progress; nil: all do.
	Healthy func() error
	// Ready says what is not up, a line for each; none: the meter is ready.
	Ready func() []string
	// Status returns what is shown as JSON, as a Status.
	Status func() any
	// Flows writes the largest live flows, as JSON lines or as a table. Where
	// top or sort cannot be, its error is ErrParameter.
	Flows func(w io.Writer, top int, sort string, json bool) error
	// Expire ends all live flows and hands their records to the exporters.
	Expire func(context.Context) error
	// Reload takes a new configuration, whole or not at all.
	Reload func(context.Context) error
}

// ErrParameter is an error of who asks, not of the meter.
var ErrParameter = errors.New("wrong parameter")
