package collect

import (
	"encoding/binary"
	"fmt"
)

// Config says how a Decoder reads.
type Config struct {
	Enterprise  uint32 // enterprise number of the meter's own elements
	Datagrams   bool   // messages come over UDP: withdrawals are ignored (RFC 7011 §8.4)
	MaxSessions int    // exporters and their observation domains that are kept
	MaxFields   int    // fields of templates that are kept, all together

	// Log is told of each malformed message; nil for silence.
	Log func(error)
}

// Default is what `meter collect` runs with.
func Default() Config {
	return Config{Enterprise: 32473, MaxSessions: 4096, MaxFields: 1 << 20}
}

// Validate tells what of c cannot be.
func (c Config) Validate() error {
	if c.MaxSessions < 1 || c.MaxFields < 1 {
		return fmt.Errorf("at least 1 session and 1 field must be kept, not %d and %d", c.MaxSessions, c.MaxFields)
	}
	return nil
}

// Decoder decodes messages of any of the three versions and keeps the
// templates of those who send them. It is not for use by several goroutines
// at once.
type Decoder struct {
	cfg      Config
	own      names
	sessions map[sessionID]*session
	kept     int // fields of templates, and names learnt
	stats    Stats
}

// sessionID is what templates and sequence numbers belong to.
type sessionID struct {
	peer    string
	version uint16
	domain  uint32
}

type session struct {
	templates map[uint16]*template  // IPFIX
	v9        map[uint16]v9Template // NetFlow v9
	names     names                 // the meter's own, and those that RFC 5610 records told
	learnt    int
	sequence  sequence
}

// size is what the session holds of Config.MaxFields.
func (s *session) size() int {
	n := s.learnt
	for _, t := range s.templates {
		n += len(t.specs)
	}
	for _, t := range s.v9 {
		n += t.fields
	}
	return n
}

// keep makes room for n fields in place of old ones; false if there is none.
func (d *Decoder) keep(n, old int) bool {
	if d.kept+n-old > d.cfg.MaxFields {
		d.stats.RefusedFields++
		return false
	}
	d.kept += n - old
	return true
}

// NewDecoder returns a Decoder that knows no template yet.
func NewDecoder(cfg Config) *Decoder {
	return &Decoder{cfg: cfg, own: newNames(cfg.Enterprise), sessions: map[sessionID]*session{}}
}

// Malformed is a message that was refused as a whole.
type Malformed struct {
	Offset int // octet of the message where it goes wrong
	Reason string
}

func (e *Malformed) Error() string {
	return fmt.Sprintf("malformed at octet %d: %s", e.Offset, e.Reason)
}

func malformed(offset int, format string, args ...any) error {
	return &Malformed{offset, fmt.Sprintf(format, args...)}
}

// Decode returns the records of one message, whose version its first two
// octets tell. Peer names who sent it: each has templates and sequence numbers
// of its own. A message with a mistake in it gives no records and a
// *Malformed error. Data sets without a template are counted and skipped.
func (d *Decoder) Decode(peer string, msg []byte) ([]Record, error) {
	recs, err := d.decode(peer, msg)
	if err != nil {
		d.stats.Malformed++
		return nil, err
	}
	return recs, nil
}

func (d *Decoder) decode(peer string, msg []byte) ([]Record, error) {
	if len(msg) < 2 {
		return nil, malformed(0, "%d octets are no message", len(msg))
	}
	switch version := binary.BigEndian.Uint16(msg); version {
	case 5:
		return d.v5(peer, msg)
	case 9:
		return d.v9(peer, msg)
	case 10:
		return d.ipfix(peer, msg)
	default:
		return nil, malformed(0, "version %d is none of 5, 9 and 10", version)
	}
}

// Stats returns what was counted so far.
func (d *Decoder) Stats() Stats { return d.stats }

// Forget drops the templates of a peer: its connection or file ended.
func (d *Decoder) Forget(peer string) {
	for id, s := range d.sessions {
		if id.peer == peer {
			d.kept -= s.size()
			delete(d.sessions, id)
		}
	}
}

// session returns the state of an exporter's domain, nil where there are too
// many.
func (d *Decoder) session(peer string, version uint16, domain uint32) *session {
	id := sessionID{peer, version, domain}
	s := d.sessions[id]
	if s == nil {
		if len(d.sessions) >= d.cfg.MaxSessions {
			d.stats.RefusedPeers++
			return nil
		}
		s = &session{templates: map[uint16]*template{}, v9: map[uint16]v9Template{}, names: d.own}
		d.sessions[id] = s
	}
	return s
}

// account counts a well-formed message. Step is by how much its successor's
// sequence number must be higher.
func (d *Decoder) account(s *session, version uint16, sequence, step uint32, recs []Record) {
	c := d.stats.of(version)
	c.Messages++
	for i := range recs {
		if recs[i].Options {
			c.Options++
		} else {
			c.Records++
		}
	}
	lost, back := s.sequence.check(sequence, step)
	c.Lost += lost
	if back {
		c.Back++
	}
}

// set is a set of IPFIX or a flow set of v9.
type set struct {
	id     uint16
	offset int // of its content within the message
	body   []byte
}

// sets cuts the rest of a message into its sets. All must fit.
func sets(msg []byte, offset int) ([]set, error) {
	var out []set
	for offset < len(msg) {
		left := len(msg) - offset
		if left < 4 {
			return nil, malformed(offset, "%d octets are left, too few for a set", left)
		}
		id, length := binary.BigEndian.Uint16(msg[offset:]), int(binary.BigEndian.Uint16(msg[offset+2:]))
		if length < 4 {
			return nil, malformed(offset, "set %d says it has %d octets; its header alone has 4", id, length)
		}
		if length > left {
			return nil, malformed(offset, "set %d says it has %d octets; %d are left", id, length, left)
		}
		out = append(out, set{id, offset + 4, msg[offset+4 : offset+length]})
		offset += length
	}
	return out, nil
}
