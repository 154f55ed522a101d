//go:build integration && linux

package ring

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"flowmeter/meter/capture"
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
	io.Copy(io.Discard, os.Stdin)
}

// far makes a veth pair whose far end is in the namespace of a sink:
// 10.99.0.1 at a0 here, 10.99.0.2 there. It returns the sink's process.
func far(t *testing.T) (pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestSink$")
	cmd.Env = append(os.Environ(), sinkVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	out.Read(make([]byte, 1)) // it listens
	run(t, "ip link add a0 type veth peer name b0")
	run(t, fmt.Sprintf("ip link set b0 netns %d", cmd.Process.Pid))
	run(t, "ip addr add 10.99.0.1/24 dev a0")
	run(t, "ip link set a0 up")
	run(t, fmt.Sprintf("nsenter -t %d -n ip addr add 10.99.0.2/24 dev b0", cmd.Process.Pid))
	run(t, fmt.Sprintf("nsenter -t %d -n ip link set b0 up", cmd.Process.Pid))
	eventually(t, "a0 has a carrier", func() bool { return strings.Contains(run(t, "ip link show a0"), "LOWER_UP") })
	return cmd.Process.Pid
}

// counter is a number of /proc/net/snmp in a process's namespace.
func counter(t *testing.T, pid int, protocol, name string) int {
	t.Helper()
	var names []string
	for line := range strings.Lines(run(t, fmt.Sprintf("cat /proc/%d/net/snmp", pid))) {
		f := strings.Fields(line)
		if f[0] != protocol+":" {
			continue
		}
		for i, n := range names {
			if n == name {
				v, _ := strconv.Atoi(f[i])
				return v
			}
		}
		names = f
	}
	t.Fatalf("no %s of %s", name, protocol)
	return 0
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
	if !isolated(t) {
		return
	}
	there := far(t)
	for _, offload := range []string{"on", "off"} {
		features := " tso " + offload + " gso " + offload + " gro " + offload
		run(t, "ethtool -K a0"+features)
		run(t, fmt.Sprintf("nsenter -t %d -n ethtool -K b0%s", there, features))
		for _, how := range []Offload{Segments, Frames} {
			tcpSegments(t, offload, how, os.Getpid(), capture.Outgoing, upload)
			tcpSegments(t, offload, how, there, 0, download)
		}
	}
}

func tcpSegments(t *testing.T, offload string, how Offload, sender int, way capture.Flags, move func(*testing.T)) {
	t.Helper()
	cfg := Default()
	cfg.Interfaces, cfg.Offload = []string{"a0"}, how
	k := take(t, cfg)
	before, repeated := counter(t, sender, "Tcp", "OutSegs"), counter(t, sender, "Tcp", "RetransSegs")
	move(t)
	segments := counter(t, sender, "Tcp", "OutSegs") - before
	repeated = counter(t, sender, "Tcp", "RetransSegs") - repeated
	got, stats := k.close()
	w := onTheWire(got[0], packet.ProtoTCP, way)
	t.Logf("offload %s, %v, outgoing %v: %+v; the kernel sent %d segments and repeated %d", offload, how, way != 0, w, segments, repeated)
	if how == Segments && w.packets != segments+repeated {
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
	c, err := net.Dial("tcp4", "10.99.0.2:5001")
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
	c, err := net.Dial("tcp4", "10.99.0.2:5003")
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
	if !isolated(t) {
		return
	}
	far(t)
	cfg := Default()
	cfg.Interfaces = []string{"a0"}
	k := take(t, cfg)
	c, err := net.Dial("udp4", "10.99.0.2:5002")
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
