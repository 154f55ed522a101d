#!/bin/bash
# Writes the truth beside each trace, as tshark and capinfos see it:
# TRACE.truth.tsv. See README.md for the columns.
#
#   testdata/truth.sh              all traces
#   testdata/truth.sh FILE...      only these
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

# What one line of the truth is made of. Of a field that is there several times
# (tunnels, ICMP errors) only the first is wanted, the outermost.
readonly FIELDS=(
	frame.protocols
	ip.src ip.dst ip.proto ip.len
	ipv6.src ipv6.dst ipv6.plen ipv6.nxt
	ipv6.hopopts.nxt ipv6.routing.nxt ipv6.fraghdr.nxt ipv6.dstopts.nxt ah.next_header
	tcp.srcport tcp.dstport udp.srcport udp.dstport sctp.srcport sctp.dstport
	ip.frag_offset ipv6.fraghdr.offset
)

# fields prints one line a packet.
fields() {
	local args=() f
	for f in "${FIELDS[@]}"; do
		args+=(-e "$f")
	done
	tolerant tshark -n -r "$1" -o ip.defragment:FALSE -o ipv6.defragment:FALSE \
		-o tcp.desegment_tcp_streams:FALSE -T fields -E occurrence=f "${args[@]}"
}

packets() { tolerant capinfos -T -c -r "$1" | cut -f 2; }

# tolerant lets a program complain of a trace that is cut, as some are meant to
# be, but of nothing else.
tolerant() {
	local status=0 errors
	errors=$(mktemp)
	"$@" 2>"$errors" || status=$?
	if ((status)) && ! grep -q 'cut short in the middle' "$errors"; then
		cat "$errors" >&2
		rm "$errors"
		return "$status"
	fi
	rm "$errors"
}

truth_of() {
	local trace=$1 out=$1.truth.tsv
	{
		echo "# packets $(packets "$trace")"
		fields "$trace" | LC_ALL=C awk -f "$HERE/truth.awk" | LC_ALL=C sort
	} >"$out"
}

traces() {
	printf '%s\n' "$HERE"/*.pcap "$HERE"/*.pcapng "$HERE"/damaged/{cut.pcap,cut.pcapng,no-packets.pcap}
}

main() {
	local list=("$@") t
	((${#list[@]})) || mapfile -t list < <(traces)
	for t in "${list[@]}"; do
		truth_of "$t"
	done
}

main "$@"
