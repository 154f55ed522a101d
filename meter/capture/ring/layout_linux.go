package ring

// A block of the ring begins with struct tpacket_block_desc
// (linux/if_packet.h): the offsets of its fields. Numbers are in the byte
// order of the machine.
const (
	blockStatus = 8  // who owns the block: see statusUser
	blockCount  = 12 // frames in it
	blockFirst  = 16 // where the first one's header begins
	blockHeader = 48
)

// Each frame is at struct tpacket3_hdr, behind which struct sockaddr_ll stands
// and, at an offset that the header tells, the frame itself.
const (
	frameNext     = 0
	frameSec      = 4
	frameNsec     = 8
	frameSnap     = 12 // octets captured, from the link header on
	frameLen      = 16 // octets there were
	frameStatus   = 20
	frameMAC      = 24 // where the link header begins, from this header on
	frameNet      = 26 // where the network header does
	frameTCI      = 32
	frameTPID     = 36
	addrProtocol  = 50 // sockaddr_ll: EtherType in network order,
	addrIndex     = 52
	addrHardware  = 56 // ARPHRD_,
	addrKind      = 58 // PACKET_HOST and so on,
	addrLen       = 59
	addrAddress   = 60 // 8 octets
	frameHeader   = 68
	vnetHeader    = 10 // struct virtio_net_hdr, right before the link header
	tagLen        = 4
	second        = 1_000_000_000
	defaultTPID   = 0x8100
	addressesLen  = 12   // of an Ethernet header
	vnetECN       = 0x80 // VIRTIO_NET_HDR_GSO_ECN, a flag on the type
	vnetKindTCP4  = 1
	vnetKindTCP6  = 4
	vnetKindUDPL4 = 5
)
