//go:build integration

package interop

import (
	"encoding/json"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// record is a JSON line: the truth that the others are compared with.
type record map[string]any

// readRecords reads a file of JSON lines.
func readRecords(t *testing.T, path string) []record {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return parseRecords(t, string(text))
}

func parseRecords(t *testing.T, lines string) (all []record) {
	t.Helper()
	for line := range strings.Lines(lines) {
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		var r record
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all = append(all, r)
	}
	return all
}

// number returns a field, 0 where the record has none.
func (r record) number(name string) uint64 {
	text, _ := r[name].(json.Number)
	n, _ := strconv.ParseUint(text.String(), 10, 64)
	return n
}

func (r record) address(end string) netip.Addr {
	for _, family := range []string{"IPv4Address", "IPv6Address"} {
		if text, ok := r[end+family].(string); ok {
			return netip.MustParseAddr(text)
		}
	}
	return netip.Addr{}
}

func (r record) time(name string) time.Time {
	text, _ := r[name].(string)
	at, _ := time.Parse(time.RFC3339Nano, text)
	return at
}

// way is one direction of a record: what a unidirectional flow is to others.
type way struct {
	src, dst         netip.Addr
	srcPort, dstPort uint64
	proto            uint64
	icmp             uint64 // type and code
	isICMP           bool
	flags            uint64
	start, end       time.Time
	packets, octets  uint64
}

// forward returns the direction from the source of the record.
func (r record) forward() way {
	w := r.direction(func(name string) string { return name })
	w.src, w.dst = r.address("source"), r.address("destination")
	w.srcPort, w.dstPort = r.number("sourceTransportPort"), r.number("destinationTransportPort")
	return w
}

// reverse returns the other direction, as seen by those who send it.
func (r record) reverse() way {
	w := r.direction(func(name string) string { return "reverse" + strings.ToUpper(name[:1]) + name[1:] })
	w.dst, w.src = r.address("source"), r.address("destination")
	w.dstPort, w.srcPort = r.number("sourceTransportPort"), r.number("destinationTransportPort")
	return w
}

// direction returns what name tells of one direction, without its ends.
func (r record) direction(name func(string) string) way {
	w := way{
		proto:   r.number("protocolIdentifier"),
		icmp:    r.number(name("icmpTypeCodeIPv4")) + r.number(name("icmpTypeCodeIPv6")),
		flags:   r.number(name("tcpControlBits")),
		start:   r.time(name("flowStartMilliseconds")),
		end:     r.time(name("flowEndMilliseconds")),
		packets: r.number(name("packetDeltaCount")),
		octets:  r.number(name("octetDeltaCount")),
	}
	w.isICMP = w.proto == 1 || w.proto == 58
	return w
}

// ways returns the directions of a record in which packets went.
func (r record) ways() (all []way) {
	for _, w := range []way{r.forward(), r.reverse()} {
		if w.packets > 0 {
			all = append(all, w)
		}
	}
	return all
}
