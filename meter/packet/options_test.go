package packet

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// listOptions shows options as kind:octets.
func listOptions(o Options) string {
	var s []string
	for kind, body, rest, ok := o.Next(); ok; kind, body, rest, ok = rest.Next() {
		s = append(s, fmt.Sprintf("%d:%x", kind, body))
	}
	return strings.Join(s, " ")
}

func TestOptions(t *testing.T) {
	tests := []struct{ name, options, want string }{
		{"of a SYN", "020405b40402080a0000000100000002" + "01030307", "2:05b4 4: 8:0000000100000002 1: 3:07"},
		{"behind the end", "020405b400040200", "2:05b4 0:"},
		{"too short a length", "0204 05b4 0801 0402", "2:05b4"},
		{"a length beyond the header", "0204 05b4 0809 0402", "2:05b4"},
		{"no length", "010101 08", "1: 1: 1:"},
		{"none", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			options, err := hex.DecodeString(strings.ReplaceAll(tt.options, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			size := byte(20 + len(options))
			tcp := append([]byte{0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, size << 2, 2, 0xff, 0xff, 0, 0, 0, 0}, options...)
			var h Headers
			data := ip4Packet(ProtoTCP, tcp)
			if Decode(&h, LinkRaw, data, uint32(len(data))) != OK {
				t.Fatal("not decoded")
			}
			if got := listOptions(h.TCPOptions(data)); got != tt.want {
				t.Errorf("TCP: %q, want %q", got, tt.want)
			}
			data = append([]byte{0x40 | size/4}, data[1:20]...)
			data = append(data, options...)
			data[2], data[3] = 0, size
			if Decode(&h, LinkRaw, data, uint32(len(data))) != OK {
				t.Fatal("not decoded")
			}
			if got := listOptions(h.IPv4Options(data)); got != tt.want {
				t.Errorf("IPv4: %q, want %q", got, tt.want)
			}
		})
	}
}

// What the capture cuts off is missing, and nothing else.
func TestOptionsCut(t *testing.T) {
	options, _ := hex.DecodeString("020405b4080a0000000100000002")
	tcp := append([]byte{0xc0, 0, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 36 << 2, 2, 0xff, 0xff, 0, 0, 0, 0}, append(options, 0, 0)...)
	whole := ip4Packet(ProtoTCP, tcp)
	for cut, want := range map[int]string{40: "", 41: "", 42: "2:", 43: "2:05", 44: "2:05b4", 45: "2:05b4", 50: "2:05b4 8:00000001", 56: "2:05b4 8:0000000100000002 0:"} {
		var h Headers
		Decode(&h, LinkRaw, whole[:cut], uint32(len(whole)))
		if got := listOptions(h.TCPOptions(whole[:cut])); got != want {
			t.Errorf("%d octets: %q, want %q", cut, got, want)
		}
	}
}

func TestExtensionHeaders(t *testing.T) {
	list := func(data []byte) string {
		var h Headers
		Decode(&h, LinkRaw, data, uint32(len(data)))
		var s []string
		for kind, b, rest, ok := h.Extensions(data).Next(); ok; kind, b, rest, ok = rest.Next() {
			s = append(s, fmt.Sprintf("%d:%d", kind, len(b)))
		}
		return strings.Join(s, " ")
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"none", udp6, ""},
		{"all of a chain", udpBehind(nextHopByHop, []byte{nextRouting, 0, 0, 0, 0, 0, 0, 0}, []byte{nextDestOptions, 1}, make([]byte, 14), []byte{ProtoUDP, 0, 0, 0, 0, 0, 0, 0}), "0:8 43:16 60:8"},
		{"up to a later fragment", ip6Packet(nextFragment, fragment6(nextDestOptions, 185<<3|1), make([]byte, 16)), "44:8"},
		{"behind a first fragment", ip6Packet(nextFragment, fragment6(nextDestOptions, 1), []byte{ProtoUDP, 0, 0, 0, 0, 0, 0, 0}), "44:8 60:8"},
		{"no IPv6", ip4Packet(ProtoUDP), ""},
	}
	for _, tt := range tests {
		if got := list(tt.data); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestLabels(t *testing.T) {
	data := cat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0x47, 0, 1, 0, 64, 0, 2, 0x0b, 63}, ip4Packet(ProtoUDP))
	var h Headers
	Decode(&h, LinkEthernet, data, uint32(len(data)))
	var s []string
	for entry, rest, ok := h.Labels(data).Next(); ok; entry, rest, ok = rest.Next() {
		s = append(s, fmt.Sprintf("%#x", entry))
	}
	if got := strings.Join(s, " "); got != "0x10040 0x20b3f" || h.MPLSLabel != 0x10 {
		t.Errorf("%s, top %d", got, h.MPLSLabel)
	}
}
