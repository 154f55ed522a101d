package collect

import (
	"encoding/binary"
	"fmt"
)

// reader steps through octets and knows where in the message it stands.
type reader struct {
	b  []byte
	at int
}

// next takes n octets.
func (r *reader) next(n int) ([]byte, error) {
	if n > len(r.b) {
		return nil, fmt.Errorf("%d octets go beyond the set, which has %d left", n, len(r.b))
	}
	octets := r.b[:n:n]
	r.b, r.at = r.b[n:], r.at+n
	return octets, nil
}

func (r *reader) u16() (uint16, error) {
	b, err := r.next(2)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(b), nil
}

func (r *reader) u32() (uint32, error) {
	b, err := r.next(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

// field takes a value of the length that its specifier gives. One of variable
// length begins with its length in one octet, or in two after 255 (RFC 7011
// §7).
func (r *reader) field(length uint16) ([]byte, error) {
	if length != variable {
		return r.next(int(length))
	}
	short, err := r.next(1)
	if err != nil {
		return nil, err
	}
	if short[0] < 255 {
		return r.next(int(short[0]))
	}
	long, err := r.u16()
	if err != nil {
		return nil, err
	}
	return r.next(int(long))
}
