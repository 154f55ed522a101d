package packet

import "testing"

var benchFrames = []struct {
	name string
	link LinkType
	data []byte
}{
	{"tcp4", LinkEthernet, cat(etherOf4, ip4Packet(ProtoTCP, tcpBytes))},
	{"udp4", LinkEthernet, cat(etherOf4, ip4Packet(ProtoUDP, udpBytes))},
	{"tcp6", LinkEthernet, cat(etherOf6, ip6Packet(ProtoTCP, tcpBytes))},
	{"udp6", LinkEthernet, cat(etherOf6, ip6Packet(ProtoUDP, udpBytes))},
	{"icmp4", LinkEthernet, cat(etherOf4, ip4Packet(ProtoICMP, []byte{8, 0, 0, 0, 0, 1, 0, 1}))},
	{"frag4", LinkEthernet, cat(etherOf4, ip4Header(ProtoUDP, 60, 0x00b9), make([]byte, 40))},
	{"extensions6", LinkEthernet, cat(etherOf6, ip6Packet(nextHopByHop, extension(nextDestOptions, 0), extension(ProtoTCP, 0), tcpBytes))},
	{"vlan", LinkEthernet, cat(macs, []byte{0x81, 0, 0, 7, 8, 0}, ip4Packet(ProtoTCP, tcpBytes))},
	{"qinq", LinkEthernet, cat(macs, []byte{0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 8, 0}, ip4Packet(ProtoTCP, tcpBytes))},
	{"mpls", LinkEthernet, cat(macs, []byte{0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64}, ip4Packet(ProtoTCP, tcpBytes))},
	{"pppoe", LinkEthernet, cat(macs, []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0, 0x21}, ip4Packet(ProtoTCP, tcpBytes))},
	{"sll", LinkSLL, cat(make([]byte, 14), []byte{8, 0}, ip4Packet(ProtoTCP, tcpBytes))},
	{"raw", LinkRaw, ip4Packet(ProtoTCP, tcpBytes)},
	{"arp", LinkEthernet, cat(macs, []byte{8, 6}, make([]byte, 28))},
}

// extension is an extension header of 8*(1+more) octets.
func extension(next byte, more int) []byte {
	b := make([]byte, 8*(1+more))
	b[0], b[1] = next, byte(more)
	return b
}

func BenchmarkDecode(b *testing.B) {
	for _, f := range benchFrames {
		b.Run(f.name, func(b *testing.B) {
			var h Headers
			b.SetBytes(int64(len(f.data)))
			b.ReportAllocs()
			for b.Loop() {
				Decode(&h, f.link, f.data, uint32(len(f.data)))
			}
			reportPackets(b)
		})
	}
}

func BenchmarkShard(b *testing.B) {
	for _, f := range benchFrames {
		b.Run(f.name, func(b *testing.B) {
			b.SetBytes(int64(len(f.data)))
			b.ReportAllocs()
			for b.Loop() {
				Shard(f.link, f.data)
			}
			reportPackets(b)
		})
	}
}

func reportPackets(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpkt/s")
}
