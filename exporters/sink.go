// Package exporters holds what every exporter shares: the bounded queue before
// it with its accounts, and the connections that carry messages to a collector.
package exporters

import (
	"context"
	"time"

	"flowmeter/meter/flow"
)

// Sink takes records and brings them where they are wanted. Its methods are
// called by one goroutine.
type Sink interface {
	// Export takes the records of a batch, which come in the order of their
	// release. It may keep them in a buffer, but nothing of the batch.
	Export(*flow.Batch) error

	// Tick is called about every second, so that what waits in a buffer
	// leaves and what must be repeated is repeated.
	Tick(now time.Time) error

	// Close sends what is left and ends the exporter.
	Close() error
}

// Starter is a Sink that may have to wait, for a collector that cannot be
// reached. Start comes before all else; when ctx ends, so does all waiting.
type Starter interface {
	Start(ctx context.Context)
}

// Reopener is a Sink that writes to a file. Reopen has it go on in another, if
// that was moved away.
type Reopener interface {
	Reopen() error
}

// Writer is a Sink without an account of its own that knows how many octets it
// has written.
type Writer interface {
	Octets() uint64
}

// Accountant is a Sink that keeps its own account. For all others the Queue
// counts the records of each Export that returned no error.
type Accountant interface {
	Stats() *Stats
}
