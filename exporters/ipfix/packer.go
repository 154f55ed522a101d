package ipfix

import (
	"encoding/binary"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
)

// Set identifiers (RFC 7011 §3.3.2).
const (
	templateSet = 2
	optionsSet  = 3
)

const headerSize = 16

// packer fills messages and sends each that is full.
type packer struct {
	*wire.Message
	domain   uint32          // observation domain
	sequence *uint32         // data records sent in that domain, in this session
	records  uint64          // data records in the message, options included
	flows    exporters.Tally // those of them that are flows
	intro    bool            // there is something in it that every session must be told
	send     func(*packer)   // sends the finished message
}

// reserve returns n octets of set id to be written, after sending what was
// collected if they would not fit. Records of the set have at least least
// octets.
func (p *packer) reserve(id uint16, n, least int) []byte {
	if !p.Fits(id, n) {
		p.flush()
	}
	return p.Grow(id, n, least)
}

// template adds a template record to the set of its kind.
func (p *packer) template(set uint16, rec []byte) {
	copy(p.reserve(set, len(rec), 4), rec)
	p.intro = true
}

// option adds an options data record. One that no message can hold is left
// out; only an absurd name can be so long.
func (p *packer) option(l *layout, rec []byte) {
	if !p.Holds(len(rec)) {
		return
	}
	copy(p.reserve(l.id, len(rec), l.least()), rec)
	p.records++
}

// flush sends the message if there is anything in it.
func (p *packer) flush() {
	if p.Empty() {
		return
	}
	p.send(p)
	p.Reset()
	p.records, p.flows, p.intro = 0, exporters.Tally{}, false
}

// seal closes the last set and writes the header. Time is in seconds since
// 1970.
func (p *packer) seal(time uint32) {
	p.EndSet()
	binary.BigEndian.PutUint16(p.Buf, 10)
	binary.BigEndian.PutUint16(p.Buf[2:], uint16(len(p.Buf)))
	binary.BigEndian.PutUint32(p.Buf[4:], time)
	stamp(p.Buf, *p.sequence)
	binary.BigEndian.PutUint32(p.Buf[12:], p.domain)
}

// stamp writes the sequence number of a message: the data records that were
// sent before it in this session (RFC 7011 §3.1, erratum 4396).
func stamp(msg []byte, sequence uint32) { binary.BigEndian.PutUint32(msg[8:], sequence) }
