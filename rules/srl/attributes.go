package srl

// A class of attributes is what source and destination have in common: the
// kind of value, and how it is tested and saved here.
type class uint8

const (
	peerAddress class = iota
	adjacentAddress
	transAddress
	peerType
	transType
	ifNumber
	direction // MatchingStoD
	variable  // SourceClass … FlowKind
	unknown   // known to RTFM, but not to this meter
)

// An attribute is a name of RFC 2723 Appendix C.
type attribute struct {
	name   string // as it is written there
	class  class
	size   int    // octets of its value; an IPv6 address has 16
	field  string // name here
	number int    // RFC 2722 Appendix C
	hint   string // of unknown ones
}

// attributes are the names that a program may test, save or pass, in lower case.
var attributes = func() map[string]*attribute {
	all := map[string]*attribute{}
	for i := range attributeTable {
		a := &attributeTable[i]
		all[lower(a.name)] = a
	}
	return all
}()

var attributeTable = []attribute{
	{"SourceInterface", ifNumber, 1, "iface", 4, ""},
	{"SourceAdjacentType", unknown, 1, "", 5, "test for eth, arp or ethertype in the YAML"},
	{"SourceAdjacentAddress", adjacentAddress, 6, "src.mac", 6, ""},
	{"SourcePeerType", peerType, 1, "ip.version", 8, ""},
	{"SourcePeerAddress", peerAddress, 4, "src.addr", 9, ""},
	{"SourceTransType", transType, 1, "proto", 11, ""},
	{"SourceTransAddress", transAddress, 2, "src.port", 12, ""},
	{"DestInterface", ifNumber, 1, "iface", 14, ""},
	{"DestAdjacentType", unknown, 1, "", 15, "test for eth, arp or ethertype in the YAML"},
	{"DestAdjacentAddress", adjacentAddress, 6, "dst.mac", 16, ""},
	{"DestPeerType", peerType, 1, "ip.version", 18, ""},
	{"DestPeerAddress", peerAddress, 4, "dst.addr", 19, ""},
	{"DestTransType", transType, 1, "proto", 21, ""},
	{"DestTransAddress", transAddress, 2, "dst.port", 22, ""},
	{"FlowRuleset", unknown, 1, "", 26, "a rule set here does not know its number; each has flows of its own"},
	{"SourceClass", variable, 1, "src.class", 36, ""},
	{"DestClass", variable, 1, "dst.class", 37, ""},
	{"FlowClass", variable, 1, "class", 38, ""},
	{"SourceKind", variable, 1, "src.kind", 39, ""},
	{"DestKind", variable, 1, "dst.kind", 40, ""},
	{"FlowKind", variable, 1, "kind", 41, ""},
	{"MatchingStoD", direction, 1, "pass", 50, ""},
}

var keywords = words("address", "call", "count", "define", "else", "endcall", "endsub", "exit", "format", "if",
	"ignore", "nomatch", "optimise", "optimize", "return", "save", "set", "statistics", "store", "subroutine", "variable")

func words(list ...string) map[string]bool {
	set := map[string]bool{}
	for _, w := range list {
		set[w] = true
	}
	return set
}

// names returns the attributes' names as they are written in RFC 2723.
func names() []string {
	list := make([]string, len(attributeTable))
	for i, a := range attributeTable {
		list[i] = a.name
	}
	return list
}
