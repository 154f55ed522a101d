//go:build integration && linux

package ring

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
	"flowmeter/meter/lab"
	"flowmeter/meter/packet"
)

const sinkVariable = "RING_TEST_SINK"

// transfer is how many octets a test sends over TCP.
const transfer = 4 << 20

// TestSink is no test: it is the process at the other end of a veth pair, in a
// namespace of its own, that takes what comes over TCP and UDP, and sends when
// it is asked.
func TestSink(t *testing.T) {
	if os.Getenv(sinkVariable) == "" {
		return
	}
	l, err := net.Listen("tcp4", ":5001")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.ListenPacket("udp4", ":5002"); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	source, err := net.Listen("tcp4", ":5003")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := source.Accept()
			if err != nil {
				return
			}
			c.Write(make([]byte, transfer))
			c.Close()
		}
	}()
	fmt.Println("listening")
	select {}
}

// sink makes another namespace, and starts there what TestSink is.
func sink(t *testing.T) (netns string) {
	t.Helper()
	netns = lab.Far(t)
	p := lab.StartIn(t, netns, "env", sinkVariable+"=1", os.Args[0], "-test.run", "^TestSink$")
	lab.Eventually(t, "the sink listens", func() bool { return strings.Contains(p.Out.String(), "listening") })
	return netns
}

// wire sums what frames of a protocol were on the wire, one way.
type wire struct{ packets, payload, super int }

func onTheWire(frames []taken, protocol uint8, way capture.Flags) (w wire) {
	for _, f := range frames {
		var h packet.Headers
		packet.Decode(&h, packet.LinkType(f.Link), []byte(f.data), f.WireLen)
		if h.Layers&packet.HasIPv4 == 0 || h.Proto != protocol || f.Flags&capture.Outgoing != way {
			continue
		}
		w.payload += int(h.PayloadLen)
		n := 1
		if f.Segment > 0 {
			n = (int(h.PayloadLen) + int(f.Segment) - 1) / int(f.Segment)
		}
		w.packets += n
		if f.Flags&capture.Offloaded != 0 {
			w.super++
		}
	}
	return w
}

// TestSegmentsOfTCP sends a connection's data out and in, with and without
// segmentation offload: the packets are those that the sender's kernel says
// it sent (tcpOutSegs), and the octets are those of the data.
func TestSegmentsOfTCP(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	there := sink(t)
	for _, offload := range []string{"on", "off"} {
		lab.Offload(t, there, offload)
		for _, how := range []Offload{Segments, Frames} {
			tcpSegments(t, offload, how, "", capture.Outgoing, upload)
			tcpSegments(t, offload, how, there, 0, download)
		}
	}
}

func tcpSegments(t *testing.T, offload string, how Offload, sender string, way capture.Flags, move func(*testing.T)) {
	t.Helper()
	cfg := Default()
	cfg.Interfaces, cfg.Offload = []string{"near"}, how
	k := take(t, cfg)
	before, repeated := lab.Counter(t, sender, "Tcp", "OutSegs"), lab.Counter(t, sender, "Tcp", "RetransSegs")
	move(t)
	segments := lab.Counter(t, sender, "Tcp", "OutSegs") - before
	repeated = lab.Counter(t, sender, "Tcp", "RetransSegs") - repeated
	got, stats := k.close()
	w := onTheWire(got[0], packet.ProtoTCP, way)
	t.Logf("offload %s, %v, outgoing %v: %+v; the kernel sent %d segments and repeated %d", offload, how, way != 0, w, segments, repeated)
	if how == Segments && uint64(w.packets) != segments+repeated {
		t.Errorf("%d packets, the kernel sent %d and %d again", w.packets, segments, repeated)
	}
	if repeated == 0 && w.payload != transfer {
		t.Errorf("%d octets of %d", w.payload, transfer)
	}
	if (w.super > 0) != (offload == "on") || stats[0].Segments != (how == Segments) {
		t.Errorf("%d offloaded frames, %+v", w.super, stats[0])
	}
}

// upload sends over TCP and waits until the other end has closed.
func upload(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp4", "192.0.2.2:5001")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, transfer)); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).CloseWrite()
	io.Copy(io.Discard, c)
}

// download has the other end send.
func download(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp4", "192.0.2.2:5003")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := io.Copy(io.Discard, c); n != transfer || err != nil {
		t.Fatal(n, err)
	}
}

// TestSegmentsOfUDP sends datagrams in one frame (UDP_SEGMENT).
func TestSegmentsOfUDP(t *testing.T) {
	if !lab.Isolated(t) {
		return
	}
	sink(t)
	cfg := Default()
	cfg.Interfaces = []string{"near"}
	k := take(t, cfg)
	c, err := net.Dial("udp4", "192.0.2.2:5002")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, 1000) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, 9500)); err != nil {
		t.Fatal(err)
	}
	got, _ := k.close()
	if w := onTheWire(got[0], packet.ProtoUDP, capture.Outgoing); w != (wire{packets: 10, payload: 9500, super: 1}) {
		t.Errorf("%+v", w)
	}
}
