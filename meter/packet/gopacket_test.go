package packet

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"
)

// TestGopacket compares Decode with gopacket's layers, fact by fact, over
// every frame of every trace. Each difference must have its rule.
func TestGopacket(t *testing.T) {
	frames, foreign, unread := 0, 0, 0
	explained := map[string]int{}
	for _, path := range traceFiles(t) {
		n := 0
		err := readTrace(path, func(f frame) {
			n++
			if gopacketLinks[f.link] == nil {
				foreign++
				return
			}
			frames++
			c := compare(f)
			for _, fact := range c.differences() {
				rule := c.explain(fact)
				explained[rule]++
				if rule == "" {
					t.Errorf("%s frame %d: %s", path, n, c.describe(fact))
				}
			}
		})
		if err != nil {
			unread++
			t.Logf("pcapgo reads %d frames of %s: %v", n, path, err)
		}
	}
	t.Logf("%d frames compared, %d of link types that gopacket lacks, %d traces not read to the end", frames, foreign, unread)
	for _, rule := range slices.Sorted(maps.Keys(explained)) {
		t.Logf("%5d facts differ by rule %q", explained[rule], rule)
	}
}

// FuzzDecode checks that Decode panics on nothing, keeps its own promises and
// agrees with gopacket.
func FuzzDecode(f *testing.F) {
	for _, s := range benchFrames {
		f.Add(uint16(s.link), s.data, uint32(len(s.data)))
		f.Add(uint16(s.link), s.data[:len(s.data)-7], uint32(len(s.data)))
	}
	for _, test := range decodeTests {
		f.Add(uint16(test.link), test.data, test.wireLen())
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, wire uint32) {
		fr := frame{LinkType(link), data, wire}
		checkPromises(t, fr)
		if gopacketLinks[fr.link] == nil {
			return
		}
		c := compare(fr)
		for _, fact := range c.differences() {
			if c.explain(fact) == "" {
				t.Errorf("link %d wire %d\n%x\n%s", link, wire, data, c.describe(fact))
			}
		}
	})
}

// comparison is one frame and what the two decoders say about it.
type comparison struct {
	frame
	h       Headers
	outcome Outcome
	ours    facts
	theirs  *oracle
}

func compare(f frame) *comparison {
	c := &comparison{frame: f}
	c.outcome = Decode(&c.h, f.link, f.data, f.wire)
	c.ours = factsOf(c.outcome, &c.h)
	c.theirs = askGopacket(f.link, f.data)
	return c
}

// differences returns the names of the facts on which they differ, or "ip"
// alone if only one of them found an IP header.
func (c *comparison) differences() []string {
	if (c.ours["ip"] == "") != (c.theirs.facts["ip"] == "") {
		return []string{"ip"}
	}
	names := map[string]bool{}
	for _, f := range []facts{c.ours, c.theirs.facts} {
		for name := range f {
			if c.ours[name] != c.theirs.facts[name] {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (c *comparison) describe(fact string) string {
	return fact + " is " + c.ours[fact] + " (" + c.outcome.String() + "), gopacket says " +
		c.theirs.facts[fact] + " (" + c.theirs.err + ")"
}

// gave reports whether gopacket gave up with one of these errors.
func (c *comparison) gave(errs ...string) bool {
	return slices.ContainsFunc(errs, func(e string) bool { return strings.HasPrefix(c.theirs.err, e) })
}

// explain returns the name of the rule that explains a difference.
func (c *comparison) explain(fact string) string {
	for _, r := range rules {
		if slices.Contains(strings.Fields(r.facts), fact) && r.applies(c) {
			return r.name
		}
	}
	return ""
}

const (
	afterIP     = "ports tcp icmp payload"
	afterHeader = "header fragment " + afterIP
)

// rules are the differences between Decode and gopacket that are known and
// meant: by name, the facts that they may explain, and when.
var rules = []struct {
	name, facts string
	applies     func(c *comparison) bool
}{
	{"an incomplete or contradictory IP header: gopacket keeps the layer beside the same error", "ip",
		func(c *comparison) bool {
			return c.outcome != OK && c.gave("Invalid (too small) IP", "Invalid IP header length > IP length",
				"Not all IP header bytes", "Invalid ip4 header.", "Invalid ip6 header.")
		}},
	{"gopacket does not check the version", "ip",
		func(c *comparison) bool { return c.outcome != OK && c.theirs.wrongVersion() }},
	{"gopacket reads on in a frame that a frame carries", "ip",
		func(c *comparison) bool { return c.outcome == NotIP && c.theirs.bridged() }},
	{"gopacket ends a frame at the length that 802.3 or PPPoE state", "ip id label total payload " + afterHeader,
		func(c *comparison) bool {
			e, p := c.theirs.ends(layers.LayerTypeEthernet), c.theirs.ends(layers.LayerTypePPPoE)
			return e != 0 && e < len(c.data) || p != 0 && p < len(c.data)
		}},
	{"gopacket checks neither version nor stage of PPPoE", "ip",
		func(c *comparison) bool {
			return c.outcome == NotIP && c.theirs.has(layers.LayerTypePPPoE) && c.h.Layers&HasPPPoE == 0
		}},
	{"gopacket takes the protocol of any SNAP, LLC control field or OUI, for an EtherType", "ip",
		func(c *comparison) bool { return c.outcome == NotIP && c.theirs.has(layers.LayerTypeSNAP) }},
	{"PPP in Ethernet (EtherType 0x880b) is not read", "ip",
		func(c *comparison) bool {
			return c.outcome == NotIP && c.h.Layers&HasEtherType != 0 && c.h.EtherType == 0x880b
		}},
	{"no more than 16 tags or labels are walked over", "ip",
		func(c *comparison) bool {
			return c.theirs.count(layers.LayerTypeDot1Q) >= maxLinkHeaders || c.theirs.count(layers.LayerTypeMPLS) > maxLinkHeaders
		}},
	{"gopacket knows the tags 0x8100 and 0x88a8", "ip vlan",
		func(c *comparison) bool {
			typ := c.theirs.leadsTo()
			return isTag(typ) && typ != 0x8100 && typ != 0x88a8
		}},
	{"gopacket knows LLC in Ethernet without a tag", "ip",
		func(c *comparison) bool { return c.h.Layers&HasIP != 0 && c.theirs.leadsTo() <= maxLength }},
	{"gopacket lacks Cisco HDLC", "ip",
		func(c *comparison) bool {
			return (c.link == LinkPPP || c.link == LinkPPPHDLC) && (c.data[0] == hdlcCiscoUnicast || c.data[0] == hdlcCiscoBroadcast)
		}},
	{"gopacket reads on in later fragments and aggregates of 802.11", "ip",
		func(c *comparison) bool { return c.outcome == NotIP && c.theirs.has(layers.LayerTypeDot11) }},
	{"gopacket panics, and says so", "ip " + afterHeader,
		func(c *comparison) bool { return c.gave("runtime error") }},
	{"a stated length of 0 is the rest of the frame on the wire; gopacket has what was captured, in 16 bits", "total payload",
		func(c *comparison) bool { return c.theirs.statesNoLength(4) }},
	{"a stated length of 0 is the rest of the frame on the wire; gopacket takes it only with a jumbo option", "total " + afterHeader,
		func(c *comparison) bool { return c.theirs.statesNoLength(6) }},
	{"gopacket does not look into a first or atomic fragment", afterHeader,
		func(c *comparison) bool {
			return c.theirs.has(layers.LayerTypeIPv6Fragment) || c.h.Layers&HasFragment != 0 && c.h.FragOffset == 0
		}},
	{"gopacket gives up on bad IPv4 options", afterIP,
		func(c *comparison) bool { return c.gave("IP option length", "Invalid IP option", "Invalid ip4 option") }},
	{"gopacket gives up on bad IPv6 options", afterHeader,
		func(c *comparison) bool {
			return c.gave("IPv6 header TLV option", "IPv6 header option", "Jumbo length", "IPv6 has jumbo length")
		}},
	{"gopacket knows routing header type 0 alone", afterHeader,
		func(c *comparison) bool {
			return c.gave("Unknown IPv6 routing header type", "Invalid IPv6 source routing")
		}},
	{"gopacket wants an extension header whole, we its first 8 octets", afterHeader,
		func(c *comparison) bool {
			return c.gave("Invalid ip6-extension header.", "Invalid ip6-fragment header.", "IPSec AH packet less", "Truncated AH packet")
		}},
	{"gopacket lacks the protocol", afterHeader,
		func(c *comparison) bool {
			return c.gave("Layer type not currently supported", "Unable to decode IPProtocol")
		}},
	{"gopacket forgets hop-by-hop options when it takes padding off", afterHeader,
		func(c *comparison) bool {
			return c.theirs.has(layers.LayerTypeIPv6HopByHop) && c.theirs.ipOff+int(c.h.TotalLen) < len(c.data)
		}},
	{"no more than 16 extension headers are walked over", afterHeader,
		func(c *comparison) bool {
			return c.theirs.count(layers.LayerTypeIPv6HopByHop, layers.LayerTypeIPv6Routing,
				layers.LayerTypeIPv6Destination, layers.LayerTypeIPSecAH) > maxExtensions
		}},
	{"AH is walked over in IPv6 alone", afterIP,
		func(c *comparison) bool { return c.h.Layers&HasIPv4 != 0 && c.theirs.has(layers.LayerTypeIPSecAH) }},
	{"extension headers of IPv6 are walked over in IPv6 alone", afterIP,
		func(c *comparison) bool {
			return c.h.Layers&HasIPv4 != 0 && c.theirs.count(layers.LayerTypeIPv6HopByHop, layers.LayerTypeIPv6Routing,
				layers.LayerTypeIPv6Fragment, layers.LayerTypeIPv6Destination) > 0
		}},
	{"gopacket wants the transport header whole", afterIP,
		func(c *comparison) bool {
			return c.gave("Invalid TCP header.", "Invalid UDP header.", "Invalid SCTP common header", "ICMP layer less then")
		}},
}
