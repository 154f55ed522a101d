// Package packet reads one captured frame into Headers: the fields of its
// link, network and transport headers that rules can test and flows can carry.
//
// It imports nothing else of the meter, allocates nothing and returns a small
// Outcome, never an error value.
package packet

// LinkType is a capture link type, numbered as in the LINKTYPE_ registry of
// pcap and pcapng files (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// Link types that Decode reads.
const (
	LinkNull      LinkType = 0   // BSD loopback, address family in host order
	LinkEthernet  LinkType = 1   // IEEE 802.3
	LinkPPP       LinkType = 9   // PPP, with or without HDLC framing
	LinkPPPHDLC   LinkType = 50  // PPP in HDLC-like framing (RFC 1662)
	LinkPPPoE     LinkType = 51  // PPPoE session frames
	LinkRaw       LinkType = 101 // an IP packet, version by its first nibble; also read as 12 and 14
	LinkIEEE80211 LinkType = 105 // IEEE 802.11
	LinkLoop      LinkType = 108 // OpenBSD loopback, address family in network order
	LinkSLL       LinkType = 113 // Linux cooked capture v1
	LinkRadiotap  LinkType = 127 // radiotap header, then IEEE 802.11
	LinkIPv4      LinkType = 228 // an IPv4 packet
	LinkIPv6      LinkType = 229 // an IPv6 packet
	LinkSLL2      LinkType = 276 // Linux cooked capture v2
)

// Outcome says how far Decode came with a frame. Each frame has exactly one.
type Outcome uint8

const (
	OK          Outcome = iota // the IP header is whole; transport fields as far as captured
	NotIP                      // a frame that carries no IP: ARP, STP, LLDP, …
	Truncated                  // the capture ends inside the link headers or the IP header
	Malformed                  // its IP header contradicts itself, or the frame on the wire ends before it is whole
	Unsupported                // a link type that Decode does not know
	NumOutcomes
)

var outcomeNames = [NumOutcomes]string{"ok", "not_ip", "truncated", "malformed", "unsupported"}

// String returns the name used in metrics: ok, not_ip, truncated, malformed, unsupported.
func (o Outcome) String() string { return outcomeNames[o] }

// Layer is a set of what a frame was found to hold.
type Layer uint32

const (
	HasMAC         Layer = 1 << iota // SrcMAC, DstMAC
	HasEtherType                     // EtherType
	HasVLAN                          // VLAN[0]
	HasVLAN2                         // VLAN[1]
	HasMPLS                          // MPLSLabel
	HasPPPoE                         // a PPPoE session header was there
	HasIPv4                          // Version is 4; all IP fields
	HasIPv6                          // Version is 6; all IP fields
	HasFragment                      // part of a fragmented packet: FragOffset, MoreFragments, FragID; not IPv6 atomic fragments
	HasPorts                         // SrcPort, DstPort (TCP, UDP, UDP-Lite, SCTP, DCCP)
	HasTCP                           // TCPFlags, Seq, Ack, Window
	HasUDP                           // a UDP or UDP-Lite header was there
	HasSCTP                          // an SCTP common header was there
	HasDCCP                          // a DCCP header was there
	HasICMP                          // ICMPType, ICMPCode of ICMP
	HasICMPv6                        // ICMPType, ICMPCode of ICMPv6
	HasPayload                       // PayloadOff, PayloadLen; never for later fragments
	HasARP                           // ARPOp; Src, Dst: who asks and who is asked for, of IPv4; Version is 4
	ShortTransport                   // the capture (not the packet) ends before the transport fields, or in the IPv6 headers before them

	HasIP = HasIPv4 | HasIPv6
)

// VLANTag is one IEEE 802.1Q or 802.1ad tag.
type VLANTag struct {
	TPID uint16 // tag protocol: 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300
	TCI  uint16 // priority (3 bits), DEI (1 bit), VLAN identifier (12 bits)
}

// ID returns the 12-bit VLAN identifier.
func (t VLANTag) ID() uint16 { return t.TCI & 0x0fff }

// Headers holds what Decode found in one frame. It is reused from packet to
// packet: a field is valid only where its comment says so, and holds rubbish
// of an earlier packet otherwise.
type Headers struct {
	// Set by the caller before or after Decode, which does not touch them.
	Time  int64  // nanoseconds since 1970-01-01 UTC
	Iface uint32 // interface number within the input

	// Always valid after Decode.
	Layers  Layer  // which of the groups below are valid
	WireLen uint32 // octets of the frame on the wire
	CapLen  uint32 // octets of the frame captured

	DstMAC, SrcMAC [6]byte    // valid if HasMAC
	EtherType      uint16     // valid if HasEtherType: of the innermost link payload, after VLAN tags
	VLAN           [2]VLANTag // outermost first; [0] valid if HasVLAN, [1] if HasVLAN2
	MPLSLabel      uint32     // top label entry's 20-bit label; valid if HasMPLS

	// Where headers begin, from the start of the frame, for what is read of the
	// frame itself: options, extension headers, the labels below the top one.
	MPLSOff      uint32 // valid if HasMPLS: the top label
	NetworkOff   uint32 // valid if HasIP
	TransportOff uint32 // valid if HasTCP, HasUDP, HasSCTP, HasDCCP, HasICMP or HasICMPv6

	// The IP header; valid if HasIP.
	Version   uint8    // 4 or 6
	Proto     uint8    // IANA protocol number of the transport, behind IPv6 extension headers as far as they could be read
	TClass    uint8    // IPv4 type of service, IPv6 traffic class: DSCP (6 bits), ECN (2 bits)
	TTL       uint8    // IPv4 time to live, IPv6 hop limit
	Src, Dst  [16]byte // IPv4 as IPv4-mapped IPv6 (::ffff:a.b.c.d)
	TotalLen  uint32   // IP header and payload in octets: see Decode for a stated length of 0
	FlowLabel uint32   // 20 bits; IPv6 only, 0 for IPv4

	// Fragmentation; FragID of IPv4 is valid if HasIPv4, all else if HasFragment.
	FragID        uint32 // IPv4 identification (16 bits) or IPv6 fragment identification (32 bits)
	FragOffset    uint16 // in units of 8 octets
	MoreFragments bool
	DontFragment  bool // valid if HasIPv4

	SrcPort, DstPort uint16 // valid if HasPorts
	TCPFlags         uint16 // valid if HasTCP: the 12 bits below the data offset (RFC 9293 §3.1)
	Window           uint16 // valid if HasTCP, unscaled
	Seq, Ack         uint32 // valid if HasTCP
	ICMPType         uint8  // valid if HasICMP or HasICMPv6
	ICMPCode         uint8  // valid if HasICMP or HasICMPv6
	ARPOp            uint16 // valid if HasARP: 1 request, 2 reply

	// What follows the transport header (of a protocol that is not read, the IP
	// header), padding excluded; valid if HasPayload. Payload returns the octets.
	PayloadOff uint32 // from the start of the frame; may lie beyond its captured part
	PayloadLen uint32 // octets on the wire; less may have been captured
}

// TCP flag bits of TCPFlags (RFC 9293 §3.1).
const (
	FIN uint16 = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
	AE
)

// IP protocol numbers that the meter knows by name.
const (
	ProtoICMP    = 1
	ProtoTCP     = 6
	ProtoUDP     = 17
	ProtoDCCP    = 33
	ProtoICMPv6  = 58
	ProtoSCTP    = 132
	ProtoUDPLite = 136
)
