// Package capture reads frames from trace files. It knows bytes, lengths and
// times, and nothing of what the frames hold.
package capture

import "sync/atomic"

// Frame is one captured frame, as a view into its Batch's Buf.
type Frame struct {
	Time    int64  // nanoseconds since 1970-01-01 UTC
	Off     uint32 // where the frame's octets begin in Batch.Buf
	CapLen  uint32 // octets captured
	WireLen uint32 // octets on the wire, never below CapLen
	Iface   uint32 // index of the interface within the reader, from 0
	Link    uint16 // LINKTYPE_ number
}

// Batch is a run of frames of one input that share one buffer. It is handed
// on by whoever read it and returned with Release; the last holder's Release
// gives buffer and batch back to their reader.
type Batch struct {
	Buf    []byte
	Frames []Frame

	refs    atomic.Int32
	recycle func(*Batch)
	buffer  *buffer // what Buf is a part of, when a Pool made the batch
}

// Data returns the captured octets of f. They are valid until Release.
func (b *Batch) Data(f *Frame) []byte {
	return b.Buf[f.Off : f.Off+f.CapLen : f.Off+f.CapLen]
}

// Retain adds n holders.
func (b *Batch) Retain(n int32) { b.refs.Add(n) }

// Release drops one holder; the last one's call recycles the batch.
func (b *Batch) Release() {
	if b.refs.Add(-1) == 0 {
		b.recycle(b)
	}
}

// Interface describes one interface of a trace, as far as the trace says.
type Interface struct {
	Name    string // if_name of pcapng; empty if unknown
	Link    uint16 // LINKTYPE_ number
	Snaplen uint32 // 0 if unlimited or unknown
}
