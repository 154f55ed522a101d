//go:build integration

package interop

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"flowmeter/meter/lab"
)

// recorder is a socket that keeps the messages that it gets.
type recorder struct {
	mu       sync.Mutex
	messages [][]byte
	done     chan struct{} // the TCP connection has ended
}

// open opens a socket and returns its port.
func (r *recorder) open(t *testing.T, network string) (port int) {
	t.Helper()
	r.done = make(chan struct{})
	if network == "tcp" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go r.stream(l)
		return l.Addr().(*net.TCPAddr).Port
	}
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go r.datagrams(c)
	return c.LocalAddr().(*net.UDPAddr).Port
}

func (r *recorder) keep(msg []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, append([]byte(nil), msg...))
}

func (r *recorder) datagrams(c *net.UDPConn) {
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		r.keep(buf[:n])
	}
}

// stream cuts one connection into messages.
func (r *recorder) stream(l net.Listener) {
	defer close(r.done)
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	buf := make([]byte, 65536)
	for {
		if _, err := io.ReadFull(c, buf[:4]); err != nil {
			return
		}
		n := max(4, int(binary.BigEndian.Uint16(buf[2:])))
		if _, err := io.ReadFull(c, buf[4:n]); err != nil {
			return
		}
		r.keep(buf[:n])
	}
}

// all returns the messages, once no more come.
func (r *recorder) all(t *testing.T, network string, port int) [][]byte {
	t.Helper()
	if network == "tcp" {
		select {
		case <-r.done:
		case <-time.After(lab.Patience):
			t.Fatal("the connection does not end")
		}
	} else {
		lab.Drained(t, os.Getpid(), port)
		time.Sleep(20 * time.Millisecond) // the last one is on its way to keep
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages
}

// wire records what a run sends over a transport, for two who look at the
// octets: goflow2's decoders, and tshark where they came over UDP.
func wire(t *testing.T, format, biflow string) []watcher {
	network := "udp"
	if strings.HasSuffix(format, "+tcp") {
		network = "tcp"
	}
	r := &recorder{}
	port := r.open(t, network)
	name := format + " " + biflow
	all := []watcher{{name + " goflow2", format + "://" + lab.Local(port), nil, func(t *testing.T, trace string, truth []record) {
		compare(t, name+" goflow2", trace, goflowAccount(t, r.all(t, network, port)), forFields(format, biflow, truth))
	}}}
	if network == "tcp" {
		return all
	}
	return append(all, watcher{name + " tshark", "", nil, func(t *testing.T, trace string, truth []record) {
		messages := r.all(t, network, port)
		path := t.TempDir() + "/export.pcap"
		writeDatagrams(t, path, messages)
		a, n := dissect(t, path, format, biflow)
		if n != len(messages) {
			t.Errorf("tshark found %d messages of %d", n, len(messages))
		}
		compare(t, name+" tshark", trace, a, forTshark(format, biflow, truth))
	}})
}

// writeDatagrams writes messages as a trace of datagrams.
func writeDatagrams(t *testing.T, path string, messages [][]byte) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65536, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	for _, msg := range messages {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{127, 0, 0, 1}, DstIP: net.IP{127, 0, 0, 1}}
		udp := &layers.UDP{SrcPort: 40000, DstPort: 4739}
		udp.SetNetworkLayerForChecksum(ip)
		buf := gopacket.NewSerializeBuffer()
		opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(buf, opts, ip, udp, gopacket.Payload(msg)); err != nil {
			t.Fatal(err)
		}
		n := len(buf.Bytes())
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: n, Length: n}, buf.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
}
