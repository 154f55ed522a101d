package flow

import (
	"hash/maphash"

	"flowmeter/rules"
)

// canonical returns the key with its lower end as the source, and whether the
// source of k is the higher end. Ends that compare equal may still differ in
// that only one was saved, with a value of 0.
func canonical(k *rules.Key) (rules.Key, bool) {
	c := k.Src.Compare(&k.Dst)
	if c > 0 || c == 0 && k.Saved > k.Saved.Swap() {
		return k.Swap(), true
	}
	return *k, false
}

// symmetric tells whether a key is the same from either end, so that no
// packet's way can be told.
func symmetric(k *rules.Key) bool {
	return k.Src == k.Dst && k.Saved == k.Saved.Swap()
}

func hashKey(k *rules.Key, seed maphash.Seed) uint32 {
	h := maphash.Comparable(seed, *k)
	return uint32(h ^ h>>32)
}

// findKey returns the live flow of a canonical key, or -1.
func (t *Table) findKey(k *rules.Key, hash uint32) int32 {
	s := t.index.segment(hash)
	for i := hash & s.mask; ; i = (i + 1) & s.mask {
		e := s.slots[i]
		if e.ref == 0 {
			return -1
		}
		if e.tag == hash && *t.store.keyAt(int32(e.ref - 1)) == *k {
			return int32(e.ref - 1)
		}
	}
}

// hashOf computes the hash by which a flow stands in the index.
func (t *Table) hashOf(rec int32) uint32 {
	if t.fused {
		tuple := t.tupleOf(rec)
		return tuple.hash(&t.cfg.Seed)
	}
	return hashKey(t.store.keyAt(rec), t.keySeed)
}

// tupleOf returns the five-tuple of a flow of a fused table.
func (t *Table) tupleOf(rec int32) tuple {
	h := t.store.hotAt(rec)
	u := tuple{loPort: h.port[0], hiPort: h.port[1], proto: h.proto, kind: h.kind}
	if h.kind&^kindPorts == 4 {
		u.loAddr = words{0, v4Mapped | uint64(h.addr[0])}
		u.hiAddr = words{0, v4Mapped | uint64(h.addr[1])}
		return u
	}
	ends := &t.store.ipv6At(rec).ends
	u.loAddr, u.hiAddr = ends[0], ends[1]
	return u
}

// v4Mapped are the upper bits of the lower word of ::ffff:0:0/96.
const v4Mapped = 0xffff << 32

// keyOf returns the key of a flow, from its source to its destination.
func (t *Table) keyOf(rec int32) (k rules.Key) {
	t.keyInto(&k, rec)
	return k
}

// keyInto writes what keyOf returns to where it is wanted, into a Key that is
// still empty: keys are large.
func (t *Table) keyInto(k *rules.Key, rec int32) {
	high := t.store.hotAt(rec).state&sourceHigh != 0
	switch {
	case t.fused:
		tuple := t.tupleOf(rec)
		tuple.keyInto(k, high)
	case high:
		*k = t.store.keyAt(rec).Swap()
	default:
		*k = *t.store.keyAt(rec)
	}
}

// keyInto writes the five-tuple into an empty Key, whose source is the higher end
// if high is set.
func (u *tuple) keyInto(k *rules.Key, high bool) {
	k.Saved, k.Proto, k.Version = rules.FiveTuple, u.proto, u.kind&^kindPorts
	length := uint8(32)
	if k.Version == 6 {
		length = 128
	}
	src, dst := &k.Src, &k.Dst
	if high {
		src, dst = dst, src
	}
	setEnd(src, u.loAddr, u.loPort, length)
	setEnd(dst, u.hiAddr, u.hiPort, length)
	if u.kind&kindPorts == 0 {
		k.Saved &^= rules.SrcPort | rules.DstPort
		k.Src.PortLen, k.Dst.PortLen = 0, 0
	}
}

func setEnd(e *rules.End, addr words, port uint16, length uint8) {
	putAddress(&e.Addr, addr)
	e.Port, e.AddrLen, e.PortLen = port, length, 16
}
