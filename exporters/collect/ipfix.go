package collect

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"slices"
)

const ipfixHeader = 16

// Set ids of IPFIX below those of data (RFC 7011 §3.3.2).
const (
	templateSet = 2
	optionsSet  = 3
	firstData   = 256
)

// ipfixMessage is an IPFIX message on its way to records. IPFIX is decoded
// here and not by goflow v3, as v5 and v9 are: one message can mix templates
// that goflow v3 reads with those it does not (enterprise numbers, variable
// lengths, withdrawals), and a set cannot be told apart before it is decoded.
// The tests compare the two on what both can read.
type ipfixMessage struct {
	d        *Decoder
	s        *session
	msg      []byte
	head     Record // what all records of the message share
	recs     []Record
	learned  bool // it told names of elements
	missing  bool // data without a template was skipped
	checksum int  // offset of an MD5 checksum within the message; 0 if none
}

// ipfix decodes an IPFIX message (RFC 7011 §3).
func (d *Decoder) ipfix(peer string, msg []byte) ([]Record, error) {
	if len(msg) < ipfixHeader {
		return nil, malformed(len(msg), "IPFIX header of %d octets is cut", ipfixHeader)
	}
	if length := int(binary.BigEndian.Uint16(msg[2:])); length != len(msg) {
		return nil, malformed(2, "message says it has %d octets and has %d", length, len(msg))
	}
	all, err := sets(msg, ipfixHeader)
	if err != nil {
		return nil, err
	}
	domain := binary.BigEndian.Uint32(msg[12:])
	s := d.session(peer, 10, domain)
	if s == nil {
		return nil, nil
	}
	m := ipfixMessage{d: d, s: s, msg: msg, head: Record{Exporter: peer, Version: 10, Domain: domain,
		ExportTime: int64(binary.BigEndian.Uint32(msg[4:])) * 1e9}}
	if err := m.decode(all); err != nil {
		return nil, err
	}
	d.account(s, 10, binary.BigEndian.Uint32(msg[8:]), uint32(len(m.recs)), m.recs)
	if m.missing {
		s.sequence.forget()
	}
	return m.recs, nil
}

func (m *ipfixMessage) decode(all []set) error {
	for _, one := range all {
		var err error
		switch {
		case one.id == templateSet || one.id == optionsSet:
			err = m.templates(one)
		case one.id >= firstData:
			err = m.data(one)
		default:
			err = malformed(one.offset-4, "set id %d is reserved", one.id)
		}
		if err != nil {
			return err
		}
	}
	if m.learned {
		m.rename()
	}
	return m.verify()
}

// verify compares the message's checksum, if it has one: the MD5 of the
// message with the checksum's own octets zero (RFC 5655 §8.1).
func (m *ipfixMessage) verify() error {
	if m.checksum == 0 {
		return nil
	}
	zeroed := slices.Clone(m.msg)
	clear(zeroed[m.checksum : m.checksum+md5.Size])
	sum := md5.Sum(zeroed)
	if !bytes.Equal(sum[:], m.msg[m.checksum:m.checksum+md5.Size]) {
		return malformed(m.checksum, "the message's MD5 is %x, not %x as it says", sum, m.msg[m.checksum:m.checksum+md5.Size])
	}
	m.d.stats.Checksums++
	return nil
}

// data reads a data set. What is left at its end and shorter than a record is
// padding.
func (m *ipfixMessage) data(one set) error {
	t := m.s.templates[one.id]
	if t == nil {
		m.missing = true
		m.d.stats.Unknown++
		return nil
	}
	for r := (reader{one.body, one.offset}); len(r.b) >= t.minimum; {
		rec := m.head
		rec.Template, rec.Options = one.id, t.scopes > 0
		var err error
		if rec.Fields, err = m.fields(&r, t); err != nil {
			return err
		}
		if rec.Options {
			m.learn(&rec)
		}
		m.recs = append(m.recs, rec)
	}
	return nil
}

// fields reads one record.
func (m *ipfixMessage) fields(r *reader, t *template) ([]Field, error) {
	fields := make([]Field, 0, len(t.specs))
	for i, s := range t.specs {
		el := &t.elements[i]
		octets, err := r.field(s.length)
		if err != nil {
			return nil, malformed(r.at, "%s: %v", el.name, err)
		}
		switch s.enterprise {
		case enterprise{id: paddingOctets}:
			continue
		case enterprise{id: messageMD5Checksum}:
			if len(octets) == md5.Size {
				m.checksum = r.at - md5.Size
			}
		}
		fields = append(fields, Field{el.name, m.show(el, octets, 0)})
	}
	if t.prefixed {
		fields = joinPrefixes(fields)
	}
	return fields, nil
}

const (
	paddingOctets      = 210
	messageMD5Checksum = 262
)
