//go:build integration

package interop

import (
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// trace is a trace, or a glob of several, and how it is metered.
type trace struct {
	name, path string
	flags      []string
	status     int  // largest exit status that is right
	strange    bool // some packets have times that no clock shows
}

const testdata = "../../../testdata/"

// traces returns those of real programs, and a long one in which flows come in
// pieces and, with a longer timeout, count more octets than 32 bits can say.
// Where METER_TRACES names a folder, all traces in its folders follow; some of
// them are damaged.
func traces(t *testing.T) []trace {
	var all []trace
	for _, name := range []string{"dns.pcap.zst", "fragments.pcap", "http-tls.pcap", "office.pcapng", "ping-traceroute.pcap",
		"reset.pcap", "sctp.pcap", "tunnel.pcap", "vlan.pcap"} {
		all = append(all, trace{name: name, path: testdata + name})
	}
	long := filepath.Join(t.TempDir(), "long.pcap")
	writeLong(t, long)
	all = append(all, trace{name: "iperf3, pieces", path: testdata + "iperf3.pcap", flags: []string{"--active", "500ms"}},
		trace{name: "long, pieces", path: long}, trace{name: "long, whole", path: long, flags: []string{"--active", "1h"}})
	return append(all, moreTraces(t)...)
}

// moreTraces returns those of each folder in METER_TRACES.
func moreTraces(t *testing.T) (all []trace) {
	root := os.Getenv("METER_TRACES")
	if root == "" {
		return nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if glob := filepath.Join(root, e.Name(), "*.pcap"); e.IsDir() {
			all = append(all, trace{name: e.Name(), path: glob, status: 1, strange: true})
		}
	}
	return all
}

// packetOf returns the first octets of a packet and its length on the wire.
type packetOf struct {
	at     time.Duration // after the beginning
	from   byte          // last octet of the addresses, also the ports
	to     byte
	length uint16 // IP total length
}

// writeLong writes a trace of four minutes: 70 000 packets of 65 535 octets one
// way with few small ones the other way, then a minute in which only those who
// were asked speak, and beside it a flow of one packet a second.
func writeLong(t *testing.T, path string) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriterNanos(f)
	if err := w.WriteFileHeader(64, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 3, 1, 23, 58, 0, 0, time.UTC)
	for _, p := range longPackets() {
		data := udpPacket(p)
		info := gopacket.CaptureInfo{Timestamp: begin.Add(p.at), CaptureLength: len(data), Length: int(p.length)}
		if err := w.WritePacket(info, data); err != nil {
			t.Fatal(err)
		}
	}
}

func longPackets() (all []packetOf) {
	const bulk, each = 70_000, 2 * time.Millisecond // 140 s
	for i := range bulk {
		at := time.Duration(i) * each
		all = append(all, packetOf{at, 1, 2, 65_535})
		if i%1000 == 0 {
			all = append(all, packetOf{at + each/4, 2, 1, 40}, packetOf{at + each/2, 3, 4, 100})
		}
	}
	for s := range 100 { // nothing goes forward in these pieces
		all = append(all, packetOf{(bulk + time.Duration(s)*500) * each, 2, 1, 1000})
	}
	return all
}

// udpPacket returns the headers of a packet.
func udpPacket(p packetOf) []byte {
	b := make([]byte, 28)
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], p.length)
	copy(b[12:], net.IP{192, 0, 2, p.from})
	copy(b[16:], net.IP{192, 0, 2, p.to})
	binary.BigEndian.PutUint16(b[20:], 1000+uint16(p.from))
	binary.BigEndian.PutUint16(b[22:], 1000+uint16(p.to))
	binary.BigEndian.PutUint16(b[24:], p.length-20)
	return b
}
