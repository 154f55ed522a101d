package ring

import "flowmeter/meter/packet"

// Types of interfaces (ARPHRD_, linux/if_arp.h) that have names here.
const (
	ethernet = 1
	loopback = 772
)

// cookedLen is the length of a header of LINKTYPE_LINUX_SLL.
const cookedLen = 16

// linkKind says how frames of a kind of interface are handed on.
type linkKind uint8

const (
	kindCooked   linkKind = iota // with a header of LINKTYPE_LINUX_SLL in place of their own
	kindEthernet                 // as they are
	kindRaw                      // from the IP header on
	kindWiFi                     // as they are, IEEE 802.11
	kindRadiotap                 // as they are, IEEE 802.11 behind a radiotap header
)

// linkKinds are the types of interfaces that are not cooked.
var linkKinds = []struct {
	hardware uint16
	kind     linkKind
}{
	{ethernet, kindEthernet},
	{loopback, kindEthernet},
	{0xfffe, kindRaw}, // ARPHRD_NONE: tun, WireGuard
	{512, kindRaw},    // ARPHRD_PPP: the kernel gives IP without PPP's header
	{519, kindRaw},    // ARPHRD_RAWIP: mobile modems
	{768, kindRaw},    // ARPHRD_TUNNEL: IP in IPv4
	{769, kindRaw},    // ARPHRD_TUNNEL6
	{776, kindRaw},    // ARPHRD_SIT
	{801, kindWiFi},
	{803, kindRadiotap},
}

// kindOf returns the kind of an interface by its type.
func kindOf(hardware uint16) linkKind {
	for i := range linkKinds {
		if linkKinds[i].hardware == hardware {
			return linkKinds[i].kind
		}
	}
	return kindCooked
}

// link returns the link type that frames of the kind have.
func (k linkKind) link() packet.LinkType {
	return [...]packet.LinkType{
		kindCooked:   packet.LinkSLL,
		kindEthernet: packet.LinkEthernet,
		kindRaw:      packet.LinkRaw,
		kindWiFi:     packet.LinkIEEE80211,
		kindRadiotap: packet.LinkRadiotap,
	}[k]
}

// LinkTypes returns the link types of frames by the type of their interface
// (ARPHRD_), of those that are handed on as the kernel's filter sees them.
func LinkTypes() map[uint16]packet.LinkType {
	all := map[uint16]packet.LinkType{}
	for _, k := range linkKinds {
		if k.kind == kindEthernet || k.kind == kindRaw {
			all[k.hardware] = k.kind.link()
		}
	}
	return all
}

// Room returns how many instructions a Filter, or a Cut beside a Filter, has
// at most.
func (c *Config) Room() int { return bpfMax - combineRoom - len(c.Filter) }
