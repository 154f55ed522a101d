package packet

import (
	"math/bits"
	"testing"
)

// TestShardBothWays swaps the addresses of each frame of the tests that has
// them: the shard stays.
func TestShardBothWays(t *testing.T) {
	pairs := []struct {
		name     string
		link     LinkType
		one, two []byte
	}{
		{"ipv4", LinkEthernet, cat(etherOf4, udp4), cat(etherOf4, swapped(udp4, 12, 4))},
		{"ipv4 fragment", LinkEthernet, cat(etherOf4, ip4Header(ProtoUDP, 32, 0x2000), udpBytes), cat(etherOf4, ip4Header(ProtoUDP, 32, 0x00b9), udpBytes)},
		{"ipv6", LinkEthernet, cat(etherOf6, udp6), cat(etherOf6, swapped(udp6, 8, 16))},
		{"ipv6 fragment", LinkRaw, udpBehind(nextFragment, fragment6(ProtoUDP, 1)), udpBehind(nextFragment, fragment6(ProtoUDP, 185<<3))},
		{"tagged and not", LinkEthernet, cat(etherOf4, udp4), cat(macs, []byte{0x81, 0, 0, 7, 8, 0}, udp4)},
		{"arp", LinkEthernet, cat(macs, []byte{8, 6}), cat(swapped(macs, 0, 6), []byte{8, 6})},
	}
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			one, two := Shard(p.link, p.one), Shard(p.link, p.two)
			if one != two {
				t.Errorf("%08x and %08x", one, two)
			}
			if one == mix(0) {
				t.Errorf("no address went into it")
			}
		})
	}
}

// swapped returns b with the two neighbours of n octets at off swapped.
func swapped(b []byte, off, n int) []byte {
	return cat(b[:off], b[off+n:off+2*n], b[off:off+n], b[off+2*n:])
}

// TestShardSpreads counts how hosts of one network that talk to one server
// fall to 2, 3, 4 and 8 workers: each gets its part within a tenth.
func TestShardSpreads(t *testing.T) {
	const hosts = 1 << 16
	for _, workers := range []uint32{2, 3, 4, 8} {
		counts := make([]int, workers)
		data := cat(udp4)
		for i := range hosts {
			data[14], data[15] = byte(i>>8), byte(i&255)
			counts[worker(Shard(LinkRaw, data), workers)]++
		}
		for i, n := range counts {
			if part := hosts / int(workers); n < part*9/10 || n > part*11/10 {
				t.Errorf("worker %d of %d has %d of %d hosts", i, workers, n, hosts)
			}
		}
	}
}

// worker scales a shard to a number below n, as by its upper bits.
func worker(shard, n uint32) uint32 {
	hi, _ := bits.Mul32(shard, n)
	return hi
}
