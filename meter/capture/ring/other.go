//go:build !linux

package ring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/bpf"

	"flowmeter/meter/capture"
)

// errNeedsLinux is what an Input says elsewhere.
var errNeedsLinux = fmt.Errorf("live interfaces are read with AF_PACKET: this needs Linux (%w)", errors.ErrUnsupported)

// Input is one or several interfaces and the rings that read them. It needs
// Linux.
type Input struct{}

// Ring is what one worker reads.
type Ring struct{}

// New checks cfg and returns an error: this is not Linux.
func New(cfg Config) (*Input, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return nil, errNeedsLinux
}

// Open returns an error: this is not Linux.
func (*Input) Open() error { return errNeedsLinux }

// Run returns an error: this is not Linux.
func (*Input) Run(context.Context) error { return errNeedsLinux }

// Ring returns a ring from which nothing can be read.
func (*Input) Ring(int) *Ring { return &Ring{} }

// Reprogram returns an error: this is not Linux.
func (*Input) Reprogram(_, _ []bpf.RawInstruction) error { return errNeedsLinux }

// Stats returns no accounts.
func (*Input) Stats() []InterfaceStats { return nil }

// Close has nothing to close.
func (*Input) Close() error { return nil }

// Next returns an error: this is not Linux.
func (*Ring) Next(time.Duration) (*capture.Batch, error) { return nil, errNeedsLinux }

// Interfaces returns none.
func (*Ring) Interfaces() []capture.Interface { return nil }
