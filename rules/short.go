package rules

import (
	"encoding/binary"
	"net/netip"
)

// A shortTable finds the node of a number of 16 bits by its two octets. Where
// all numbers of a high octet have one node, there is no page.
type shortTable struct {
	whole [256]int32
	pages [256]*[256]int32
}

func newShortTable() *shortTable {
	t := &shortTable{}
	for i := range t.whole {
		t.whole[i] = noNode
	}
	return t
}

func (t *shortTable) find(n uint64) int32 {
	hi := n >> 8
	if hi > 255 {
		return noNode
	}
	if page := t.pages[hi]; page != nil {
		return page[n&255]
	}
	return t.whole[hi]
}

// fill lets the numbers of a prefix, as of numberAddr, have a node. Wider
// prefixes come before those that they cover.
func (t *shortTable) fill(p netip.Prefix, node int32) {
	b := p.Addr().As4()
	lo := binary.BigEndian.Uint16(b[:])
	hi := lo | uint16(0xffff)>>p.Bits()
	for page := lo >> 8; page < hi>>8; page++ {
		t.whole[page] = node
	}
	if p.Bits() <= 8 {
		t.whole[hi>>8] = node
		return
	}
	page := t.pages[lo>>8]
	if page == nil {
		page = new([256]int32)
		for i := range page {
			page[i] = t.whole[lo>>8]
		}
		t.pages[lo>>8] = page
	}
	for n := int(lo); n <= int(hi); n++ {
		page[n&255] = node
	}
}
