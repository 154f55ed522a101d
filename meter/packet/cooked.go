package packet

// Linux cooked captures (https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html
// and LINKTYPE_LINUX_SLL2.html): sizes, and where the protocol stands.
const (
	sllLen    = 16
	sllProto  = 14
	sll2Len   = 20
	sll2Proto = 0

	sllLLC = 0x0004 // protocol value of frames that begin with an LLC header
)

// readCooked reads a cooked header of size octets with its protocol at proto.
// It has one address, of any kind and length: HasMAC is not set. Protocols
// below an EtherType's are Linux's own, of which LLC alone leads to IP.
func readCooked(h *Headers, data []byte, size, proto int) (int, network) {
	if len(data) < size {
		return 0, netCut
	}
	typ := be16(data[proto:])
	if typ <= maxLength && typ != sllLLC {
		return size, netNone
	}
	return readEtherType(h, data, size, typ)
}
