package packet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// facts are what one decoder says about a frame, by name, as text: the form in
// which two decoders are compared. A name that is absent was not found.
type facts map[string]string

func (f facts) set(name, format string, args ...any) { f[name] = fmt.Sprintf(format, args...) }

// factsOf returns what Decode found.
func factsOf(o Outcome, h *Headers) facts {
	f := facts{}
	if o != OK {
		return f
	}
	f.set("ip", "%d %v %v", h.Version, netip.AddrFrom16(h.Src).Unmap(), netip.AddrFrom16(h.Dst).Unmap())
	f.set("header", "proto %d ttl %d class %d", h.Proto, h.TTL, h.TClass)
	f.set("total", "%d", h.TotalLen)
	if h.Layers&HasIPv4 != 0 {
		f.set("id", "%d df %v", h.FragID, h.DontFragment)
	} else {
		f.set("label", "%d", h.FlowLabel)
	}
	if h.Layers&HasFragment != 0 {
		f.set("fragment", "%d at %d more %v", h.FragID, h.FragOffset, h.MoreFragments)
	}
	linkFactsOf(f, h)
	transportFactsOf(f, h)
	return f
}

func linkFactsOf(f facts, h *Headers) {
	if h.Layers&HasMAC != 0 {
		f.set("mac", "%x %x", h.SrcMAC, h.DstMAC)
	}
	if h.Layers&HasMPLS != 0 {
		f.set("mpls", "%d", h.MPLSLabel)
	}
	if h.Layers&HasVLAN != 0 {
		f.set("vlan", "%04x", h.VLAN[0].TCI)
	}
	if h.Layers&HasVLAN2 != 0 {
		f.set("vlan", "%s %04x", f["vlan"], h.VLAN[1].TCI)
	}
}

func transportFactsOf(f facts, h *Headers) {
	if h.Layers&HasPorts != 0 {
		f.set("ports", "%d %d", h.SrcPort, h.DstPort)
	}
	if h.Layers&HasTCP != 0 {
		f.set("tcp", "flags %03x seq %d ack %d window %d", h.TCPFlags&0x1ff, h.Seq, h.Ack, h.Window)
	}
	if h.Layers&(HasICMP|HasICMPv6) != 0 {
		f.set("icmp", "%d/%d", h.ICMPType, h.ICMPCode)
	}
	if h.Layers&HasPayload != 0 && h.Layers&(HasTCP|HasUDP) != 0 && h.Proto != ProtoUDPLite && h.PayloadOff <= h.CapLen {
		f.set("payload", "%d", min(h.PayloadLen, h.CapLen-h.PayloadOff))
	}
}

// oracle is what gopacket says about a frame, and how it came to it.
type oracle struct {
	facts  facts
	layers []gopacket.Layer // up to the outermost IP header's transport
	ipOff  int              // where that IP header begins
	err    string           // why it gave up, if it did
}

func (o *oracle) has(t gopacket.LayerType) bool {
	return o.count(t) > 0
}

// askGopacket decodes a frame with gopacket, and collects from its layers what
// belongs to the outermost IP header.
func askGopacket(link LinkType, data []byte) *oracle {
	data = slices.Clip(data) // gopacket's PPPoE reads into the capacity
	if link == LinkIEEE80211 {
		data = append(data, 0, 0, 0, 0) // gopacket takes 4 octets off as the FCS
	}
	pkt := gopacket.NewPacket(data, gopacketLinks[link], gopacket.DecodeOptions{NoCopy: true})
	o := &oracle{facts: facts{}}
	if e := pkt.ErrorLayer(); e != nil {
		o.err = e.Error().Error()
	}
	ips := 0
	for _, l := range pkt.Layers() {
		if t := l.LayerType(); t == layers.LayerTypeIPv4 || t == layers.LayerTypeIPv6 {
			ips++
		}
		if ips == 2 || ips == 0 && l.LayerType() == layers.LayerTypeGRE {
			break
		}
		if ips == 0 {
			o.ipOff += len(l.LayerContents())
		}
		o.layers = append(o.layers, l)
		o.link(l)
		o.network(l)
		o.transport(l)
		if ips == 1 && isTransport(l.LayerType()) {
			break
		}
	}
	if ips == 0 {
		o.facts = facts{}
	}
	return o
}

// gopacketLinks are gopacket's decoders for the link types that it knows.
var gopacketLinks = map[LinkType]gopacket.Decoder{
	LinkNull:      layers.LinkTypeNull,
	LinkEthernet:  layers.LinkTypeEthernet,
	LinkPPP:       layers.LinkTypePPP,
	LinkPPPHDLC:   layers.LinkTypePPP,
	LinkPPPoE:     layers.LayerTypePPPoE,
	LinkRaw:       layers.LinkTypeRaw,
	linkRawBSD:    layers.LinkTypeRaw,
	linkRawBSDOS:  layers.LinkTypeRaw,
	LinkIEEE80211: layers.LinkTypeIEEE802_11,
	LinkLoop:      layers.LinkTypeLoop,
	LinkSLL:       layers.LinkTypeLinuxSLL,
	LinkRadiotap:  layers.LinkTypeIEEE80211Radio,
	LinkIPv4:      layers.LayerTypeIPv4,
	LinkIPv6:      layers.LayerTypeIPv6,
}

// isTransport reports whether what follows this layer no longer counts.
func isTransport(t gopacket.LayerType) bool {
	switch t {
	case layers.LayerTypeTCP, layers.LayerTypeUDP, layers.LayerTypeUDPLite, layers.LayerTypeSCTP,
		layers.LayerTypeICMPv4, layers.LayerTypeICMPv6, layers.LayerTypeIPSecESP, gopacket.LayerTypeFragment:
		return true
	}
	return false
}

func (o *oracle) link(l gopacket.Layer) {
	f := o.facts
	if _, ip := f["ip"]; ip {
		return
	}
	switch l := l.(type) {
	case *layers.Ethernet:
		f.set("mac", "%x %x", []byte(l.SrcMAC), []byte(l.DstMAC))
	case *layers.Dot1Q:
		if strings.Count(f["vlan"], " ") == 0 {
			tci := uint16(l.Priority)<<13 | l.VLANIdentifier
			if l.DropEligible {
				tci |= 0x1000
			}
			f.set("vlan", "%s %04x", f["vlan"], tci)
			f["vlan"] = strings.TrimSpace(f["vlan"])
		}
	case *layers.MPLS:
		if f["mpls"] == "" {
			f.set("mpls", "%d", l.Label)
		}
	case *layers.Dot11:
		f.dot11(l)
	}
}

// dot11 takes destination and source from the addresses of an 802.11 header.
func (f facts) dot11(l *layers.Dot11) {
	dst, src := l.Address1, l.Address2
	if l.Flags.ToDS() {
		dst = l.Address3
	}
	if l.Flags.FromDS() {
		src = l.Address3
	}
	if l.Flags.ToDS() && l.Flags.FromDS() {
		src = l.Address4
	}
	f.set("mac", "%x %x", []byte(src), []byte(dst))
}

func (o *oracle) network(l gopacket.Layer) {
	f := o.facts
	switch l := l.(type) {
	case *layers.IPv4:
		src, _ := netip.AddrFromSlice(l.SrcIP)
		dst, _ := netip.AddrFromSlice(l.DstIP)
		f.set("ip", "%d %v %v", l.Version, src, dst)
		f.set("header", "proto %d ttl %d class %d", l.Protocol, l.TTL, l.TOS)
		f.set("total", "%d", l.Length)
		f.set("id", "%d df %v", l.Id, l.Flags&layers.IPv4DontFragment != 0)
		if more := l.Flags&layers.IPv4MoreFragments != 0; more || l.FragOffset != 0 {
			f.set("fragment", "%d at %d more %v", l.Id, l.FragOffset, more)
		}
	case *layers.IPv6:
		src, _ := netip.AddrFromSlice(l.SrcIP)
		dst, _ := netip.AddrFromSlice(l.DstIP)
		f.set("ip", "%d %v %v", l.Version, src.Unmap(), dst.Unmap())
		f.header6(l, l.NextHeader)
		f.set("total", "%d", int(l.Length)+minIPv6)
		f.set("label", "%d", l.FlowLabel)
	default:
		o.extension(l)
	}
}

// header6 is the fact "header" of IPv6, whose protocol moves on with each
// extension header.
func (f facts) header6(l *layers.IPv6, next layers.IPProtocol) {
	f.set("header", "proto %d ttl %d class %d", next, l.HopLimit, l.TrafficClass)
}

func (o *oracle) extension(l gopacket.Layer) {
	i := slices.IndexFunc(o.layers, func(l gopacket.Layer) bool { return l.LayerType() == layers.LayerTypeIPv6 })
	if i < 0 {
		return
	}
	ip := o.layers[i].(*layers.IPv6)
	switch l := l.(type) {
	case *layers.IPv6HopByHop:
		o.facts.header6(ip, l.NextHeader)
	case *layers.IPv6Destination:
		o.facts.header6(ip, l.NextHeader)
	case *layers.IPv6Routing:
		o.facts.header6(ip, l.NextHeader)
	case *layers.IPSecAH:
		o.facts.header6(ip, l.NextHeader)
	case *layers.IPv6Fragment:
		o.facts.header6(ip, l.NextHeader)
		if l.MoreFragments || l.FragmentOffset != 0 {
			o.facts.set("fragment", "%d at %d more %v", l.Identification, l.FragmentOffset, l.MoreFragments)
		}
	}
}

func (o *oracle) transport(l gopacket.Layer) {
	f := o.facts
	switch l := l.(type) {
	case *layers.TCP:
		f.set("ports", "%d %d", l.SrcPort, l.DstPort)
		f.set("tcp", "flags %03x seq %d ack %d window %d", tcpFlags(l), l.Seq, l.Ack, l.Window)
		f.payload(l.Payload)
	case *layers.UDP:
		f.set("ports", "%d %d", l.SrcPort, l.DstPort)
		f.payload(l.Payload)
	case *layers.UDPLite:
		f.set("ports", "%d %d", l.SrcPort, l.DstPort)
	case *layers.SCTP:
		f.set("ports", "%d %d", l.SrcPort, l.DstPort)
	case *layers.ICMPv4:
		f.set("icmp", "%d/%d", l.TypeCode.Type(), l.TypeCode.Code())
	case *layers.ICMPv6:
		f.set("icmp", "%d/%d", l.TypeCode.Type(), l.TypeCode.Code())
	}
}

// payload is nil where gopacket could not tell where it begins.
func (f facts) payload(b []byte) {
	if b != nil {
		f.set("payload", "%d", len(b))
	}
}

// tcpFlags returns the nine flags that gopacket knows.
func tcpFlags(l *layers.TCP) uint16 {
	var flags uint16
	for i, set := range []bool{l.FIN, l.SYN, l.RST, l.PSH, l.ACK, l.URG, l.ECE, l.CWR, l.NS} {
		if set {
			flags |= 1 << i
		}
	}
	return flags
}

// wrongVersion reports whether a layer says another IP version than its own.
func (o *oracle) wrongVersion() bool {
	for _, l := range o.layers {
		switch l := l.(type) {
		case *layers.IPv4:
			return l.Version != 4
		case *layers.IPv6:
			return l.Version != 6
		}
	}
	return false
}

// bridged reports whether an Ethernet frame stands within the frame.
func (o *oracle) bridged() bool {
	return o.has(layers.LayerTypeERSPANII) || o.count(layers.LayerTypeEthernet) > 1
}

// ends returns where the first layer of a type says that the frame ends; 0 if
// there is none.
func (o *oracle) ends(t gopacket.LayerType) int {
	off := 0
	for _, l := range o.layers {
		off += len(l.LayerContents())
		if l.LayerType() == t {
			return off + len(l.LayerPayload())
		}
	}
	return 0
}

// leadsTo returns the EtherType at which gopacket stood last; 0xffff if none.
func (o *oracle) leadsTo() uint16 {
	typ := layers.EthernetType(0xffff)
	for _, l := range o.layers {
		switch l := l.(type) {
		case *layers.Ethernet:
			typ = l.EthernetType
		case *layers.Dot1Q:
			typ = l.Type
		case *layers.SNAP:
			typ = l.Type
		case *layers.LinuxSLL:
			typ = l.EthernetType
		}
	}
	return uint16(typ)
}

// count returns how many layers are of these types.
func (o *oracle) count(types ...gopacket.LayerType) int {
	n := 0
	for _, l := range o.layers {
		if slices.Contains(types, l.LayerType()) {
			n++
		}
	}
	return n
}

// statesNoLength reports whether the IP header, of this version, has 0 for the
// length of the packet.
func (o *oracle) statesNoLength(version int) bool {
	for _, l := range o.layers {
		switch l := l.(type) {
		case *layers.IPv4:
			return version == 4 && be16(l.Contents[2:4]) == 0
		case *layers.IPv6:
			return version == 6 && l.Length == 0
		}
	}
	return false
}
