package packet

import "bytes"

var linkTests = []decodeTest{
	{name: "ethernet ipv4", link: LinkEthernet, data: cat(etherOf4, udp4), h: wantMAC(0x0800, wantUDP4(14, Headers{}))},
	{name: "ethernet ipv6", link: LinkEthernet, data: cat(etherOf6, udp6), h: wantMAC(0x86dd, wantUDP6(14, Headers{}))},
	{name: "ethernet arp", link: LinkEthernet, data: cat(macs, []byte{0x08, 0x06}, make([]byte, 28)), want: NotIP, h: wantMAC(0x0806, Headers{})},
	{name: "ethernet padding is not payload", link: LinkEthernet, data: cat(etherOf4, udp4, make([]byte, 14)), h: wantMAC(0x0800, wantUDP4(14, Headers{}))},
	{name: "ethernet runt", link: LinkEthernet, data: macs, want: Malformed},
	{name: "ethernet cut", link: LinkEthernet, data: macs, wire: 60, want: Truncated},
	{name: "one tag", link: LinkEthernet, data: cat(macs, []byte{
		0x81, 0x00, 0xa0, 0x07, // 802.1Q, priority 5, VLAN 7
		0x08, 0x00,
	}, udp4), h: wantMAC(0x0800, wantUDP4(18, Headers{Layers: HasVLAN, VLAN: [2]VLANTag{{0x8100, 0xa007}}}))},
	{name: "three tags, the first two kept", link: LinkEthernet, data: cat(macs, []byte{
		0x88, 0xa8, 0x00, 0x07, // 802.1ad, VLAN 7
		0x91, 0x00, 0x00, 0x08, // VLAN 8
		0x81, 0x00, 0x00, 0x09, // VLAN 9
		0x86, 0xdd,
	}, udp6), h: wantMAC(0x86dd, wantUDP6(26, Headers{Layers: HasVLAN | HasVLAN2, VLAN: [2]VLANTag{{0x88a8, 7}, {0x9100, 8}}}))},
	{name: "tag cut", link: LinkEthernet, data: cat(macs, []byte{0x93, 0x00, 0x00}), wire: 64, want: Truncated,
		h: Headers{Layers: HasMAC, DstMAC: [6]byte{0x02, 0, 0, 0, 0, 0xbb}, SrcMAC: [6]byte{0x02, 0, 0, 0, 0, 0xaa}}},
	{name: "llc snap", link: LinkEthernet, data: cat(macs, []byte{
		0x00, 0x28, // 802.3 length
		0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00, // LLC, SNAP, OUI of EtherTypes
		0x08, 0x00,
	}, udp4), h: wantMAC(0x0800, wantUDP4(22, Headers{}))},
	{name: "tag, then llc snap", link: LinkEthernet, data: cat(macs, []byte{
		0x81, 0x00, 0x00, 0x07,
		0x00, 0x28,
		0xaa, 0xaa, 0x03, 0x00, 0x00, 0xf8,
		0x08, 0x00,
	}, udp4), h: wantMAC(0x0800, wantUDP4(26, Headers{Layers: HasVLAN, VLAN: [2]VLANTag{{0x8100, 7}}}))},
	{name: "llc sap of ip", link: LinkEthernet, data: cat(macs, []byte{0x00, 0x23, 0x06, 0x06, 0x03}, udp4),
		h: noEtherType(wantMAC(0, wantUDP4(17, Headers{})))},
	{name: "arp request", link: LinkEthernet, data: cat(macs, arpBytes, make([]byte, 18)), want: NotIP, h: wantMAC(0x0806, wantARP)},
	{name: "arp with a tag", link: LinkEthernet, data: cat(macs, []byte{0x81, 0, 0, 7}, arpBytes), want: NotIP, h: wantMAC(0x0806, wantVLAN7(wantARP))},
	{name: "arp that is cut", link: LinkEthernet, wire: 60, data: cat(macs, arpBytes)[:41], want: NotIP, h: wantMAC(0x0806, Headers{})},
	{name: "arp of another protocol", link: LinkEthernet, data: cat(macs, []byte{0x08, 0x06, 0, 1, 0x80, 0xf3, 6, 4}, make([]byte, 20)), want: NotIP, h: wantMAC(0x0806, Headers{})},
	{name: "spanning tree", link: LinkEthernet, data: cat(macs, []byte{0x00, 0x26, 0x42, 0x42, 0x03}, make([]byte, 43)), want: NotIP,
		h: noEtherType(wantMAC(0, Headers{}))},
	{name: "snap of cisco", link: LinkEthernet, data: cat(macs, []byte{0x00, 0x08, 0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00}), want: NotIP,
		h: noEtherType(wantMAC(0, Headers{}))},
	{name: "snap within snap", link: LinkEthernet, data: cat(macs, []byte{0x00, 0x08, 0xaa, 0xaa, 0x03, 0, 0, 0, 0x00, 0x08}), want: NotIP,
		h: noEtherType(wantMAC(0, Headers{}))},
	{name: "mpls", link: LinkEthernet, data: cat(macs, []byte{
		0x88, 0x47,
		0x00, 0x3e, 0x80, 0x40, // label 1000
		0x00, 0x7d, 0x01, 0x40, // label 2000, bottom of stack
	}, udp6), h: wantMAC(0x8847, wantUDP6(22, Headers{Layers: HasMPLS, MPLSLabel: 1000}))},
	{name: "mpls pseudowire", link: LinkEthernet, data: cat(macs, []byte{0x88, 0x47, 0x00, 0x3e, 0x81, 0x40, 0, 0, 0, 0}, etherOf4, udp4), want: NotIP,
		h: wantMAC(0x8847, Headers{Layers: HasMPLS, MPLSLabel: 1000})},
	{name: "mpls without a bottom", link: LinkEthernet, data: cat(macs, []byte{0x88, 0x47, 0x00, 0x3e, 0x80, 0x40}, make([]byte, 100)), want: NotIP,
		h: wantMAC(0x8847, Headers{Layers: HasMPLS, MPLSLabel: 1000})},
	{name: "mpls stack of as many labels as are read", link: LinkEthernet,
		data: cat(macs, []byte{0x88, 0x47}, bytes.Repeat([]byte{0x00, 0x3e, 0x80, 0x40}, 15), []byte{0x00, 0x3e, 0x81, 0x40}, udp4),
		h:    wantMAC(0x8847, wantUDP4(78, Headers{Layers: HasMPLS, MPLSLabel: 1000}))},
	{name: "more tags than are read", link: LinkEthernet, data: cat(macs, bytes.Repeat([]byte{0x81, 0x00, 0x00, 0x07}, 16), []byte{0x08, 0x00}, udp4), want: NotIP,
		h: noEtherType(wantMAC(0, Headers{Layers: HasVLAN | HasVLAN2, VLAN: [2]VLANTag{{0x8100, 7}, {0x8100, 7}}}))},
	{name: "mpls stack that the frame ends in", link: LinkEthernet, data: cat(macs, []byte{0x88, 0x47, 0x00, 0x3e, 0x80, 0x40}), want: Malformed,
		h: wantMAC(0x8847, Headers{Layers: HasMPLS, MPLSLabel: 1000})},
	{name: "pppoe session", link: LinkEthernet, data: cat(macs, []byte{
		0x88, 0x64,
		0x11, 0x00, 0x12, 0x34, 0x00, 0x22, // version, code, session, length
		0x00, 0x21, // PPP: IPv4
	}, udp4), h: wantMAC(0x8864, wantUDP4(22, Headers{Layers: HasPPPoE}))},
	{name: "pppoe lcp", link: LinkEthernet, data: cat(macs, []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 6, 0xc0, 0x21, 9, 1, 0, 4}), want: NotIP,
		h: wantMAC(0x8864, Headers{Layers: HasPPPoE})},
	{name: "pppoe discovery in a session", link: LinkEthernet, data: cat(macs, []byte{0x88, 0x64, 0x11, 0xa7, 0, 1, 0, 0}), want: NotIP,
		h: wantMAC(0x8864, Headers{})},
	{name: "pppoe link type", link: LinkPPPoE, data: cat([]byte{0x11, 0, 0, 1, 0, 0x36, 0x00, 0x57}, udp6), h: wantUDP6(8, Headers{Layers: HasPPPoE})},

	{name: "ppp with address and control", link: LinkPPP, data: cat([]byte{0xff, 0x03, 0x00, 0x21}, udp4), h: wantUDP4(4, Headers{})},
	{name: "ppp without", link: LinkPPP, data: cat([]byte{0x00, 0x57}, udp6), h: wantUDP6(2, Headers{})},
	{name: "ppp with protocol in one octet", link: LinkPPPHDLC, data: cat([]byte{0xff, 0x03, 0x21}, udp4), h: wantUDP4(3, Headers{})},
	{name: "ppp with nothing but it", link: LinkPPP, data: cat([]byte{0x21}, udp4), h: wantUDP4(1, Headers{})},
	{name: "ppp mpls", link: LinkPPP, data: cat([]byte{0x02, 0x81, 0x00, 0x3e, 0x81, 0x40}, udp4), h: wantUDP4(6, Headers{Layers: HasMPLS, MPLSLabel: 1000})},
	{name: "ppp lcp", link: LinkPPP, data: []byte{0xff, 0x03, 0xc0, 0x21, 1, 1, 0, 4}, want: NotIP},
	{name: "cisco hdlc", link: LinkPPPHDLC, data: cat([]byte{0x0f, 0x00, 0x08, 0x00}, udp4), h: wantUDP4(4, Headers{Layers: HasEtherType, EtherType: 0x0800})},
	{name: "ppp cut", link: LinkPPP, data: []byte{0xff}, wire: 40, want: Truncated},

	{name: "raw ipv4", link: LinkRaw, data: udp4, h: wantUDP4(0, Headers{})},
	{name: "raw ipv6", link: LinkRaw, data: udp6, h: wantUDP6(0, Headers{})},
	{name: "raw 12", link: 12, data: udp4, h: wantUDP4(0, Headers{})},
	{name: "raw 14", link: 14, data: udp6, h: wantUDP6(0, Headers{})},
	{name: "raw of no version", link: LinkRaw, data: []byte{0x50, 0, 0, 0}, want: Malformed},
	{name: "raw of nothing", link: LinkRaw, data: nil, want: Malformed},
	{name: "ipv4 link type", link: LinkIPv4, data: udp4, h: wantUDP4(0, Headers{})},
	{name: "ipv6 link type", link: LinkIPv6, data: udp6, h: wantUDP6(0, Headers{})},
	{name: "ipv6 in ipv4 link type", link: LinkIPv4, data: udp6, want: Malformed},

	{name: "null of a little-endian machine", link: LinkNull, data: cat([]byte{2, 0, 0, 0}, udp4), h: wantUDP4(4, Headers{})},
	{name: "null of a big-endian machine", link: LinkNull, data: cat([]byte{0, 0, 0, 28}, udp6), h: wantUDP6(4, Headers{})},
	{name: "null of darwin", link: LinkNull, data: cat([]byte{30, 0, 0, 0}, udp6), h: wantUDP6(4, Headers{})},
	{name: "loop", link: LinkLoop, data: cat([]byte{0, 0, 0, 24}, udp6), h: wantUDP6(4, Headers{})},
	{name: "loop of another family", link: LinkLoop, data: cat([]byte{0, 0, 0, 7}, udp4), want: NotIP},
	{name: "loop of a family over 16 bits", link: LinkLoop, data: cat([]byte{1, 2, 0, 2}, udp4), want: NotIP},
	{name: "null of a family over 16 bits", link: LinkNull, data: cat([]byte{2, 0, '0', '0'}, udp4), want: NotIP},

	{name: "sll", link: LinkSLL, data: cat([]byte{
		0, 0, // to us
		0, 1, // ARPHRD_ETHER
		0, 6, 2, 0, 0, 0, 0, 0xaa, 0, 0, // address
		0x08, 0x00,
	}, udp4), h: wantUDP4(16, Headers{Layers: HasEtherType, EtherType: 0x0800})},
	{name: "sll with a tag", link: LinkSLL, data: cat(make([]byte, 14), []byte{0x81, 0x00, 0x00, 0x07, 0x86, 0xdd}, udp6),
		h: wantUDP6(20, Headers{Layers: HasEtherType | HasVLAN, EtherType: 0x86dd, VLAN: [2]VLANTag{{0x8100, 7}}})},
	{name: "sll with llc", link: LinkSLL, data: cat(make([]byte, 14), []byte{0, 4, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00}, udp4),
		h: wantUDP4(24, Headers{Layers: HasEtherType, EtherType: 0x0800})},
	{name: "sll with linux's own protocol", link: LinkSLL, data: cat(make([]byte, 14), []byte{0, 1, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00}, udp4), want: NotIP},
	{name: "sll2", link: LinkSLL2, data: cat([]byte{
		0x86, 0xdd, 0, 0, // protocol
		0, 0, 0, 2, // interface index
		0, 1, 0, 6, 2, 0, 0, 0, 0, 0xaa, 0, 0,
	}, udp6), h: wantUDP6(20, Headers{Layers: HasEtherType, EtherType: 0x86dd})},
	{name: "sll cut", link: LinkSLL, data: make([]byte, 15), wire: 60, want: Truncated},
	{name: "unknown link type", link: 147, data: udp4, want: Unsupported},
}

// noEtherType is for frames that end in LLC.
func noEtherType(h Headers) Headers {
	h.Layers &^= HasEtherType
	h.EtherType = 0
	return h
}

// An 802.11 data header with three addresses, whose meaning flags decides.
func wifiHeader(kind, flags byte, more ...byte) []byte {
	return cat([]byte{
		kind, flags, 0, 0, // frame control, duration
		2, 0, 0, 0, 0, 1, // address 1
		2, 0, 0, 0, 0, 2, // address 2
		2, 0, 0, 0, 0, 3, // address 3
		0x10, 0x00, // sequence 1, fragment 0
	}, more)
}

var snapOf4 = []byte{0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00}

func wantWiFi(dst, src byte, h Headers) Headers {
	h.Layers |= HasMAC
	h.DstMAC = [6]byte{2, 0, 0, 0, 0, dst}
	h.SrcMAC = [6]byte{2, 0, 0, 0, 0, src}
	if h.Layers&HasIP != 0 {
		h.Layers |= HasEtherType
		h.EtherType = 0x0800
	}
	return h
}

var wifiTests = []decodeTest{
	{name: "wifi between stations", link: LinkIEEE80211, data: cat(wifiHeader(0x08, 0), snapOf4, udp4), h: wantWiFi(1, 2, wantUDP4(32, Headers{}))},
	{name: "wifi to ds", link: LinkIEEE80211, data: cat(wifiHeader(0x08, 1), snapOf4, udp4), h: wantWiFi(3, 2, wantUDP4(32, Headers{}))},
	{name: "wifi from ds, qos", link: LinkIEEE80211, data: cat(wifiHeader(0x88, 2, 0, 0), snapOf4, udp4), h: wantWiFi(1, 3, wantUDP4(34, Headers{}))},
	{name: "wifi bridge, qos, ht control", link: LinkIEEE80211,
		data: cat(wifiHeader(0x88, 0x83, 2, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0), snapOf4, udp4), h: wantWiFi(3, 4, wantUDP4(44, Headers{}))},
	{name: "wifi first fragment", link: LinkIEEE80211, data: cat(wifiHeader(0x08, 4), snapOf4, udp4), h: wantWiFi(1, 2, wantUDP4(32, Headers{}))},
	{name: "wifi later fragment", link: LinkIEEE80211, data: cat(wifiHeader(0x08, 0)[:22], []byte{0x11, 0}, snapOf4, udp4), want: NotIP, h: wantWiFi(1, 2, Headers{})},
	{name: "wifi protected", link: LinkIEEE80211, data: cat(wifiHeader(0x08, 0x40), snapOf4, udp4), want: NotIP, h: wantWiFi(1, 2, Headers{})},
	{name: "wifi aggregate", link: LinkIEEE80211, data: cat(wifiHeader(0x88, 0, 0x80, 0), snapOf4, udp4), want: NotIP, h: wantWiFi(1, 2, Headers{})},
	{name: "wifi null data", link: LinkIEEE80211, data: wifiHeader(0x48, 1), want: NotIP},
	{name: "wifi beacon", link: LinkIEEE80211, data: wifiHeader(0x80, 0), want: NotIP},
	{name: "wifi cut", link: LinkIEEE80211, data: wifiHeader(0x08, 0)[:23], wire: 90, want: Truncated},
	{name: "radiotap", link: LinkRadiotap, data: cat([]byte{0, 0, 8, 0, 0, 0, 0, 0}, wifiHeader(0x08, 0), snapOf4, udp4), h: wantWiFi(1, 2, wantUDP4(40, Headers{}))},
	{name: "radiotap, header padded", link: LinkRadiotap, data: cat([]byte{
		0, 0, 25, 0, // version, length
		0x03, 0, 0, 0x80, // present: time, flags; another word
		0, 0, 0, 0, // which is empty
		0, 0, 0, 0, // alignment of the time to 8
		0, 0, 0, 0, 0, 0, 0, 0, // time
		0x20, // flags: padded
	}, wifiHeader(0x88, 0, 0, 0), []byte{0, 0}, snapOf4, udp4), h: wantWiFi(1, 2, wantUDP4(61, Headers{}))},
	{name: "radiotap longer than the frame", link: LinkRadiotap, data: []byte{0, 0, 64, 0, 0, 0, 0, 0}, want: Malformed},
	{name: "radiotap of no length", link: LinkRadiotap, data: make([]byte, 40), want: NotIP},
}

// arpBytes ask, by 192.0.2.1, for 192.0.2.9.
var arpBytes = []byte{0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 0xaa, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 9}

var wantARP = Headers{Layers: HasARP, Version: 4, ARPOp: 1,
	Src: [16]byte{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: 1}, Dst: [16]byte{10: 0xff, 11: 0xff, 12: 192, 14: 2, 15: 9}}

func wantVLAN7(h Headers) Headers {
	h.Layers |= HasVLAN
	h.VLAN[0] = VLANTag{0x8100, 7}
	return h
}
