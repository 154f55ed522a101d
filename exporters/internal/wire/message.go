package wire

import "encoding/binary"

// setHeader is the octets before the records of a set.
const setHeader = 4

// Message is a message being filled with sets (RFC 7011 §3, RFC 3954 §5).
type Message struct {
	Buf []byte // the header's octets are the owner's

	header int // octets of the message header
	max    int // octets of the whole message
	set    int // where the open set begins; 0 if none is open
	id     uint16
	least  int // shortest record of the open set
	spare  int // octets kept free at the end
}

// NewMessage returns an empty message of at most max octets, of which the
// last spare ones are left to Tail.
func NewMessage(header, max, spare int) *Message {
	return &Message{Buf: make([]byte, header, max), header: header, max: max, spare: spare}
}

// Reset empties the message.
func (m *Message) Reset() {
	m.Buf = m.Buf[:m.header]
	m.set = 0
}

// Empty tells whether the message has no set.
func (m *Message) Empty() bool { return len(m.Buf) == m.header }

// Fits tells whether a record of n octets can still be added to set id.
func (m *Message) Fits(id uint16, n int) bool {
	end := len(m.Buf)
	if m.set == 0 || m.id != id {
		end = align(end) + setHeader
	}
	return align(end+n) <= m.max-m.spare
}

// Holds tells whether an empty message can take a record of n octets.
func (m *Message) Holds(n int) bool {
	return align(m.header+setHeader+n) <= m.max-m.spare
}

// Grow adds n octets to set id and returns them to be written; it opens that
// set if another one, or none, was open. Records of the set have at least
// least octets. The caller has asked Fits.
func (m *Message) Grow(id uint16, n, least int) []byte {
	if m.set == 0 || m.id != id {
		m.EndSet()
		m.set, m.id, m.least = len(m.Buf), id, least
		m.Buf = binary.BigEndian.AppendUint16(m.Buf, id)
		m.Buf = append(m.Buf, 0, 0)
	}
	at := len(m.Buf)
	m.Buf = m.Buf[:at+n]
	return m.Buf[at:]
}

// Tail is Grow into the spare octets at the end of the message.
func (m *Message) Tail(id uint16, n int) []byte { return m.Grow(id, n, n) }

// EndSet closes the open set: it pads it to four octets, where the padding
// is shorter than any record (RFC 7011 §3.3.1), and writes its length.
func (m *Message) EndSet() {
	if m.set == 0 {
		return
	}
	if pad := align(len(m.Buf)) - len(m.Buf); pad < m.least {
		m.Buf = append(m.Buf, make([]byte, pad)...)
	}
	binary.BigEndian.PutUint16(m.Buf[m.set+2:], uint16(len(m.Buf)-m.set))
	m.set = 0
}

// align rounds n up to a multiple of four.
func align(n int) int { return (n + 3) &^ 3 }
