package capture

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"flowmeter/meter/lab"
)

// noTraces are the kinds of files that stand beside captures.
var noTraces = []string{".md", ".sh", ".awk", ".tsv", ".txt", ".srl", ".yaml", ""}

// traceFiles returns the paths of all captures of METER_TRACES or, where that
// names no folder, of testdata, but for those made to be damaged.
func traceFiles(t *testing.T) (dir string, paths []string) {
	if dir = os.Getenv("METER_TRACES"); dir == "" {
		dir = filepath.Join("..", "..", "testdata")
	}
	damaged := filepath.Join("..", "..", "testdata", "damaged")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if path == damaged {
			return fs.SkipDir
		}
		if err == nil && d.Type().IsRegular() && !slices.Contains(noTraces, filepath.Ext(path)) {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %d captures, %v", dir, len(paths), err)
	}
	return dir, paths
}

// Every capture holds as many packets as capinfos finds in it; what capinfos
// does not read has its reason.
func TestTracesAgainstCapinfos(t *testing.T) {
	dir, paths := traceFiles(t)
	capinfos := lab.Tool(t, "capinfos")
	want := capinfosCounts(t, capinfos, paths)
	compared := 0
	for _, path := range paths {
		name, _ := filepath.Rel(dir, path)
		packets, err := readFile(t, path)
		n, ok := want[path]
		switch {
		case ok && (len(packets) != n || err != nil):
			t.Errorf("%s: %d packets, capinfos has %d, %v", name, len(packets), n, err)
		case ok:
			compared++
		case !capinfosCannot(path, packets, err):
			t.Errorf("%s: nothing from capinfos; %d packets, %v", name, len(packets), err)
		}
	}
	t.Logf("%d captures compared", compared)
}

// capinfosCannot tells whether a capture is one of those that Wireshark 4.0
// does not read: of no format of ours either, in a compression that it does
// not know, or of a link type that it does not know.
func capinfosCannot(path string, packets []packet, err error) bool {
	if err != nil {
		return errors.Is(err, ErrNotATrace)
	}
	switch filepath.Ext(path) {
	case ".bz2", ".xz":
		return len(packets) > 0
	}
	unknown := []uint16{132, 164, 182, 281, 282, 284, 285} // Juniper ES, monitor, MFR; Broadcom; DSA, EDSA
	return len(packets) > 0 && slices.Contains(unknown, packets[0].Link)
}

func readFile(t *testing.T, path string) ([]packet, error) {
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return readAll(t, r)
}

// Every packet is as gopacket reads it: time, lengths, octets and, for
// pcapng, the interface.
func TestTracesAgainstGopacket(t *testing.T) {
	dir, paths := traceFiles(t)
	compared, packets := 0, 0
	for _, path := range paths {
		name, _ := filepath.Rel(dir, path)
		want, err := readGopacket(path)
		if want == nil {
			continue // of a format that gopacket does not read
		}
		got, _ := readFile(t, path)
		if err != nil {
			if !strings.Contains(err.Error(), "capture length exceeds original packet length") {
				t.Errorf("%s: gopacket stops after %d of %d packets: %v", name, len(want), len(got), err)
			}
			got = got[:min(len(want), len(got))]
		}
		if len(got) == len(want) {
			knownOfGopacket(want, got)
		}
		if diff := cmp.Diff(want, got, equateEmpty); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		compared++
		packets += len(want)
	}
	t.Logf("%d captures, %d packets compared", compared, packets)
}

// knownOfGopacket sets right in want where gopacket 1.1.19 is known to differ.
func knownOfGopacket(want, got []packet) {
	for i := range want {
		w, g := &want[i], got[i]
		if w.Link == g.Link&0xff { // it keeps 8 bits of the link type
			w.Link = g.Link
		}
		if w.Time == (time.Time{}).UnixNano() { // its time of simple packets
			w.Time = g.Time
		}
		if late := g.Time - w.Time; late > 0 && late%(1<<32) == 0 { // it computes nanoseconds in 32 bits
			w.Time = g.Time
		}
	}
}

// readGopacket returns nil for what is neither pcap nor pcapng.
func readGopacket(path string) ([]packet, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if z, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
		data, _ = io.ReadAll(z)
	}
	var next func() ([]byte, gopacket.CaptureInfo, error)
	var link func(int) layers.LinkType
	if r, err := pcapgo.NewReader(bytes.NewReader(data)); err == nil {
		r.SetSnaplen(maxSnaplen)
		next, link = r.ReadPacketData, func(int) layers.LinkType { return r.LinkType() }
	} else if r, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{WantMixedLinkType: true}); err == nil {
		next, link = r.ReadPacketData, func(i int) layers.LinkType {
			in, _ := r.Interface(i)
			return in.LinkType
		}
	} else {
		return nil, err
	}
	packets := []packet{}
	for {
		data, ci, err := next()
		if err == io.EOF {
			return packets, nil
		}
		if err != nil {
			return packets, err
		}
		packets = append(packets, packet{
			Time:    ci.Timestamp.UnixNano(),
			WireLen: uint32(ci.Length),
			Iface:   uint32(ci.InterfaceIndex),
			Link:    linkType(uint32(link(ci.InterfaceIndex))),
			Data:    string(data),
		})
	}
}

// capinfosCounts returns the number of packets by path, of those that
// capinfos reads.
func capinfosCounts(t *testing.T, capinfos string, paths []string) map[string]int {
	args := append([]string{"-T", "-r", "-c", "-M"}, paths...)
	out, err := exec.Command(capinfos, args...).Output()
	if len(out) == 0 {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(out)) {
		path, count, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if n, err := strconv.Atoi(count); err == nil {
			counts[path] = n
		}
	}
	return counts
}

// Time, lengths and interface of each packet are as tshark has them, for the
// formats with more than one of each.
func TestTracesAgainstTshark(t *testing.T) {
	dir, paths := traceFiles(t)
	tshark := lab.Tool(t, "tshark")
	compared := 0
	for _, path := range paths {
		if !strings.Contains(path, ".pcapng") && !strings.Contains(path, ".erf") {
			continue
		}
		name, _ := filepath.Rel(dir, path)
		out, err := exec.Command(tshark, "-n", "-r", path, "-T", "fields", "-e", "frame.time_epoch",
			"-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.interface_id").Output()
		if err != nil {
			t.Logf("%s: tshark does not read it", name)
			continue
		}
		packets, err := readFile(t, path)
		if diff := cmp.Diff(tsharkPackets(string(out)), tsharkLines(packets)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		compared++
	}
	t.Logf("%d captures compared", compared)
}

func tsharkLines(packets []packet) (lines []string) {
	for _, p := range packets {
		lines = append(lines, fmt.Sprintf("%d.%09d\t%d\t%d\t%d", p.Time/1e9, p.Time%1e9, p.WireLen, len(p.Data), p.Iface))
	}
	return lines
}

// tsharkPackets returns the lines of packets. tshark also lists blocks that
// hold none, without time and interface, and simple packets without time:
// those have the time of the packet before them here.
func tsharkPackets(out string) (lines []string) {
	last := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		time, rest, _ := strings.Cut(line, "\t")
		if time == "" && strings.HasSuffix(line, "\t") {
			continue
		}
		if time != "" {
			last = time
		}
		lines = append(lines, last+"\t"+rest)
	}
	return lines
}
