package flow

import (
	"encoding/binary"
	"net/netip"

	"flowmeter/meter/packet"
)

// Socket is one that the meter itself sends records from.
type Socket struct {
	Proto         uint8 // IANA protocol number: TCP or UDP
	Local, Remote netip.AddrPort
}

// OwnTraffic knows the packets of the meter's own sockets. A nil one knows
// none. It belongs to one worker.
type OwnTraffic struct {
	seed    *Seed
	known   []Socket // as last told
	sockets []ownSocket
}

type ownSocket struct {
	hash   uint32
	tuple  tuple
	closed int64 // trace clock at which it was no longer among those told; 0: it still is
}

// ownLinger is how long packets of a socket that was closed are still known:
// its last segments, and what answers them (twice the segment lifetime of 30 s
// that Linux assumes).
const ownLinger = 60e9

// NewOwnTraffic knows no packets yet.
func NewOwnTraffic(seed *Seed) *OwnTraffic { return &OwnTraffic{seed: seed} }

// Tell says which sockets there are now. A list that is told again must be the
// same slice: it is then passed over without a look at it.
func (o *OwnTraffic) Tell(sockets []Socket, clock int64) {
	if len(sockets) == len(o.known) && (len(sockets) == 0 || &sockets[0] == &o.known[0]) {
		return
	}
	o.known = sockets
	left := o.sockets[:0]
	for _, s := range o.sockets {
		if s.closed == 0 {
			s.closed = clock
		}
		if clock-s.closed < ownLinger {
			left = append(left, s)
		}
	}
	o.sockets = left
	for i := range sockets {
		o.add(&sockets[i])
	}
}

func (o *OwnTraffic) add(s *Socket) {
	t := s.tuple()
	for i := range o.sockets {
		if o.sockets[i].tuple == t {
			o.sockets[i].closed = 0
			return
		}
	}
	o.sockets = append(o.sockets, ownSocket{hash: t.hash(o.seed), tuple: t})
}

// Has tells whether a packet is of one of the meter's own sockets. It must
// have been Prepared with the same seed.
func (o *OwnTraffic) Has(p *Packet) bool {
	if o == nil || p.Layers&packet.HasIP == 0 {
		return false
	}
	for i := range o.sockets {
		s := &o.sockets[i]
		if s.hash == p.hash && s.tuple == p.tuple {
			return s.closed == 0 || p.Clock-s.closed < ownLinger
		}
	}
	return false
}

// tuple returns the canonical five-tuple of a socket's packets.
func (s *Socket) tuple() tuple {
	local, remote := s.Local.Addr().Unmap(), s.Remote.Addr().Unmap()
	t := tuple{proto: s.Proto, kind: 6 | kindPorts}
	if remote.Is4() {
		t.kind = 4 | kindPorts
	}
	a, b := addressWords(local), addressWords(remote)
	ap, bp := s.Local.Port(), s.Remote.Port()
	if a.above(b) || a == b && ap > bp {
		a, b, ap, bp = b, a, bp, ap
	}
	t.loAddr, t.hiAddr, t.loPort, t.hiPort = a, b, ap, bp
	return t
}

func addressWords(a netip.Addr) words {
	b := a.As16()
	return words{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}
