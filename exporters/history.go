package exporters

// History keeps the messages last sent over a connection. What the kernel had
// taken when the connection broke, and what the collector's kernel had taken
// but nobody read, is among them: sent again, it arrives at least once.
type History struct {
	limit int // octets
	size  int
	kept  []Sent // oldest first
	spare [][]byte
}

// Sent is a message that was sent.
type Sent struct {
	Msg     []byte
	Records uint64 // data records of any kind, for the sequence number
	Flows   Tally
}

// NewHistory returns a History of the last overlap octets, and of what the
// send buffer of a TCP may hold besides.
func NewHistory(overlap int) *History {
	return &History{limit: overlap + 2*sendBuffer} // the kernel doubles what it is asked for
}

// Add notes a message that was sent.
func (h *History) Add(msg []byte, records uint64, flows Tally) {
	var buf []byte
	if n := len(h.spare); n > 0 {
		buf, h.spare = h.spare[n-1], h.spare[:n-1]
	}
	h.kept = append(h.kept, Sent{append(buf[:0], msg...), records, flows})
	h.size += len(msg)
	old := 0
	for h.size > h.limit && old < len(h.kept)-1 {
		h.size -= len(h.kept[old].Msg)
		h.spare = append(h.spare, h.kept[old].Msg)
		old++
	}
	h.kept = h.kept[:copy(h.kept, h.kept[old:])]
}

// All returns the messages kept, oldest first, until the next Add.
func (h *History) All() []Sent { return h.kept }
