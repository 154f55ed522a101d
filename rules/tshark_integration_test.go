//go:build integration

package rules

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"flowmeter/meter/packet"
)

// How many expressions and frames of each trace are compared. CI has a share;
// METER_EXPRESSIONS=n asks for n expressions over whole traces.
const (
	someExpressions = 400
	someFrames      = 400
	atOnce          = 400 // expressions that one tshark is asked
)

// TestDisplayFilters compares filters with those of tshark, packet by packet:
// expressions that were thought of, and many that are made of all operators and
// of all fields that both have.
func TestDisplayFilters(t *testing.T) {
	count, most := someExpressions, someFrames
	if n, err := strconv.Atoi(os.Getenv("METER_EXPRESSIONS")); err == nil {
		count, most = n, 1<<30
	}
	theirs := displayFields(t)
	for _, root := range []string{"../testdata", os.Getenv("METER_TRACES")} {
		t.Run(filepath.Base(root), func(t *testing.T) {
			if root == "" {
				t.Skip("METER_TRACES names no folder of traces")
			}
			frames, traces := traceFrames(root, most)
			d := newDisplayed(t, frames)
			m := newDisplayMaker(1, theirs, frames)
			exprs := slices.Clone(tsharkExprs)
			for i := range count {
				exprs = append(exprs, m.expr(m.fields[i%len(m.fields)]))
			}
			for some := range slices.Chunk(exprs, atOnce) {
				d.ask(some)
			}
			t.Logf("%d expressions over %d fields, %d true of some packet; %d traces, %d frames, of %d of which tshark tells nothing; %d answers compared, %d of them true",
				len(exprs), len(m.fields), d.used, traces, len(frames), len(frames)-d.told, d.answers, d.matches)
			for _, why := range slices.Sorted(maps.Keys(d.reasons)) {
				t.Logf("%6d answers differ: %s", d.reasons[why], why)
			}
		})
	}
}

// The manual has a row for each reason.
func TestDifferencesAreDocumented(t *testing.T) {
	manual, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differings {
		if !strings.Contains(string(manual), "\n| "+d.name+" | ") {
			t.Errorf("docs/rules.md has no row %q", d.name)
		}
	}
}

// displayed compares answers.
type displayed struct {
	t       *testing.T
	trace   string
	frames  []*traceFrame
	seen    []bool // whether tshark's listeners are told of a frame: not of damaged ICMP errors
	told    int
	used    int // expressions that are true somewhere
	answers int
	matches int
	reasons map[string]int
	failed  int
}

func newDisplayed(t *testing.T, frames []*traceFrame) *displayed {
	d := &displayed{t: t, frames: frames, reasons: map[string]int{}, trace: filepath.Join(t.TempDir(), "all.pcapng")}
	writePcapng(t, d.trace, frames)
	stacks(t, d.trace, frames)
	all, _ := display(t, d.trace, []string{"frame"})
	d.seen = make([]bool, len(frames))
	copy(d.seen, all[0])
	for _, yes := range d.seen {
		d.told += bool2int(yes)
	}
	return d
}

func (d *displayed) ask(exprs []string) {
	matches, refused := display(d.t, d.trace, exprs)
	for i, e := range exprs {
		f, err := ParseFilter("filter", e, DefaultNetworks(), nil)
		switch {
		case refused[i] != "":
			d.t.Errorf("tshark refuses %s: %s", e, refused[i])
		case err != nil:
			d.t.Errorf("%s: %v", e, err)
		default:
			d.compare(e, f, matches[i])
		}
	}
}

func (d *displayed) compare(expr string, f *Filter, theirs []bool) {
	found := 0
	for i, frame := range d.frames {
		if frame.out == packet.Malformed || !d.seen[i] {
			continue // what is malformed is counted as that, and put to no filter
		}
		want := i < len(theirs) && theirs[i]
		d.answers++
		found += bool2int(want)
		if f.Match(&frame.h, frame.data) == want {
			continue
		}
		why := reason(expr, frame)
		if why != "" {
			d.reasons[why]++
			continue
		}
		if d.failed++; d.failed <= 40 {
			d.t.Errorf("%s: frame %d is %v to tshark\n%s %v %x", expr, i+1, want, frame.stack, frame.out, frame.data[:min(len(frame.data), 100)])
		}
		return
	}
	d.matches += found
	d.used += min(found, 1)
}

// A reason lets answers differ; each is a row of the table in docs/rules.md.
type differing struct {
	name string
	of   func(expr string, f *traceFrame) bool
}

// headers counts those of a protocol in a frame.
func (f *traceFrame) headers(protocol string) int {
	return strings.Count(f.stack, ":"+protocol+":") + strings.Count(f.stack, ":"+protocol+":"+protocol+":")
}

// about tells whether an expression names one of some fields, or of the fields
// below a name that ends with a dot.
func about(expr string, names ...string) bool {
	for _, word := range strings.FieldsFunc(expr, func(r rune) bool { return !isWordRune(r) }) {
		for _, name := range names {
			if word == name || strings.HasSuffix(name, ".") && strings.HasPrefix(word, name) {
				return true
			}
		}
	}
	return false
}

var differings = []differing{
	{"inner headers", func(_ string, f *traceFrame) bool {
		return f.headers("ip")+f.headers("ipv6") > 1 || f.headers("eth") > 1
	}},
	{"cut headers", func(_ string, f *traceFrame) bool {
		return f.out == packet.Truncated || f.h.Layers&packet.ShortTransport != 0
	}},
	{"layers that are not read", func(_ string, f *traceFrame) bool {
		return f.out == packet.NotIP && f.headers("ip")+f.headers("ipv6") > 0
	}},
	{"service tags", func(e string, f *traceFrame) bool { return f.headers("ieee8021ad") > 0 && about(e, "vlan", "vlan.") }},
	{"not Ethernet", func(e string, f *traceFrame) bool { return f.headers("eth") == 0 && about(e, "eth", "eth.") }},
	{"LLC", func(e string, f *traceFrame) bool { return f.headers("llc") > 0 && about(e, "eth.type", "vlan.etype") }},
	{"ipv6.nxt", func(e string, f *traceFrame) bool {
		return f.out == packet.OK && about(e, "ipv6.nxt") && f.h.Layers&packet.HasIPv6 != 0 && f.data[f.h.NetworkOff+6] != f.h.Proto
	}},
	{"later fragments", func(e string, f *traceFrame) bool {
		return f.h.Layers&packet.HasFragment != 0 && f.h.FragOffset > 0 && about(e, "icmp", "icmpv6")
	}},
	{"a length of 0", func(_ string, f *traceFrame) bool {
		length := map[uint8]uint32{4: 2, 6: 4}[f.h.Version]
		return f.out == packet.OK && binary.BigEndian.Uint16(f.data[f.h.NetworkOff+length:]) == 0
	}},
	{"fragments", func(e string, f *traceFrame) bool { return f.h.Layers&packet.HasFragment != 0 && about(e, "tcp.len") }},
	{"short ICMP", func(e string, f *traceFrame) bool {
		return f.h.Layers&packet.HasICMP != 0 && f.h.Layers&packet.HasPayload == 0 && about(e, "icmp", "icmp.")
	}},
	{"accurate ECN", func(e string, f *traceFrame) bool {
		return f.ace && about(e, "tcp.flags.ae", "tcp.flags.cwr", "tcp.flags.ece")
	}},
	{"times after 2038", func(e string, f *traceFrame) bool {
		return f.time >= 1<<31*1e9 && about(e, "frame.time", "frame.time_epoch")
	}},
	{"wrong options", func(e string, f *traceFrame) bool {
		return f.headers("mptcp") > 0 && about(e, "tcp.option_kind", "tcp.options.")
	}},
	{"kinds of ARP", func(e string, f *traceFrame) bool {
		return about(e, "arp") && (f.h.Layers&packet.HasEtherType != 0 && f.h.EtherType == 0x8035 || f.headers("atmarp") > 0) ||
			about(e, "arp.") && f.headers("arp") > 0 && f.h.Layers&packet.HasARP == 0
	}},
}

// reason names what lets the two differ.
func reason(expr string, f *traceFrame) string {
	for _, d := range differings {
		if d.of(expr, f) {
			return d.name
		}
	}
	return ""
}
