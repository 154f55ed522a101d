package packet

import (
	"encoding/binary"
	"testing"
)

// offloaded is a TCP or UDP frame with headers alone, that says it holds more
// payload than a packet on the wire can.
func offloaded(proto byte, payload int, flags byte) (data []byte, wire uint32) {
	header := 20
	if proto == ProtoUDP {
		header = 8
	}
	data = make([]byte, etherLen+minIPv4+header)
	binary.BigEndian.PutUint16(data[12:], etherIPv4)
	ip := data[etherLen:]
	ip[0], ip[8], ip[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(minIPv4+header+payload))
	binary.BigEndian.PutUint16(ip[4:], 0xffff) // identification: the next is 0
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	transport := ip[minIPv4:]
	if proto == ProtoTCP {
		binary.BigEndian.PutUint32(transport[4:], 1<<32-1000)
		transport[12], transport[13] = 0x50, flags
	} else {
		binary.BigEndian.PutUint16(transport[4:], uint16(8+payload))
	}
	return data, uint32(len(data) + payload)
}

// TestSegments: the packets of an offloaded frame carry its payload, each with
// headers of its own.
func TestSegments(t *testing.T) {
	for _, c := range []struct {
		proto   byte
		payload int
		size    uint16
		want    int
		last    uint32
	}{
		{ProtoTCP, 4344, 1448, 3, 1448},
		{ProtoTCP, 4345, 1448, 4, 1},
		{ProtoTCP, 1448, 1448, 1, 1448},
		{ProtoTCP, 0, 1448, 1, 0},
		{ProtoUDP, 2500, 1200, 3, 100},
	} {
		var whole, h Headers
		data, wire := offloaded(c.proto, c.payload, byte(ACK|PSH|FIN|CWR))
		if out := Decode(&whole, LinkEthernet, data, wire); out != OK {
			t.Fatal(out)
		}
		n := whole.Segments(c.size)
		if n != c.want {
			t.Fatalf("%d octets in pieces of %d: %d packets, want %d", c.payload, c.size, n, c.want)
		}
		header := whole.TotalLen - whole.PayloadLen
		var payload uint32
		for i := range n {
			h.Segment(&whole, c.size, i)
			if h.Seq != whole.Seq+payload && c.proto == ProtoTCP {
				t.Errorf("packet %d begins at %d, want %d", i, h.Seq, whole.Seq+payload)
			}
			if h.TotalLen != header+h.PayloadLen || h.WireLen != etherLen+h.TotalLen || h.CapLen > h.WireLen {
				t.Errorf("packet %d: %d octets of payload, %d of IP, %d on the wire, %d captured", i, h.PayloadLen, h.TotalLen, h.WireLen, h.CapLen)
			}
			if c.proto == ProtoTCP {
				checkFlags(t, &h, i, n)
			}
			if h.FragID != uint32(0xffff+i)&0xffff {
				t.Errorf("packet %d has identification %#x", i, h.FragID)
			}
			payload += h.PayloadLen
		}
		if payload != whole.PayloadLen || h.PayloadLen != c.last {
			t.Errorf("%d octets in %d packets, the last with %d; want %d and %d", payload, n, h.PayloadLen, whole.PayloadLen, c.last)
		}
	}
}

func checkFlags(t *testing.T, h *Headers, i, n int) {
	t.Helper()
	want := ACK
	if i == n-1 {
		want |= FIN | PSH
	}
	if i == 0 {
		want |= CWR
	}
	if h.TCPFlags != want {
		t.Errorf("packet %d of %d has flags %#x, want %#x", i, n, h.TCPFlags, want)
	}
}

// TestSegmentsUnknown: what cannot be cut is one packet.
func TestSegmentsUnknown(t *testing.T) {
	var h Headers
	data, wire := offloaded(ProtoTCP, 4000, byte(ACK))
	Decode(&h, LinkEthernet, data[:40], wire) // the capture ends before the TCP header does
	if n := h.Segments(1448); n != 1 {
		t.Errorf("a cut TCP header: %d packets", n)
	}
	Decode(&h, LinkEthernet, data, wire)
	if n := h.Segments(0); n != 1 {
		t.Errorf("an ordinary frame: %d packets", n)
	}
	data[etherLen+9] = 47 // GRE: what is inside is not read
	Decode(&h, LinkEthernet, data, wire)
	if n := h.Segments(1448); n != 1 {
		t.Errorf("a tunnel: %d packets", n)
	}
}
