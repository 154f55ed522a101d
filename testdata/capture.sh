#!/bin/bash
# Captures the traces of this folder from real programs in network namespaces.
#
#   testdata/capture.sh            all traces, then their truth
#   testdata/capture.sh dns sip    only these
#
# Needs root and a Debian system, whose packages it installs. Everything
# happens in namespaces of its own, joined to nothing else; they and all
# processes started here are gone when it ends, whatever ends it.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
# An upper bound for the whole run; one trace takes about ten seconds.
readonly LIMIT=600

if [[ -z ${METER_CAPTURE_BOUNDED:-} ]]; then
	METER_CAPTURE_BOUNDED=1 exec timeout --kill-after=20 "$LIMIT" "${BASH_SOURCE[0]}" "$@"
fi

readonly TRACES=(
	http-tls dns iperf3 ssh ping-traceroute vlan tunnel erspan-gtp fragments reset
	sip
	sctp any short office
)

WORK=$(mktemp -d)
readonly WORK

# shellcheck source=capture/network.sh
source "$HERE/capture/network.sh"
# shellcheck source=capture/services.sh
source "$HERE/capture/services.sh"
# shellcheck source=capture/switch.sh
source "$HERE/capture/switch.sh"
# shellcheck source=capture/traces.sh
source "$HERE/capture/traces.sh"

# derive makes the files that are copies or pieces of captured ones.
derive() {
	cd "$HERE"
	gzip -9 -n -c dns.pcap >dns.pcap.gz
	bzip2 -9 -c dns.pcap >dns.pcap.bz2
	xz -9 -c dns.pcap >dns.pcap.xz
	zstd -19 -q -c dns.pcap >dns.pcap.zst
	lz4 -9 -q -c dns.pcap >dns.pcap.lz4
	zstd -19 -q -c office.pcapng >office.pcapng.zst

	mkdir -p damaged
	head -c 4000 dns.pcap >damaged/cut.pcap
	head -c 4000 office.pcapng >damaged/cut.pcapng
	head -c 2000 dns.pcap.gz >damaged/cut.pcap.gz
	head -c 10 dns.pcap >damaged/cut-header.pcap
	head -c 24 dns.pcap >damaged/no-packets.pcap
	: >damaged/empty.pcap
	echo 'This is a text file, not a trace.' >damaged/text.pcap
}

main() {
	[[ $(id -u) == 0 ]] || { echo "capture.sh: needs root" >&2; exit 2; }
	local wanted=("$@") t
	((${#wanted[@]})) || wanted=("${TRACES[@]}")

	trap 'stop_all; remove_network; rm -rf "$WORK"' EXIT
	trap 'exit 130' INT TERM
	"$HERE/../.ci/install-packages" "$HERE/packages"
	make_network
	start_services
	for t in "${wanted[@]}"; do
		echo "capture.sh: $t"
		"trace_${t//-/_}"
	done
	derive
	"$HERE/truth.sh"
}

main "$@"
