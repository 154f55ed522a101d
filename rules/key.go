// Package rules decides what a flow is: it compiles rule sets written in YAML
// into Programs that give each packet a verdict and, where it is counted, the
// key of its flow (RFC 2722 §4.3 and §4.4), and it knows the home networks.
package rules

import "bytes"

// Attr is a set of attributes that a key can hold.
type Attr uint64

// The attributes. Those of the two endpoints come in pairs, source bit first,
// so that Swap is a shift.
const (
	SrcAddr Attr = 1 << iota
	DstAddr
	SrcPort
	DstPort
	SrcMAC
	DstMAC
	SrcClass // computed, by set:
	DstClass // computed
	SrcKind  // computed
	DstKind  // computed
	Proto
	Version
	EtherType
	VLAN  // outer VLAN identifier
	VLAN2 // inner VLAN identifier
	MPLS  // top label
	TClass
	TTL
	FlowLabel
	ICMP // type and code
	Iface
	FlowClass // computed
	FlowKind  // computed
	DSCP
	ECN
	VLANPrio    // priority of the outer VLAN tag
	Fragment    // whether it is a part of a fragmented packet
	Length      // IP header and payload
	TCPFlags    // the 12 bits below the data offset
	MSS         // TCP option
	WindowScale // TCP option
	SACK        // whether the TCP option that permits it is there
	Extensions  // IPv6 extension headers
	Hour        // of the day, UTC
	Weekday     // 1 is Monday
	TunnelID    // number of a tunnel's header

	sources = SrcAddr | SrcPort | SrcMAC | SrcClass | SrcKind

	// FiveTuple is what a rule set without any save keys its flows by. A key
	// of a protocol without ports, or of a fragment whose first was not seen,
	// lacks SrcPort and DstPort.
	FiveTuple = Version | SrcAddr | DstAddr | Proto | SrcPort | DstPort
)

// Swap exchanges the source and the destination of every pair.
func (a Attr) Swap() Attr {
	return a&sources<<1 | a>>1&sources | a&^(sources|sources<<1)
}

// End is one endpoint's part of a Key. What is not saved is zero.
type End struct {
	Addr    [16]byte // IPv4 as IPv4-mapped IPv6, bits behind the mask zero
	Port    uint16
	Class   uint16 // value of set: 0 to 255, or a name's number from 256
	Kind    uint16 // likewise
	MAC     [6]byte
	AddrLen uint8 // prefix length in bits of the address's own family; 32 or 128 if whole
	PortLen uint8 // leading bits of the port that were kept; 16 if whole
}

// Key identifies a flow within its rule set: the attributes that the rules
// saved, with their masks (RFC 2722 §3.1), seen from source to destination.
// It holds no pointers and no padding and can be compared with ==.
type Key struct {
	Saved     Attr
	TunnelID  uint64 // 32 bits
	Src, Dst  End
	FlowLabel uint32
	MPLS      uint32
	Iface     uint32
	Length    uint32
	Class     uint16 // FlowClass, by set:
	Kind      uint16 // FlowKind, by set:
	EtherType uint16
	VLAN      uint16
	VLAN2     uint16
	ICMP      uint16 // type<<8 | code
	TCPFlags  uint16
	MSS       uint16
	Proto     uint8
	Version   uint8
	TClass    uint8
	TTL       uint8

	DSCP, ECN, VLANPrio uint8
	Presence            uint8 // of Fragment (1), of SACK (2)
	WindowScale         uint8
	Extensions          uint8 // see ExtensionHeaders
	Hour, Weekday       uint8
}

// Bits of Key.Presence.
const (
	FragmentThere = 1
	SACKThere     = 2
)

// Swap returns the key as seen from the other end, masks, classes and kinds
// included.
func (k *Key) Swap() Key {
	s := *k
	s.Saved = k.Saved.Swap()
	s.Src, s.Dst = k.Dst, k.Src
	return s
}

// Compare orders endpoints by address, port, then all else.
func (e *End) Compare(o *End) int {
	if c := bytes.Compare(e.Addr[:], o.Addr[:]); c != 0 {
		return c
	}
	if e.Port != o.Port {
		return int(e.Port) - int(o.Port)
	}
	if c := bytes.Compare(e.MAC[:], o.MAC[:]); c != 0 {
		return c
	}
	if e.Kind != o.Kind {
		return int(e.Kind) - int(o.Kind)
	}
	if e.Class != o.Class {
		return int(e.Class) - int(o.Class)
	}
	if e.AddrLen != o.AddrLen {
		return int(e.AddrLen) - int(o.AddrLen)
	}
	return int(e.PortLen) - int(o.PortLen)
}

// Class says how a packet stands to the home networks, as it was sent.
type Class uint8

const (
	NoClass  Class = iota // not an IP packet
	In                    // only the destination is home
	Out                   // only the source is home
	Internal              // both are home
	Transit               // neither is home
	NumClasses
)

var classNames = [NumClasses]string{"none", "in", "out", "internal", "transit"}

// String returns none, in, out, internal or transit.
func (c Class) String() string { return classNames[c] }

// Reverse returns the class of a packet sent the other way.
func (c Class) Reverse() Class {
	switch c {
	case In:
		return Out
	case Out:
		return In
	}
	return c
}

// Evidence says why a flow has the direction it has.
type Evidence uint8

const (
	NoEvidence        Evidence = iota
	EvidenceSYN                // a SYN without ACK came from the source
	EvidenceSYNACK             // a SYN with ACK came from the destination
	EvidenceICMP               // an ICMP request or reply type
	EvidenceRule               // the rules matched in the second pass
	EvidencePerimeter          // the source is outside, the destination home
	EvidenceFirst              // the first packet seen
	NumEvidences
)

var evidenceNames = [NumEvidences]string{"none", "syn", "synack", "icmp", "rule", "perimeter", "first"}

// String returns syn, synack, icmp, rule, perimeter or first.
func (e Evidence) String() string { return evidenceNames[e] }

// Verdict is what became of a packet in a rule set. Each packet gets exactly one.
type Verdict uint8

const (
	Counted  Verdict = iota
	Ignored          // a rule said ignore
	NoMatch          // no rule counted it, either way round
	NoKey            // the rule that counted it saved what the frame lacks
	NoRoom           // no room for its flow, and no Overload
	Standby          // no room for its flow: given to the standby
	Overflow         // no room for its flow, nor in the standby: given to the overflow
	NumVerdicts
)

var verdictNames = [NumVerdicts]string{"counted", "ignored", "nomatch", "no_key", "overload", "standby", "overflow"}

// String returns counted, ignored, nomatch, no_key, overload, standby or overflow.
func (v Verdict) String() string { return verdictNames[v] }

// Match is a Program's answer for one packet.
type Match struct {
	Verdict  Verdict
	Evidence Evidence // valid if Verdict is Counted

	// Swapped is set if the packet was counted seen the other way round: it
	// travels from Key.Dst to Key.Src. Valid if Verdict is Counted.
	Swapped bool

	// Constant is set if every packet of the same IP version, addresses,
	// protocol and ports, sent the same way, with the same answer of Reply,
	// gets the same Match but for Evidence (see Program.Evidence); such an
	// answer may be remembered.
	Constant bool

	// Measures is what a flow that the packet makes is to measure. Valid if Verdict
	// is Counted.
	Measures Quantities

	Class Class // of the packet as it was sent

	// Rule is the number of the rule that decided (Program.Deciders), Turned
	// that of the rule whose nomatch made the second pass; EndOfRules where
	// that was the end of the list, or there was no second pass.
	Rule, Turned uint16

	Key Key // valid if Verdict is Counted

	// Foreign is what of Key is not the packet's own: constants of the rules,
	// and numbers of which a mask left a part (what is left of addresses and
	// ports, the Key tells). Packets of several conversations may have such a
	// key. Valid if Verdict is Counted.
	Foreign Attr
}
