package rules

import (
	"golang.org/x/net/bpf"

	"flowmeter/meter/cbpf"
	"flowmeter/meter/packet"
)

// base is where a value lies.
type base uint8

const (
	inNote      base = iota // in the scratch memory
	inIP                    // in the IP header
	inTransport             // in the transport header
)

// A kernelValue says how a value is loaded.
type kernelValue struct {
	base
	at    uint32 // slot, or offset in the header
	size  int    // octets
	shift uint32
	mask  uint32 // after the shift; 0 for all
	each  bool   // each packet that an offloaded frame stands for has its own
	six   *kernelValue
}

const perPacket = true

// flagBit reads a bit of the octet with the TCP flags FIN to CWR.
func flagBit(bit uint32, each bool) kernelValue {
	return kernelValue{base: inTransport, at: 13, size: 1, shift: bit, mask: 1, each: perPacket}
}

// kernelValues are the values that a program can read, once it is known that
// they are there. All others the meter reads itself: the interface's number,
// what was captured, payload lengths.
var kernelValues = map[getter]kernelValue{
	getSrcPort:     {base: inTransport, at: 0, size: 2},
	getDstPort:     {base: inTransport, at: 2, size: 2},
	getProto:       {base: inNote, at: scratchProto},
	getVersion:     {base: inNote, at: scratchVersion},
	getEtherType:   {base: inNote, at: scratchType},
	getLength:      {base: inNote, at: scratchTotal, each: perPacket},
	getFrameLen:    {base: inNote, at: scratchLen, each: perPacket},
	getVLAN:        {base: inNote, at: scratchTag, mask: 0xfff},
	getVLAN2:       {base: inNote, at: scratchTag2, mask: 0xfff},
	getVLANPrio:    {base: inNote, at: scratchTag, shift: 13, mask: 7},
	getVLAN2Prio:   {base: inNote, at: scratchTag2, shift: 13, mask: 7},
	getTTL:         {base: inIP, at: 8, size: 1, six: &kernelValue{base: inIP, at: 7, size: 1}},
	getTClass:      {base: inIP, at: 1, size: 1, six: &kernelValue{base: inIP, at: 0, size: 2, shift: 4, mask: max8}},
	getDSCP:        {base: inIP, at: 1, size: 1, shift: 2, six: &kernelValue{base: inIP, at: 0, size: 2, shift: 6, mask: 63}},
	getECN:         {base: inIP, at: 1, size: 1, mask: 3, six: &kernelValue{base: inIP, at: 0, size: 2, shift: 4, mask: 3}},
	getFragID:      {base: inIP, at: 4, size: 2, each: perPacket},
	getDF:          {base: inIP, at: 6, size: 1, shift: 6, mask: 1},
	getMF:          {base: inIP, at: 6, size: 1, shift: 5, mask: 1},
	getFragOffset:  {base: inIP, at: 6, size: 2, mask: 0x1fff},
	getFlowLabel:   {base: inIP, at: 0, size: 4, mask: 0xfffff},
	getTCPFlags:    {base: inTransport, at: 12, size: 2, mask: 0xfff, each: perPacket},
	getFIN:         flagBit(0, perPacket),
	getSYN:         flagBit(1, false),
	getRST:         flagBit(2, false),
	getPSH:         flagBit(3, perPacket),
	getACK:         flagBit(4, false),
	getURG:         flagBit(5, false),
	getECE:         flagBit(6, false),
	getCWR:         flagBit(7, perPacket),
	getAE:          {base: inTransport, at: 12, size: 1, mask: 1},
	getWindow:      {base: inTransport, at: 14, size: 2},
	getSeq:         {base: inTransport, at: 4, size: 4, each: perPacket},
	getAck:         {base: inTransport, at: 8, size: 4},
	getICMPType:    {base: inTransport, at: 0, size: 1},
	getICMPCode:    {base: inTransport, at: 1, size: 1},
	getICMP:        {base: inTransport, at: 0, size: 2},
	getPayloadLen6: {base: inNote, at: scratchTotal, each: perPacket},
}

// number loads a value into A, or goes to doubt. It is false if a program
// cannot read that value at all.
func (c *kernelCode) number(g getter, doubt cbpf.Label) bool {
	if g == getOuterType {
		c.outerType()
		return true
	}
	v, ok := kernelValues[g]
	if !ok {
		return false
	}
	if v.each && c.Segments {
		c.get(scratchProto)
		c.JumpIf(bpf.JumpEqual, packet.ProtoTCP, doubt)
		c.JumpIf(bpf.JumpEqual, packet.ProtoUDP, doubt)
		c.JumpIf(bpf.JumpEqual, anyProto, doubt)
	}
	if v.six == nil {
		c.value(&v)
	} else {
		c.either(&v)
	}
	switch g {
	case getProto:
		c.JumpIf(bpf.JumpEqual, anyProto, doubt)
	case getPayloadLen6:
		c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpSub, Val: ipv6HeaderLen})
	}
	return true
}

func (c *kernelCode) value(v *kernelValue) {
	switch v.base {
	case inNote:
		c.get(int(v.at))
	case inIP:
		c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchNet})
		c.load(v.at, v.size)
	case inTransport:
		c.Op(bpf.LoadScratch{Dst: bpf.RegX, N: scratchTransport})
		c.load(v.at, v.size)
	}
	if v.shift > 0 {
		c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: v.shift})
	}
	if v.mask > 0 {
		c.Op(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: v.mask})
	}
}

// either loads a value that lies elsewhere in IPv6.
func (c *kernelCode) either(v *kernelValue) {
	six, known := c.Label(), c.Label()
	c.get(scratchVersion)
	c.JumpIf(bpf.JumpEqual, 6, six)
	c.value(v)
	c.Jump(known)
	c.Place(six)
	c.value(v.six)
	c.Place(known)
}

// outerType loads the type field of the frame itself.
func (c *kernelCode) outerType() {
	tagged, known := c.Label(), c.Label()
	c.get(scratchTag)
	c.JumpIf(bpf.JumpNotEqual, 0, tagged)
	c.get(scratchType)
	c.Jump(known)
	c.Place(tagged)
	c.get(scratchTPID)
	c.Place(known)
}
