package collect

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// message builds an IPFIX message; its length is right once it is taken with
// hex.
type message []byte

func newMessage(sequence, domain uint32) message {
	m := message{0, 10, 0, 0, 0x5f, 0x5e, 0x10, 0}
	m = binary.BigEndian.AppendUint32(m, sequence)
	return binary.BigEndian.AppendUint32(m, domain)
}

func (m message) set(id uint16, body ...byte) message {
	m = binary.BigEndian.AppendUint16(m, id)
	m = binary.BigEndian.AppendUint16(m, uint16(4+len(body)))
	return append(m, body...)
}

func (m message) octets() []byte {
	binary.BigEndian.PutUint16(m[2:], uint16(len(m)))
	return m
}

func (m message) hex() string { return hex.EncodeToString(m.octets()) }

// layout is a template record; scopes > 0 makes it one of options.
func layoutOf(id uint16, scopes int, specs ...specifier) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, uint16(len(specs)))
	if scopes > 0 {
		b = binary.BigEndian.AppendUint16(b, uint16(scopes))
	}
	for _, s := range specs {
		number := s.id
		if s.pen != 0 {
			number |= 1 << 15
		}
		b = binary.BigEndian.AppendUint16(b, number)
		b = binary.BigEndian.AppendUint16(b, s.length)
		if s.pen != 0 {
			b = binary.BigEndian.AppendUint32(b, s.pen)
		}
	}
	return b
}

func spec(pen uint32, id, length uint16) specifier { return specifier{enterprise{pen, id}, length} }

// randomSpec is a field of any number but that of a checksum, which would be
// wrong, and a length that fits in a record. With
// plain it is one that goflow v3 reads.
func randomSpec(rng *rand.Rand, plain bool) specifier {
	s := spec(0, uint16(1+rng.IntN(530)), uint16(1+rng.IntN(20)))
	if s.id == messageMD5Checksum {
		s.id++
	}
	if plain {
		return s
	}
	switch rng.IntN(4) {
	case 0:
		s.pen = reverse
	case 1:
		s.pen = 32473
	case 2:
		s.length = variable
	}
	return s
}

// randomValue appends a value of the field as it goes on the wire.
func randomValue(rng *rand.Rand, dst []byte, s specifier) []byte {
	n := int(s.length)
	if s.length == variable {
		n = rng.IntN(400)
		if n < 255 && rng.IntN(3) > 0 {
			dst = append(dst, byte(n))
		} else {
			dst = binary.BigEndian.AppendUint16(append(dst, 255), uint16(n))
		}
	}
	for range n {
		dst = append(dst, byte(rng.Uint32()))
	}
	return dst
}

// randomMessages returns a few messages that follow on one another, with
// templates before their data.
func randomMessages(rng *rand.Rand, plain bool) [][]byte {
	var out [][]byte
	layouts := map[uint16][]specifier{}
	for range 1 + rng.IntN(4) {
		m := newMessage(rng.Uint32(), 7)
		for range 1 + rng.IntN(4) {
			id := uint16(256 + rng.IntN(5))
			if specs := layouts[id]; specs != nil && rng.IntN(2) == 0 {
				m = m.set(id, randomRecords(rng, specs)...)
				continue
			}
			specs := make([]specifier, 2+rng.IntN(6))
			for i := range specs {
				specs[i] = randomSpec(rng, plain || i == 0) // goflow2 reads for ever where all lengths vary
			}
			layouts[id] = specs
			if rng.IntN(2) == 0 {
				m = m.set(templateSet, layoutOf(id, 0, specs...)...)
			} else {
				m = m.set(optionsSet, layoutOf(id, 1, specs...)...)
			}
		}
		out = append(out, m.octets())
	}
	return out
}

func randomRecords(rng *rand.Rand, specs []specifier) []byte {
	var body []byte
	for range 1 + rng.IntN(5) {
		for _, s := range specs {
			body = randomValue(rng, body, s)
		}
	}
	return body
}
