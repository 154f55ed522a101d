package flow

import (
	"fmt"
	"math/bits"
	"strconv"

	"flowmeter/rules"
)

// Measured is a Record's distributions. It belongs to the place of the Record
// and is used again with it: who keeps a Record longer must CopyTo.
type Measured struct {
	of     rules.Quantities
	counts []uint64 // as a layout has them
}

// fillMeasured copies the distributions of a flow, if it has any, with the
// windows that are open as if they ended now, into room, which may be nil.
func (t *Table) fillMeasured(room *Measured, rec int32, h *hot) *Measured {
	if h.state&measures == 0 {
		room.none()
		return room
	}
	if room == nil {
		room = &Measured{}
	}
	g, l, counts := t.store.gauges.at(rec)
	room.of, room.counts = l.of, append(room.counts[:0], counts...)
	for i, w := range g.window {
		if q := rules.BitRate + rules.Quantity(i); w.open {
			t.closeWindow(q, &w, l.at[q], l.size, room.counts, 0)
		}
	}
	return room
}

// String returns the counters, for messages.
func (m *Measured) String() string {
	if m == nil || m.of == 0 {
		return "none"
	}
	return fmt.Sprintf("%05b%v", m.of, m.counts)
}

// none says that the Record has no distributions.
func (m *Measured) none() {
	if m != nil {
		m.of = 0
	}
}

// has tells what a Record has with these distributions.
func (m *Measured) has() Has {
	if m == nil {
		return 0
	}
	return Has(m.of) << firstMeasured
}

// firstMeasured is the number of HasPacketSize.
var firstMeasured = bits.TrailingZeros64(uint64(HasPacketSize))

// CopyTo copies a Record into another place, its distributions included.
func (r *Record) CopyTo(dst *Record) {
	room := dst.Measured
	*dst = *r
	if r.Measured == nil || r.Measured.of == 0 {
		room.none()
		dst.Measured = room
		return
	}
	if room == nil {
		room = &Measured{}
	}
	room.of, room.counts = r.Measured.of, append(room.counts[:0], r.Measured.counts...)
	dst.Measured = room
}

// Backward copies the reverse distributions into room, which may be nil, as
// forward ones.
func (m *Measured) Backward(room *Measured) *Measured {
	if m == nil || m.of == 0 {
		room.none()
		return room
	}
	if room == nil {
		room = &Measured{}
	}
	room.of, room.counts = m.of, append(room.counts[:0], m.counts[len(m.counts)/2:]...)
	return room
}

// distribution returns how a Record's distribution of q was taken, and its
// counters in one direction: those of the buckets, the overflow's, the sum.
func (r *Record) distribution(q rules.Quantity, w Way) (*rules.Distribution, []uint64) {
	if r.Measured == nil || !r.Measured.of.Has(q) || r.RuleSet.Distributions == nil {
		return nil, nil
	}
	of, set := r.RuleSet.Distributions, r.Measured.of
	at := int(w)*offset(of, set, rules.NumQuantities) + offset(of, set, q)
	return of[q], r.Measured.counts[at:][:sizeOf(of[q])]
}

// measuredFields are, for each quantity, the bounds of its buckets and how many
// values there were in each, the overflow last.
func measuredFields() []Field {
	rows := [rules.NumQuantities]struct {
		name, rtfm string
		units      Units
	}{
		rules.PacketSize:   {"packetSize", "PacketSize", Octets},
		rules.InterArrival: {"interArrivalTime", "InterarrivalTime", MicroSec},
		rules.Turnaround:   {"turnaroundTime", "TurnaroundTime", MicroSec},
		rules.BitRate:      {"bitRate", "BitRate", Bits},
		rules.PacketRate:   {"packetRate", "PDURate", Packets},
	}
	var fields []Field
	for i, row := range rows {
		q, id := rules.Quantity(i), firstMeasuredID+3*uint16(i)
		bounds := func(r *Record, _ Way) []uint64 {
			d, _ := r.distribution(q, Forward)
			if d == nil {
				return nil
			}
			return d.Bounds
		}
		counts := func(r *Record, w Way) []uint64 {
			_, c := r.distribution(q, w)
			return c[:max(0, len(c)-1)]
		}
		fields = append(fields,
			Field{Name: row.name + "Bounds", ID: id, Private: true, Type: BasicList, Semantics: List, Units: row.units, Needs: HasPacketSize << q,
				List: bounds, Show: showList(bounds)},
			Field{Name: row.name + "Counts", ID: id + 1, ReverseID: id + 2, Private: true, Type: BasicList, Semantics: List, RTFM: "To" + row.rtfm,
				TwoWay: true, Seen: true, Needs: HasPacketSize << q,
				List: counts, Show: showList(counts)})
	}
	return fields
}

// firstMeasuredID is the number of the first list.
const firstMeasuredID = 50

// Elements are what the meter's own lists are of, by the type of their values:
// each list is of the shortest in which all of its values fit. An element of
// one type in several lengths (RFC 7011 §6.2) would be shorter to tell of, but
// libfixbuf 2.4 misreads lists of values that are shorter than their type.
func Elements() []Field {
	return []Field{
		{Name: "bucketValue8", ID: 28, Type: Unsigned8, Semantics: Quantity, Private: true},
		{Name: "bucketValue16", ID: 29, Type: Unsigned16, Semantics: Quantity, Private: true},
		{Name: "bucketValue32", ID: 30, Type: Unsigned32, Semantics: Quantity, Private: true},
		{Name: "bucketValue64", ID: 31, Type: Unsigned64, Semantics: Quantity, Private: true},
	}
}

// showList writes a list as JSON does.
func showList(list func(*Record, Way) []uint64) func([]byte, *Record, Way) []byte {
	return func(dst []byte, r *Record, w Way) []byte {
		dst = append(dst, '[')
		for i, n := range list(r, w) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendUint(dst, n, 10)
		}
		return append(dst, ']')
	}
}
