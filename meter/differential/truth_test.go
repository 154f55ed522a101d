package differential

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowmeter/meter/packet"
	"flowmeter/rules"
)

// TestTruth compares the flows of the traces in testdata with the truth beside
// them. The truth knows no flows, only packets: it has later fragments without
// ports, as they are, so here they are metered in a run of their own, in which
// their first fragments cannot be seen. TestTshark has them in their flows.
func TestTruth(t *testing.T) {
	const later = "fragment and not (tcp or udp or udplite or sctp or dccp)"
	for _, path := range truthFiles(t) {
		trace := strings.TrimSuffix(path, truthSuffix)
		t.Run(filepath.Base(trace), func(t *testing.T) {
			want := readTruth(t, path)
			got := measure(t, trace, forever, filter(t, "not ("+later+")"))
			fragments := measure(t, trace, forever, filter(t, later))
			got.sums.addAll(fragments.sums)
			for _, c := range differences(got.sums, want.sums) {
				t.Errorf("%v: %v, want %v", c, got.sums[c], want.sums[c])
			}
			for _, timeout := range []time.Duration{forever, time.Second} {
				want.compareWhole(t, measure(t, trace, timeout, nil))
			}
		})
	}
}

// truth is what tshark and capinfos see in a trace (testdata/README.md).
type truth struct {
	packets, notIP uint64
	sums           account
}

// compareWhole compares what does not depend on where later fragments are
// counted, with a run over the whole trace.
func (want *truth) compareWhole(t *testing.T, got metered) {
	if n := got.totals.Read; n != want.packets {
		t.Errorf("%d packets, want %d", n, want.packets)
	}
	if n := got.totals.Outcomes[packet.NotIP]; n != want.notIP {
		t.Errorf("%d packets that are not IP, want %d", n, want.notIP)
	}
	g, w := got.sums.withoutPorts(), want.sums.withoutPorts()
	for _, c := range differences(g, w) {
		t.Errorf("%v, all ports: %v, want %v", c, g[c], w[c])
	}
}

// withoutPorts adds up the conversations of two hosts over one protocol.
func (acc account) withoutPorts() account {
	hosts := account{}
	for c, s := range acc {
		w := way{version: c.version, proto: c.proto, src: end{addr: c.a.addr}, dst: end{addr: c.b.addr}}
		hosts.add(w, s.packets[0], s.octets[0])
		w.src, w.dst = w.dst, w.src
		hosts.add(w, s.packets[1], s.octets[1])
	}
	return hosts
}

const (
	testdata    = "../../testdata"
	truthSuffix = ".truth.tsv"
)

// truthFiles returns the paths of testdata's truth files.
func truthFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(testdata, pattern+truthSuffix))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatalf("no *%s in %s", truthSuffix, testdata)
	}
	return files
}

func filter(t *testing.T, text string) *rules.Filter {
	t.Helper()
	f, err := rules.ParseFilter("filter", text, rules.DefaultNetworks(), rules.Sets{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readTruth(t *testing.T, path string) *truth {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := &truth{sums: account{}}
	for line := range strings.Lines(string(data)) {
		if err := want.line(strings.TrimSuffix(line, "\n")); err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
	}
	return want
}

// line reads a line: a comment with the number of packets or of those that are
// not IP, or a conversation.
func (want *truth) line(s string) error {
	if n, ok := strings.CutPrefix(s, "# packets "); ok {
		return scan(n, &want.packets)
	}
	if n, ok := strings.CutPrefix(s, "# not IP "); ok {
		return scan(n, &want.notIP)
	}
	f := strings.Split(s, "\t")
	if len(f) != 10 {
		return fmt.Errorf("%d columns", len(f))
	}
	a, errA := readEnd(f[2], f[3])
	b, errB := readEnd(f[4], f[5])
	var n [6]uint64
	err := errB
	for i, column := range []string{f[0], f[1], f[6], f[7], f[8], f[9]} {
		if e := scan(column, &n[i]); e != nil {
			err = e
		}
	}
	if errA != nil || err != nil {
		return fmt.Errorf("%v, %v", errA, err)
	}
	w := way{uint8(n[0]), uint8(n[1]), f[3] != "", a, b}
	want.sums.add(w, n[2], n[3])
	w.src, w.dst = b, a
	want.sums.add(w, n[4], n[5])
	return nil
}

func scan(s string, n *uint64) (err error) {
	*n, err = strconv.ParseUint(s, 10, 64)
	return err
}

// readEnd reads an address and a port, which may be empty.
func readEnd(addr, port string) (e end, err error) {
	if e.addr, err = netip.ParseAddr(addr); err != nil || port == "" {
		return e, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	e.port = uint16(n)
	return e, err
}
