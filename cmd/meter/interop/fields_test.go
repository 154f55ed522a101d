//go:build integration

package interop

import (
	"cmp"
	"fmt"
	"testing"
)

// Those who show every field of a record are compared by these: both ends,
// and in each direction times, TCP flags, type and code of ICMP, and counts.

// addFields adds a record that was read as names and values.
func addFields(t *testing.T, a account, values map[string]string) {
	t.Helper()
	get := func(name string) uint64 {
		if values[name] == "" {
			return 0
		}
		return number(t, values[name])
	}
	ways := [2]way{}
	for i, name := range []func(string) string{func(n string) string { return n }, reverseName} {
		ways[i] = way{flags: get(name("tcpControlBits")), icmp: get(name("icmpTypeCodeIPv4")) + get(name("icmpTypeCodeIPv6")),
			packets: get(name("packetDeltaCount")), octets: get(name("octetDeltaCount"))}
	}
	f := &ways[0]
	f.src = address(t, cmp.Or(values["sourceIPv4Address"], values["sourceIPv6Address"]))
	f.dst = address(t, cmp.Or(values["destinationIPv4Address"], values["destinationIPv6Address"]))
	f.srcPort, f.dstPort, f.proto = get("sourceTransportPort"), get("destinationTransportPort"), get("protocolIdentifier")
	addBoth(a, ways[0], ways[1], [4]string{values["flowStartMilliseconds"], values["flowEndMilliseconds"],
		values["reverseFlowStartMilliseconds"], values["reverseFlowEndMilliseconds"]})
}

func addBoth(a account, w, back way, times [4]string) {
	key := fmt.Sprintf("%s, icmp %d, reverse %s to %s, flags %#x, icmp %d",
		w.key(w.srcPort, w.dstPort, times[0], times[1], w.flags), w.icmp, times[2], times[3], back.flags, back.icmp)
	a.add(key, sums{1, w.packets, w.octets, back.packets, back.octets})
}

// forFields is what they should say of the records.
func forFields(format, biflow string, truth []record) account {
	a := account{}
	for _, r := range expected(format, biflow, truth) {
		w, back := r.forward(), r.reverse()
		times := [4]string{stamp(w.start), stamp(w.end), "", ""}
		if r["reversePacketDeltaCount"] != nil {
			times[2], times[3] = stamp(back.start), stamp(back.end)
		}
		back.packets += r.number("postPacketDeltaCount")
		back.octets += r.number("postOctetDeltaCount")
		addBoth(a, w, back, times)
	}
	return a
}
