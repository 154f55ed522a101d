# Sums packets and IP octets per conversation; see truth.sh for the input and
# README.md for the output.

BEGIN {
	FS = OFS = "\t"
	PORTS[6] = 15; PORTS[17] = 17; PORTS[132] = 19
}

{
	version = ip_version($1)
	if (!version) { others++; next }
	if (version == 4) { src = $2; dst = $3; proto = $4; octets = $5; later = $21 > 0 }
	else { src = $6; dst = $7; proto = last_header(); octets = $8 + 40; later = $22 > 0 }
	column = later ? 0 : PORTS[proto]
	sport = column ? $column : ""
	dport = column ? $(column + 1) : ""
	add(before(src, sport, dst, dport))
}

END {
	print "# not IP " others + 0
	for (k in forward_packets) seen[k]
	for (k in reverse_packets) seen[k]
	for (k in seen)
		print k, forward_packets[k] + 0, forward_octets[k] + 0, reverse_packets[k] + 0, reverse_octets[k] + 0
}

# ip_version tells it from the protocols of the frame: the first IP counts.
function ip_version(protocols,   n, i, p) {
	n = split(protocols, p, ":")
	for (i = 1; i <= n; i++) {
		if (p[i] == "ip") return 4
		if (p[i] == "ipv6") return 6
	}
	return 0
}

# last_header follows the chain of IPv6 extension headers to the protocol.
function last_header(   h, n) {
	h = $9
	for (n = 0; n < 8; n++) {
		if (h == 0) h = $10
		else if (h == 43) h = $11
		else if (h == 44) h = $12
		else if (h == 60) h = $13
		else if (h == 51) h = $14
		else break
	}
	return h
}

function add(forward,   k) {
	if (forward) {
		k = version OFS proto OFS src OFS sport OFS dst OFS dport
		forward_packets[k]++; forward_octets[k] += octets
	} else {
		k = version OFS proto OFS dst OFS dport OFS src OFS sport
		reverse_packets[k]++; reverse_octets[k] += octets
	}
}

# before compares two ends by address, octet by octet, then by port.
function before(a, aport, b, bport,   x, y) {
	x = canonical(a); y = canonical(b)
	if (x != y) return x < y
	return aport + 0 <= bport + 0
}

# canonical writes an address so that text order is the order of its octets.
function canonical(a,   p) {
	if (a in memo) return memo[a]
	if (version == 4) {
		split(a, p, ".")
		return memo[a] = sprintf("%03d.%03d.%03d.%03d", p[1], p[2], p[3], p[4])
	}
	return memo[a] = expanded(a)
}

# expanded fills in what :: leaves out and the zeros before each group.
function expanded(a,   half, l, r, left, right, i, out) {
	split(a, half, "::")
	l = half[1] == "" ? 0 : split(half[1], left, ":")
	r = half[2] == "" ? 0 : split(half[2], right, ":")
	out = ""
	for (i = 1; i <= 8; i++) {
		if (i <= l) out = out sprintf("%4s", left[i])
		else if (i > 8 - r) out = out sprintf("%4s", right[i - 8 + r])
		else out = out "   0"
	}
	gsub(/ /, "0", out)
	return out
}
