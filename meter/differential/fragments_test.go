//go:build integration

package differential

// fragment is what a row says of the fragment that a packet is.
type fragment struct {
	more   bool
	offset uint64
	id     uint64
}

// fragmentOf returns the zero fragment for a whole packet. It is the outermost
// IP header that counts, not that of a packet which another carries.
func fragmentOf(r row, s *sighting) (f fragment) {
	if s.version == 4 {
		return fragment{r.first("ip.flags.mf") == "1", r.number("ip.frag_offset"), r.number("ip.id")}
	}
	for _, step := range chain(r) {
		if step.kind == nextFragment {
			return fragment{r.first("ipv6.fraghdr.more") == "1", r.number("ipv6.fraghdr.offset"), r.number("ipv6.fraghdr.ident")}
		}
	}
	return f
}

// packetID is what the fragments of one packet have in common: both addresses,
// the identification and, in IPv4, the protocol (RFC 791 §2.3). In IPv6 the
// next header of the first fragment alone is of use (RFC 8200 §4.5).
type packetID struct {
	way // without ports, for IPv6 without protocol
	id  uint64
}

func idOf(s *sighting, f fragment) packetID {
	w := way{version: s.version, src: end{addr: s.src.addr}, dst: end{addr: s.dst.addr}}
	if s.version == 4 {
		w.proto = s.proto
	}
	return packetID{w, f.id}
}

// reassembly is how long a later fragment may come after the first one, in ns
// (RFC 8200 §4.5).
const reassembly = 60e9

// firstFragment is what is kept of one with ports.
type firstFragment struct {
	proto    uint8
	src, dst uint16
	clock    int64
}

// fragments are the first fragments seen so far in one trace.
type fragments struct {
	clock  int64 // latest time so far, or since it was set back
	firsts map[packetID]firstFragment
}

// tick moves the clock to the time of a frame. One that is more than a minute
// behind sets it back.
func (fs *fragments) tick(time int64) {
	const step = 60e9
	if time > fs.clock || time < fs.clock-step {
		fs.clock = time
	}
}

// remember keeps the ports of a first fragment.
func (fs *fragments) remember(r row, s *sighting) {
	if f := fragmentOf(r, s); f.more && f.offset == 0 && s.ports {
		fs.firsts[idOf(s, f)] = firstFragment{s.proto, s.src.port, s.dst.port, fs.clock}
	}
}

// first returns the first fragment of the packet that a later one is part of.
func (fs *fragments) first(r row, s *sighting) (found firstFragment, ok bool) {
	f := fragmentOf(r, s)
	if f.offset == 0 {
		return found, false
	}
	found, ok = fs.firsts[idOf(s, f)]
	return found, ok && fs.clock-found.clock < reassembly
}
