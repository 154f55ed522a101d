package spool

import (
	"crypto/md5"
	"encoding/binary"

	"flowmeter/exporters"
	"flowmeter/exporters/internal/wire"
)

// Message is an IPFIX message, and what is known of it.
type Message struct {
	Buf        []byte          // header included; its sequence number is for who sends it to set
	Records    uint64          // data records, options included
	Flows      exporters.Tally // flow records; read from disk, their times are the export time
	Intro      bool            // templates, names: what a session must know
	Number     uint64          // in the order of messages, from 1
	Generation uint64          // the run that made it: its templates are that run's
}

// In files every message ends with an options record that says what it holds:
// a Message Checksum (RFC 5655 §8.1.1) with more fields. It is cut off again
// when the message is sent.
const (
	headerSize  = 16 // of a message
	setHeader   = 4
	trailerID   = wire.FirstTemplate // the number that the checksum has in files of exporters/ipfix
	trailerSize = setHeader + 55 + 1 // with one octet of padding
)

// DataRecords is the number of the private element that tells how many data
// records stand in a message.
const DataRecords = 48

// trailerSpecs are the fields of the trailer; the first one is the scope.
var trailerSpecs = []struct{ id, size uint16 }{
	{263, 1},         // messageScope
	{262, 16},        // messageMD5Checksum
	{41, 8},          // exportedMessageTotalCount: the message's number; 0 at the head of a file
	{42, 8},          // exportedFlowRecordTotalCount, up to and with this message
	{3, 4},           // deltaFlowCount: flow records in this message
	{2, 8},           // packetDeltaCount of them
	{1, 8},           // octetDeltaCount
	{DataRecords, 2}, // private
}

// Where the trailer's fields are, from its beginning.
const (
	atSum     = setHeader + 1
	atNumber  = atSum + md5.Size
	atTotal   = atNumber + 8
	atFlows   = atTotal + 8
	atPackets = atFlows + 4
	atOctets  = atPackets + 8
	atRecords = atOctets + 8
)

// appendTemplate writes the set with the trailer's template.
func appendTemplate(dst []byte, enterprise uint32) []byte {
	at := len(dst)
	dst = append(dst, 0, 3, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, trailerID)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(trailerSpecs)))
	dst = binary.BigEndian.AppendUint16(dst, 1) // scope fields
	for _, s := range trailerSpecs {
		private := s.id == DataRecords
		if private {
			s.id |= 1 << 15
		}
		dst = binary.BigEndian.AppendUint16(dst, s.id)
		dst = binary.BigEndian.AppendUint16(dst, s.size)
		if private {
			dst = binary.BigEndian.AppendUint32(dst, enterprise)
		}
	}
	for len(dst)%4 != 0 {
		dst = append(dst, 0)
	}
	binary.BigEndian.PutUint16(dst[at+2:], uint16(len(dst)-at))
	return dst
}

// seal appends m to dst as it stands in a file: numbered there, with its
// trailer. total is the flow records up to and with this message.
func seal(dst []byte, m *Message, total uint64, sequence uint32) []byte {
	at := len(dst)
	dst = append(dst, m.Buf...)
	end := len(dst)
	dst = append(dst, make([]byte, trailerSize)...)
	msg, tr := dst[at:], dst[end:]
	binary.BigEndian.PutUint16(msg[2:], uint16(len(msg)))
	binary.BigEndian.PutUint32(msg[8:], sequence)
	binary.BigEndian.PutUint16(tr, trailerID)
	binary.BigEndian.PutUint16(tr[2:], trailerSize)
	binary.BigEndian.PutUint64(tr[atNumber:], m.Number)
	binary.BigEndian.PutUint64(tr[atTotal:], total)
	binary.BigEndian.PutUint32(tr[atFlows:], uint32(m.Flows.Records))
	binary.BigEndian.PutUint64(tr[atPackets:], m.Flows.Packets)
	binary.BigEndian.PutUint64(tr[atOctets:], m.Flows.Octets)
	binary.BigEndian.PutUint16(tr[atRecords:], uint16(m.Records))
	sum := md5.Sum(msg)
	copy(tr[atSum:], sum[:])
	return dst
}

// unseal takes a message of a file apart. ok is false if it is not as seal
// made it. The message's octets are changed, and those of what it returns.
func unseal(msg []byte) (m Message, total uint64, ok bool) {
	if len(msg) < headerSize+trailerSize {
		return m, 0, false
	}
	end := len(msg) - trailerSize
	tr := msg[end:]
	if binary.BigEndian.Uint16(tr) != trailerID || binary.BigEndian.Uint16(tr[2:]) != trailerSize {
		return m, 0, false
	}
	var want [md5.Size]byte
	copy(want[:], tr[atSum:])
	clear(tr[atSum:atNumber])
	sum := md5.Sum(msg)
	copy(tr[atSum:], want[:])
	if sum != want {
		return m, 0, false
	}
	m.Number = binary.BigEndian.Uint64(tr[atNumber:])
	m.Flows = exporters.Tally{
		Records: uint64(binary.BigEndian.Uint32(tr[atFlows:])),
		Packets: binary.BigEndian.Uint64(tr[atPackets:]),
		Octets:  binary.BigEndian.Uint64(tr[atOctets:]),
		First:   int64(binary.BigEndian.Uint32(msg[4:])) * 1e9,
	}
	m.Flows.Last = m.Flows.First
	m.Records = uint64(binary.BigEndian.Uint16(tr[atRecords:]))
	total = binary.BigEndian.Uint64(tr[atTotal:])
	m.Buf = msg[:end:end]
	m.Intro = hasTemplates(m.Buf)
	return m, total, true
}

// open makes a message of a file one to send: without its trailer. It is told
// apart from unseal because a check alone must leave the octets as they are.
func (m *Message) open() { binary.BigEndian.PutUint16(m.Buf[2:], uint16(len(m.Buf))) }

// hasTemplates tells whether a message has a set of templates.
func hasTemplates(msg []byte) bool {
	for at := headerSize; at+setHeader <= len(msg); {
		id, n := binary.BigEndian.Uint16(msg[at:]), int(binary.BigEndian.Uint16(msg[at+2:]))
		if id == 2 || id == 3 {
			return true
		}
		if n < setHeader {
			return false
		}
		at += n
	}
	return false
}
