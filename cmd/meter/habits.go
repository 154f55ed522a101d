package main

import (
	"slices"
	"strings"
)

// habits are options of tcpdump, tshark, softflowd and nfcapd that the meter
// does not have, and what stands for them here.
var habits = map[string]string{
	"-r": "traces are arguments: meter read FILE",
	"-i": "interfaces are metered by meter run -i NAME",
	"-n": "names are never looked up, and a collector is -o ipfix://HOST:PORT",
	"-w": "records are written by -o FILE.jsonl, -o FILE.csv or -o FILE.ipfix",
	"-v": "the format stands in the output: -o ipfix://, netflow9:// or netflow5://HOST:PORT",
	"-p": "a port to listen at stands in the address: meter collect udp://HOST:PORT",
	"-Y": "a filter is --filter 'tcp.port == 443'",
	"-f": "a filter is --filter 'tcp.port == 443'",
	"-t": "timeouts are --active 60s and --idle 15s",
	"-m": "that is --max-flows N",
	"-s": "one packet in N is --sample N",
	"-D": "meter run stays in the foreground",
	"-d": "meter run stays in the foreground",

	"--version": "meter version prints it",
}

// explained words an error of the command line. One that comes of the habits of
// other programs says what to write here.
func explained(err error, args []string) string {
	text := err.Error()
	if rest, unknown := strings.CutPrefix(text, "unknown flag "); unknown {
		flag, _, _ := strings.Cut(rest, ",")
		if hint := habits[flag]; hint != "" {
			return "unknown flag " + flag + ": " + hint
		}
	}
	if strings.HasPrefix(text, `expected "<trace>`) && slices.Contains(args, "-r") {
		return text + " (-r names rule sets; a trace is an argument)"
	}
	return text
}
