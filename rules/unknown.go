package rules

import (
	"slices"
	"strings"
)

// substitutes say what comes nearest to fields that display filters have and
// this language does not. A name that ends with a dot stands for all below it.
var substitutes = []struct{ name, hint string }{
	{"frame.number", "packets have no number here: choose by frame.time"},
	{"frame.interface_", "write iface, which counts from 1"},
	{"frame.time_", "write frame.time, time.of_day or time.weekday; times between packets are in records"},
	{"frame.protocols", "name the protocol alone: tcp"},
	{"frame", "octets are taken of addresses; of frames there are frame.len, frame.cap_len and frame.time"},
	{"frame.", "of frames there are len, cap_len and time"},
	{"eth.ig", "write eth.addr[0] & 01"}, {"eth.lg", "write eth.addr[0] & 02"},
	{"eth.src.", "write eth.src[0:3] or eth.src.oui"}, {"eth.dst.", "write eth.dst[0:3] or eth.dst.oui"},
	{"eth.addr.", "write eth.addr[0:3] or eth.addr.oui"},
	{"sll.", "cooked frames have their ethertype alone"}, {"arp.", "write arp, arp.opcode, arp.src.proto_ipv4 or arp.dst.proto_ipv4"}, {"llc", "write eth.type <= 1500"},
	{"ip.host", "write ip.addr"}, {"ip.src_host", "write ip.src"}, {"ip.dst_host", "write ip.dst"},
	{"ip.geoip.", "put prefixes into networks: and write ip.src in $list"}, {"ip.checksum.", "write ip.checksum"},
	{"ip.opt.", "write ip.opt.type"}, {"ip.fragment", "write fragment"}, {"ip.reassembled", "write fragment"}, {"ip.flags.", "write ip.flags & 0x4"},
	{"ipv6.host", "write ipv6.addr"}, {"ipv6.src_", "write ipv6.src"}, {"ipv6.dst_", "write ipv6.dst"}, {"ipv6.sa_mac", "write ipv6.src[8:]"},
	{"ipv6.version", "write ip.version == 6"}, {"ipv6.opt.", "write ipv6.hopopts or ipv6.dstopts"}, {"ipv6.fragment", "write fragment"},
	{"tcp.stream", "conversations are what records are for: save the five-tuple"}, {"udp.stream", "conversations are what records are for: save the five-tuple"},
	{"tcp.analysis.", "each packet is seen by itself"}, {"tcp.time_", "each packet is seen by itself"}, {"udp.time_", "each packet is seen by itself"},
	{"tcp.seq", "write tcp.seq_raw"}, {"tcp.ack", "write tcp.ack_raw"}, {"tcp.nxtseq", "write tcp.seq_raw"},
	{"tcp.window_size", "write tcp.window_size_value"}, {"tcp.flags.", "write tcp.flags & 0x800"},
	{"tcp.options.wscale.multiplier", "write tcp.options.wscale.shift"}, {"tcp.options.sack_", "write tcp.options.sack.count"},
	{"tcp.options.", "write tcp.option_kind == number"}, {"tcp.payload", "write tcp.len"}, {"udp.payload", "write udp.length"}, {"data", "write tcp.len or udp.length"},
	{"tcp.segment", "write tcp.len"}, {"tcp.checksum.", "write tcp.checksum"}, {"icmp.", "of ICMP there are type and code"}, {"icmpv6.", "of ICMPv6 there are type and code"},
	{"http", "write tcp.port in {80, 8080}"}, {"dns", "write udp.port == 53"}, {"tls", "write tcp.port == 443"}, {"ssl", "write tcp.port == 443"},
	{"quic", "write udp.port == 443"}, {"ssh", "write tcp.port == 22"}, {"sip", "write udp.port == 5060"}, {"ntp", "write udp.port == 123"},
	{"dhcp", "write udp.port in {67, 68}"}, {"bootp", "write udp.port in {67, 68}"}, {"snmp", "write udp.port in {161, 162}"}, {"_ws.", "only what packets hold can be tested"},
}

// unknownHint says what to write in place of a field that is not known. Names of
// other programs' fields come before what is but misspelt, families of them after
// it.
func unknownHint(name string, known []string) string {
	family := ""
	for _, s := range substitutes {
		switch {
		case name == s.name || strings.HasPrefix(name, s.name+".") && !begins(known, s.name+"."):
			return s.hint
		case family == "" && strings.ContainsAny(s.name[len(s.name)-1:], "._") && strings.HasPrefix(name, s.name):
			family = s.hint
		}
	}
	if i := slices.IndexFunc(known, func(k string) bool { return strings.HasSuffix(k, "."+name) }); i >= 0 {
		return "did you mean " + known[i] + "?"
	}
	if near := didYouMean(name, known); near != "" {
		return near
	}
	return family
}

// begins tells whether some known name begins so.
func begins(known []string, with string) bool {
	return slices.ContainsFunc(known, func(name string) bool { return strings.HasPrefix(name, with) })
}
