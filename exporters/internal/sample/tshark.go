package sample

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Dissect writes messages into a trace as UDP datagrams and returns what
// tshark's cflow dissector says of them in full. It fails the test where
// tshark finds something malformed or has an expert's warning, and skips it
// where there is no tshark.
func Dissect(t testing.TB, messages [][]byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "export.pcap")
	if err := writeTrace(file, messages); err != nil {
		t.Fatal(err)
	}
	return DissectFile(t, file, len(messages))
}

// DissectFile is Dissect of a trace, or of an IPFIX file, that holds so many
// messages.
func DissectFile(t testing.TB, file string, messages int) string {
	t.Helper()
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark on the PATH")
	}
	out, err := exec.Command(tshark, "-r", file, "-V", "-d", "udp.port==4739,cflow").CombinedOutput()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, out)
	}
	text := string(out)
	for _, bad := range []string{"Malformed", "Expert Info (Warning", "Expert Info (Error", "Unexpected"} {
		if at := strings.Index(text, bad); at >= 0 {
			t.Fatalf("tshark says: …%s", text[max(0, at-600):min(len(text), at+300)])
		}
	}
	if n := strings.Count(text, "Cisco NetFlow/IPFIX"); n != messages {
		t.Fatalf("tshark found %d messages of %d", n, messages)
	}
	return text
}

func writeTrace(file string, messages [][]byte) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		return err
	}
	for i, msg := range messages {
		frame, err := frameOf(msg)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		info := gopacket.CaptureInfo{Timestamp: time.Unix(1_600_000_000, int64(i)*1000), CaptureLength: len(frame), Length: len(frame)}
		if err := w.WritePacket(info, frame); err != nil {
			return err
		}
	}
	return nil
}

func frameOf(msg []byte) ([]byte, error) {
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IP{127, 0, 0, 1}, DstIP: net.IP{127, 0, 0, 1}}
	udp := &layers.UDP{SrcPort: 40000, DstPort: 4739}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, udp, gopacket.Payload(msg))
	return buf.Bytes(), err
}

// Sum counts and adds up the numbers that tshark prints after a field's name.
func Sum(text, name string) (n int, sum uint64) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+": ")
		if !ok {
			continue
		}
		var v uint64
		if _, err := fmt.Sscan(rest, &v); err == nil {
			n++
			sum += v
		}
	}
	return n, sum
}
