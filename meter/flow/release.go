package flow

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"flowmeter/rules"
)

// ending is a record that waits for its release.
type ending struct {
	end   int64
	order uint64 // of orderOf: saves most comparisons of whole keys
	rec   int32
	why   uint32 // EndReason in the lower 3 bits; above them a number that grows from ending to ending
}

func (e *ending) reason() EndReason { return EndReason(e.why & 7) }

// orderOf returns a number by which records that ended together are ordered
// first: the last 32 bits of source and destination address.
func orderOf(k *rules.Key) uint64 {
	return uint64(lastWord(&k.Src.Addr))<<32 | uint64(lastWord(&k.Dst.Addr))
}

func lastWord(a *[16]byte) uint32 { return binary.BigEndian.Uint32(a[12:]) }

// await puts a record that has left the table among those to be released.
func (t *Table) await(rec int32, end int64, reason EndReason) {
	t.endings++
	t.ended = append(t.ended, ending{end, t.order(rec), rec, t.endings<<3 | uint32(reason)})
}

// order is orderOf the record's key.
func (t *Table) order(rec int32) uint64 {
	h := t.store.hotAt(rec)
	var lo, hi uint32
	switch {
	case !t.fused:
		k := t.store.keyAt(rec)
		lo, hi = lastWord(&k.Src.Addr), lastWord(&k.Dst.Addr)
	case h.kind&^kindPorts == 4:
		lo, hi = h.addr[0], h.addr[1]
	default:
		ends := &t.store.ipv6At(rec).ends
		lo, hi = uint32(ends[0].lo), uint32(ends[1].lo)
	}
	if h.state&sourceHigh != 0 {
		lo, hi = hi, lo
	}
	return uint64(lo)<<32 | uint64(hi)
}

// Everything is a watermark that lets all records go.
const Everything = math.MaxInt64

// Ready puts what has ended before the watermark in order and returns how many
// records that is. Next gives them; all must be taken before the table is used
// again.
func (t *Table) Ready(watermark int64) int {
	n := t.readyOwn(watermark)
	for _, r := range t.reserves {
		n += r.readyOwn(watermark)
	}
	return n
}

func (t *Table) readyOwn(watermark int64) int {
	if watermark == t.watermark && watermark != Everything { // what has ended since did so later
		return 0
	}
	t.watermark = watermark
	t.sortEndings()
	t.ready, _ = slices.BinarySearchFunc(t.ended, watermark, func(e ending, w int64) int {
		return cmp.Compare(e.end, w)
	})
	t.taken = 0
	return t.ready
}

// Peek returns the decided-end time of the record that Next will give.
func (t *Table) Peek() (end int64, ok bool) {
	first := t.first()
	if first == nil {
		return 0, false
	}
	return first.ended[first.taken].end, true
}

// Next writes the next ready record into r and frees its place.
func (t *Table) Next(r *Record) { t.first().nextOwn(r) }

func (t *Table) nextOwn(r *Record) {
	if t.taken%releaseAhead == 0 {
		t.prefetchReady()
	}
	e := t.ended[t.taken]
	t.fill(r, &e)
	if t.fused {
		t.payHits(e.rec, r)
	}
	t.store.release(e.rec)
	t.Counts.Ended[e.reason()]++
	if r.Has&HasMeasured != 0 && t.cfg.Histograms != nil {
		t.cfg.Histograms.add(r)
	}
	for way := range r.Count {
		t.Counts.Released += r.Count[way].Packets
		t.Counts.ReleasedOctets += r.Count[way].Octets
	}
	if t.taken++; t.taken == t.ready {
		t.ended = t.ended[:copy(t.ended, t.ended[t.ready:])]
		t.ready, t.taken = 0, 0
	}
}

// compare orders records by decided-end time, key, start and piece; flows of one
// key that began and ended at one time as they ended.
func (t *Table) compare(a, b ending) int {
	if a.end != b.end {
		return cmp.Compare(a.end, b.end)
	}
	if a.order != b.order {
		return cmp.Compare(a.order, b.order)
	}
	ka, kb := t.keyOf(a.rec), t.keyOf(b.rec)
	ca, cb := t.store.coldAt(a.rec), t.store.coldAt(b.rec)
	return cmp.Or(compareKeys(&ka, &kb), cmp.Compare(ca.flowStart, cb.flowStart), cmp.Compare(t.store.before(ca).number, t.store.before(cb).number),
		int(int32(a.why-b.why)))
}

// compareKeys is a total order of keys.
func compareKeys(a, b *rules.Key) int {
	return cmp.Or(
		a.Src.Compare(&b.Src), a.Dst.Compare(&b.Dst),
		cmp.Compare(a.Saved, b.Saved), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Version, b.Version),
		cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Class, b.Class),
		cmp.Compare(a.VLAN, b.VLAN), cmp.Compare(a.VLAN2, b.VLAN2), cmp.Compare(a.MPLS, b.MPLS),
		cmp.Compare(a.EtherType, b.EtherType), cmp.Compare(a.ICMP, b.ICMP),
		cmp.Compare(a.TClass, b.TClass), cmp.Compare(a.TTL, b.TTL),
		cmp.Compare(a.FlowLabel, b.FlowLabel), cmp.Compare(a.Iface, b.Iface),
		cmp.Compare(a.DSCP, b.DSCP), cmp.Compare(a.ECN, b.ECN), cmp.Compare(a.VLANPrio, b.VLANPrio),
		cmp.Compare(a.Presence, b.Presence), cmp.Compare(a.Length, b.Length), cmp.Compare(a.TCPFlags, b.TCPFlags),
		cmp.Compare(a.MSS, b.MSS), cmp.Compare(a.WindowScale, b.WindowScale), cmp.Compare(a.Extensions, b.Extensions),
		cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Weekday, b.Weekday), cmp.Compare(a.TunnelID, b.TunnelID),
	)
}

// CompareRecords is the order in which records are released: decided-end
// time, rule set, key, start and piece.
func CompareRecords(a, b *Record) int {
	if a.End != b.End {
		return cmp.Compare(a.End, b.End)
	}
	return cmp.Or(
		cmp.Compare(a.RuleSet.Index, b.RuleSet.Index),
		cmp.Compare(orderOf(&a.Key), orderOf(&b.Key)), compareKeys(&a.Key, &b.Key),
		cmp.Compare(a.Start, b.Start), cmp.Compare(a.Piece, b.Piece),
	)
}
