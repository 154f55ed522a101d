package packet

// Shard returns a number by which a frame's worker is chosen: the XOR of its
// two addresses, mixed. It is the same for both directions and all fragments
// of a conversation, in each process. Where Decode would not find an IP
// header it is made of the MAC addresses, and where there are none either it
// is that of no addresses at all.
func Shard(link LinkType, data []byte) uint32 {
	if link == LinkEthernet && len(data) >= etherLen+minIPv4 {
		switch be16(data[12:14]) {
		case etherIPv4:
			return shardIPv4((*[minIPv4]byte)(data[etherLen:]))
		case etherIPv6:
			if len(data) >= etherLen+minIPv6 {
				return shardIPv6((*[minIPv6]byte)(data[etherLen:]))
			}
		}
	}
	return shardAny(link, data)
}

// shardAny is Shard for every link type and link header.
func shardAny(link LinkType, data []byte) uint32 {
	var h Headers
	off, net := readLink(&h, link, data)
	if net == netIP {
		net = guessIP(data, off)
	}
	switch {
	case net == netIPv4 && len(data)-off >= minIPv4:
		return shardIPv4((*[minIPv4]byte)(data[off:]))
	case net == netIPv6 && len(data)-off >= minIPv6:
		return shardIPv6((*[minIPv6]byte)(data[off:]))
	case h.Layers&HasMAC != 0:
		return shardMAC(&h)
	}
	return mix(0)
}

func shardIPv4(b *[minIPv4]byte) uint32 { return mix(be32(b[12:16]) ^ be32(b[16:20])) }

func shardIPv6(b *[minIPv6]byte) uint32 {
	x := be64(b[8:16]) ^ be64(b[16:24]) ^ be64(b[24:32]) ^ be64(b[32:40])
	return mix(uint32(x>>32) ^ uint32(x))
}

// Pair returns what Shard returns of a frame whose packet h is.
func (h *Headers) Pair() uint32 {
	x := be64(h.Src[:8]) ^ be64(h.Src[8:]) ^ be64(h.Dst[:8]) ^ be64(h.Dst[8:])
	return mix(uint32(x>>32) ^ uint32(x))
}

func shardMAC(h *Headers) uint32 {
	d, s := &h.DstMAC, &h.SrcMAC
	return mix(be32(d[0:4]) ^ be32(s[0:4]) ^ uint32(be16(d[4:6])^be16(s[4:6])))
}

// mix spreads x over all 32 bits, so that any of them may choose the worker.
// It is the finalizer of MurmurHash3.
func mix(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x85ebca6b
	x ^= x >> 13
	x *= 0xc2b2ae35
	return x ^ x>>16
}
