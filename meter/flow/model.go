package flow

// Type is an IPFIX abstract data type, numbered as informationElementDataType
// (RFC 5610 §3.1).
type Type uint8

const (
	Unsigned8  Type = 1
	Unsigned16 Type = 2
	Unsigned32 Type = 3
	Unsigned64 Type = 4
	MAC        Type = 12
	String     Type = 13
	Seconds    Type = 14 // dateTimeSeconds; the getter of all times gives ns since 1970
	Millis     Type = 15
	Micros     Type = 16
	Nanos      Type = 17
	IPv4       Type = 18
	IPv6       Type = 19
	BasicList  Type = 20 // RFC 6313: several values of one element
)

// Size returns the octets of a value on the wire; 0 for strings and lists, whose length varies.
func (t Type) Size() int { return typeSizes[t] }

var typeSizes = [...]int{
	Unsigned8: 1, Unsigned16: 2, Unsigned32: 4, Unsigned64: 8, MAC: 6, String: 0,
	Seconds: 4, Millis: 8, Micros: 8, Nanos: 8, IPv4: 4, IPv6: 16, BasicList: 0,
}

// Semantics is numbered as informationElementSemantics (RFC 5610 §3.3).
type Semantics uint8

const (
	Default      Semantics = 0
	Quantity     Semantics = 1
	TotalCounter Semantics = 2
	DeltaCounter Semantics = 3
	Identifier   Semantics = 4
	Flags        Semantics = 5
	List         Semantics = 6
)

// Units is numbered as informationElementUnits (RFC 5610 §3.4).
type Units uint16

const (
	NoUnits  Units = 0
	Bits     Units = 1
	Octets   Units = 2
	Packets  Units = 3
	MilliSec Units = 6
	MicroSec Units = 7
	Hops     Units = 11
)

// Field is one field of a Record: a row of the information model.
type Field struct {
	Name      string    // IPFIX information element name; the key in JSON and CSV
	ID        uint16    // IPFIX number; 0 where IPFIX has none and the field is text only
	Private   bool      // ID is within the meter's own enterprise number
	ReverseID uint16    // number of the reverse twin of a Private field; 0 if it has none
	Type      Type      // on the wire
	Semantics Semantics // RFC 5610
	Units     Units
	RTFM      string // RFC 2722 attribute; empty if none
	V9        uint16 // NetFlow v9 field type; 0 if it has none
	V9Reverse uint16 // NetFlow v9 type of the reverse direction; 0 if it has none
	Key       bool   // a flow key where it was saved
	TwoWay    bool   // has a reverse twin (RFC 5103), with the name in ReverseName
	Needs     Has    // present in Records that have all of these
	Seen      bool   // and only where packets went that way: it has no value for none (RFC 5103 §4.1)
	Wire      bool   // in IPFIX and NetFlow only: text forms show it within another field

	// Exactly one of these four reads the field. Times are ns since 1970,
	// whatever their type on the wire.
	Uint  func(r *Record, w Way) uint64
	Bytes func(r *Record, w Way) []byte // a view into r: 4, 6 or 16 octets
	Text  func(r *Record, w Way) string
	List  func(r *Record, w Way) []uint64 // a view into r

	// Place is where the number that Uint reads stands in r, the same place in every
	// Record; nil if it is computed.
	Place  func(r *Record, w Way) Place
	Filled bool // it does not stand there where no packets went that way: Uint knows better

	// Show appends the text form where that is not the plain number or
	// address; nil otherwise.
	Show func(dst []byte, r *Record, w Way) []byte
	// Quoted tells that Show's text is a string in JSON.
	Quoted bool
}

// ReverseName returns the name of the field's reverse twin (RFC 5103 §6.1):
// reversePacketDeltaCount of packetDeltaCount.
func (f *Field) ReverseName() string {
	return "reverse" + string(f.Name[0]-'a'+'A') + f.Name[1:]
}

// NeedsOf returns what a Record has that has the field in the given direction.
func (f *Field) NeedsOf(w Way) Has {
	switch {
	case w == Reverse:
		return f.Needs | HasReverse
	case f.Seen:
		return f.Needs | HasForward
	}
	return f.Needs
}

// In tells whether r has the field in the given direction.
func (f *Field) In(r *Record, w Way) bool { return f.NeedsOf(w)&^r.Has == 0 }
