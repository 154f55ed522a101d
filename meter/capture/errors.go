package capture

import (
	"errors"
	"fmt"
)

// The kinds of Error, for errors.Is.
var (
	ErrCut       = errors.New("cut off")     // the input ends, or fails, inside a record
	ErrDamaged   = errors.New("damaged")     // the input contradicts its own format
	ErrNotATrace = errors.New("not a trace") // the input is in none of the formats read
)

// Error tells where and why a trace could not be read to its end. All whole
// packets before that place have been delivered.
type Error struct {
	File   string
	Kind   error  // ErrCut, ErrDamaged or ErrNotATrace
	Packet uint64 // number, from 1, of the packet that could not be read
	Offset int64  // where its record begins, in octets of the decompressed trace, from 0
	Detail string // what is there and what is missing
	Err    error  // what the system or a decompressor said, or nil
}

// Error gives one line that names file, packet and offset.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %v", e.File, e.Kind)
	if e.Kind != ErrNotATrace {
		s += fmt.Sprintf(" in packet %d at octet %d", e.Packet, e.Offset)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

const formatsRead = "read are pcap, pcapng and ERF, plain or compressed with gzip, bzip2, xz, zstd or lz4"

// notATrace describes an input that starts with head and is of no known format.
func notATrace(head []byte, codec string) string {
	head = head[:min(len(head), 8)]
	what := fmt.Sprintf("starts with % x (%q)", head, head)
	if len(head) == 0 {
		what = "empty"
	}
	if codec != "" {
		what += " inside " + codec
	}
	return what + "; " + formatsRead
}
