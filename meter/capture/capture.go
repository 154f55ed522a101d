// Package capture reads frames from trace files, and says what a batch of
// frames is to those who read them elsewhere. It knows bytes, lengths and
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

	// Only live interfaces tell the rest; in traces it is 0.
	Segment uint16 // payload octets of each packet that an offloaded frame stands for (gso_size), the last one's excepted; 0 for an ordinary frame
	Flags   Flags
	LinkLen uint8 // of a frame that was Cut: octets of its link header
}

// Flags is a set of what a live interface tells of a frame.
type Flags uint8

const (
	Outgoing     Flags = 1 << iota // this host sent it (PACKET_OUTGOING)
	NoChecksum                     // its transport checksum is not filled in: the NIC was to do that
	Offloaded                      // several packets in one frame, as GRO and TSO make them; without Segment it is known of TCP alone
	OffloadedUDP                   // with Offloaded and Segment: it is UDP that is cut, not TCP
	Cut                            // one octet was captured, since every rule set ignores it: see ring.Config
	CutIP                          // with Cut: it is an IP packet, which fills the frame; else there is no IP in it
)

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

// NewBatch returns a batch over memory that its maker looks after: the maker
// sets Buf and Frames and calls Retain for the first holder. The last
// Release calls recycle, after which the maker may use the batch again.
func NewBatch(recycle func(*Batch)) *Batch { return &Batch{recycle: recycle} }

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

// Interface describes one interface, as far as the trace or the kernel says.
type Interface struct {
	Name    string // if_name of pcapng, or the kernel's; empty if unknown
	Index   uint32 // ifIndex (RFC 2863) of a live interface; 0 if unknown
	Link    uint16 // LINKTYPE_ number
	Snaplen uint32 // 0 if unlimited or unknown
}
