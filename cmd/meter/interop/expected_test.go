//go:build integration

package interop

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// expected is what `meter collect` should say of the records of a run: the
// same, but for what a format leaves out or tells otherwise.
func expected(format, biflow string, truth []record) (all []record) {
	show := map[string]func(record) record{"ipfix": record.asIPFIX, "ipfix+tcp": record.asIPFIX, "file": record.asIPFIX,
		"netflow9": record.asV9, "netflow5": record.asV5}[format]
	for _, r := range truth {
		if biflow == "pair" {
			all = append(all, show(r))
			continue
		}
		for _, half := range r.split() {
			if format != "netflow5" || half["sourceIPv4Address"] != nil {
				all = append(all, show(half))
			}
		}
	}
	return all
}

// notInIPFIX are the fields that the exporter leaves out by default, and the
// name of the rule set, which it tells beside the records.
var notInIPFIX = []string{"ruleset", "octetTotalCount", "packetTotalCount", "layer2OctetDeltaCount", "minimumIpTotalLength", "maximumIpTotalLength",
	"sourceMacAddress", "destinationMacAddress"}

func (r record) asIPFIX() record {
	out := maps.Clone(r)
	for _, name := range notInIPFIX {
		delete(out, name)
		delete(out, reverseName(name))
	}
	out["ruleSetId"] = json.Number("1")
	return out
}

// inV9 are the fields that version 9 has types for, and what it calls the
// reverse ones.
var inV9 = map[string]string{
	"flowStartMilliseconds": "", "flowEndMilliseconds": "", "ipVersion": "", "protocolIdentifier": "",
	"sourceIPv4Address": "", "destinationIPv4Address": "", "sourceIPv6Address": "", "destinationIPv6Address": "",
	"sourceTransportPort": "", "destinationTransportPort": "", "icmpTypeCodeIPv4": "",
	"octetDeltaCount": "postOctetDeltaCount", "packetDeltaCount": "postPacketDeltaCount",
	"tcpControlBits": "", "ipClassOfService": "postIpClassOfService",
	"minimumIpTotalLength": "", "maximumIpTotalLength": "", "minimumTTL": "", "maximumTTL": "", "flowLabelIPv6": "",
	"sourceMacAddress": "", "destinationMacAddress": "", "ingressInterface": "",
}

// asV9 is a record in version 9: one pair of times and of all else that has no
// second type, one octet of TCP flags, and of ICMP type and code also as port.
func (r record) asV9() record {
	out := record{}
	for name, reverse := range inV9 {
		if r[name] != nil {
			out[name] = r[name]
		}
		if back := r[reverseName(name)]; back != nil && reverse != "" {
			out[reverse] = back
		}
	}
	f, b := r.forward(), r.reverse()
	if b.packets > 0 && b.start.Before(f.start) {
		out["flowStartMilliseconds"] = r["reverseFlowStartMilliseconds"]
	}
	if b.packets > 0 && b.end.After(f.end) {
		out["flowEndMilliseconds"] = r["reverseFlowEndMilliseconds"]
	}
	if r["dot1qVlanId"] != nil {
		out["vlanId"] = r["dot1qVlanId"] // type 58 is called so in IPFIX
	}
	for _, name := range []string{"minimumIpTotalLength", "maximumIpTotalLength"} {
		if out[name] != nil {
			out[name] = text(min(r.number(name), 65535)) // two octets
		}
	}
	if out["tcpControlBits"] != nil {
		out["tcpControlBits"] = text(f.flags & 0xff)
	}
	if f.isICMP {
		code := f.icmp
		if f.packets == 0 {
			code = b.icmp
		}
		out["sourceTransportPort"], out["destinationTransportPort"], out["icmpTypeCodeIPv4"] = text(0), text(code), text(code)
	}
	return out
}

// asV5 is one direction in version 5, which has all of its fields always.
func (r record) asV5() record {
	w := r.forward()
	port := w.dstPort
	if w.isICMP {
		port = w.icmp
	}
	return record{
		"flowStartMilliseconds": r["flowStartMilliseconds"], "flowEndMilliseconds": r["flowEndMilliseconds"],
		"sourceIPv4Address": r["sourceIPv4Address"], "destinationIPv4Address": r["destinationIPv4Address"],
		"sourceTransportPort": text(w.srcPort), "destinationTransportPort": text(port), "protocolIdentifier": text(w.proto),
		"octetDeltaCount": text(w.octets), "packetDeltaCount": text(w.packets),
		"tcpControlBits": text(w.flags & 0xff), "ipClassOfService": text(r.number("ipClassOfService")),
		"ingressInterface": text(r.number("ingressInterface")), "egressInterface": text(0),
		"ipNextHopIPv4Address": "0.0.0.0", "bgpSourceAsNumber": text(0), "bgpDestinationAsNumber": text(0),
		"sourceIPv4PrefixLength": text(0), "destinationIPv4PrefixLength": text(0),
	}
}

func text(n uint64) json.Number { return json.Number(strconv.FormatUint(n, 10)) }

func reverseName(name string) string { return "reverse" + strings.ToUpper(name[:1]) + name[1:] }

// split returns a record for each direction in which packets went.
func (r record) split() (all []record) {
	if r.forward().packets > 0 {
		half := maps.Clone(r)
		maps.DeleteFunc(half, func(name string, _ any) bool { return strings.HasPrefix(name, "reverse") })
		all = append(all, half)
	}
	if r.reverse().packets > 0 {
		all = append(all, r.turned())
	}
	return all
}

// turned is the reverse direction as a record of its own. What only the first
// packet told is not known of it.
func (r record) turned() record {
	out := record{}
	for name, v := range r {
		switch back, isReverse := strings.CutPrefix(name, "reverse"); {
		case isReverse:
			out[strings.ToLower(back[:1])+back[1:]] = v
		case r[reverseName(name)] != nil, slices.Contains([]string{"flowLabelIPv6", "mplsTopLabel"}, name):
		default:
			out[turnedName(name)] = v
		}
	}
	if class, isText := out["flowClass"].(string); isText {
		out["flowClass"] = map[string]string{"in": "out", "out": "in", "internal": "internal", "transit": "transit"}[class]
	}
	if at, has := out["biflowDirection"].(json.Number); has {
		out["biflowDirection"] = map[json.Number]json.Number{"0": "0", "1": "2", "3": "0"}[at]
	}
	return out
}

func turnedName(name string) string {
	if rest, ok := strings.CutPrefix(name, "source"); ok {
		return "destination" + rest
	}
	if rest, ok := strings.CutPrefix(name, "destination"); ok {
		return "source" + rest
	}
	return name
}

// merged puts records together that differ only in their counts: version 5
// needs several for what 32 bits cannot count.
func merged(records []record) (all []record) {
	for _, r := range records {
		if n := len(all); n > 0 && sameButCounts(all[n-1], r) {
			for _, name := range []string{"octetDeltaCount", "packetDeltaCount"} {
				all[n-1][name] = text(all[n-1].number(name) + r.number(name))
			}
			continue
		}
		all = append(all, r)
	}
	return all
}

func sameButCounts(a, b record) bool {
	b = maps.Clone(b)
	for _, name := range []string{"octetDeltaCount", "packetDeltaCount", "exportTime"} {
		b[name] = a[name]
	}
	return maps.Equal(a, b)
}
