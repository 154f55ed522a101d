package packet

// Segments returns how many packets were on the wire, or will be, where the
// network card joins or cuts them and the capture shows one offloaded frame:
// payload is what each of them carries, in octets, the last one excepted. It is
// 1 where the frame's TCP or UDP payload is not known or no longer than that.
func (h *Headers) Segments(payload uint16) int {
	if payload == 0 || h.Layers&HasPayload == 0 || h.Layers&(HasTCP|HasUDP) == 0 {
		return 1
	}
	size := uint32(payload)
	return int(max(1, (h.PayloadLen+size-1)/size))
}

// Segment makes h the headers of the i-th of the Segments(payload) packets that
// the frame of headers whole stands for, as segmentation makes them: lengths and
// sequence number are its own, FIN and PSH are in the last one only, CWR in the
// first (Linux, tcp_gso_segment; RFC 3168 §6.1.2).
func (h *Headers) Segment(whole *Headers, payload uint16, i int) {
	*h = *whole
	size, last := uint32(payload), i == whole.Segments(payload)-1
	before := uint32(i) * size
	h.PayloadLen = size
	if last {
		h.PayloadLen = whole.PayloadLen - before
	}
	h.TotalLen = whole.TotalLen - whole.PayloadLen + h.PayloadLen
	h.WireLen = h.PayloadOff + h.PayloadLen
	h.CapLen = min(h.CapLen, h.WireLen)
	if h.Layers&HasIPv4 != 0 {
		h.FragID = (whole.FragID + uint32(i)) & 0xffff
	}
	if h.Layers&HasTCP == 0 {
		return
	}
	h.Seq += before
	if !last {
		h.TCPFlags &^= FIN | PSH
	}
	if i > 0 {
		h.TCPFlags &^= CWR
	}
}
