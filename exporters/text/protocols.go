package text

import "strconv"

// protocols names the IP protocols (IANA Assigned Internet Protocol Numbers)
// that are worth a word in a table, short enough for its column.
var protocols = [256]string{
	0: "hopopt", 1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 8: "egp", 17: "udp",
	27: "rdp", 33: "dccp", 41: "ipv6", 46: "rsvp", 47: "gre", 50: "esp",
	51: "ah", 58: "icmp6", 88: "eigrp", 89: "ospf", 94: "ipip", 103: "pim",
	108: "ipcomp", 112: "vrrp", 115: "l2tp", 124: "isis", 132: "sctp",
	136: "udpl", 137: "mpls",
}

// protocol returns the short name of an IP protocol, or its number.
func protocol(n uint8) string {
	if name := protocols[n]; name != "" {
		return name
	}
	return strconv.Itoa(int(n))
}
