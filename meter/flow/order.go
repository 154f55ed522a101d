package flow

import "slices"

// sortEndings puts endings in the order of their release. Large runs are first
// sorted by the octets of end and order, least significant first, which looks
// at each ending once per octet; only those that are alike in both, as the
// pieces and successors of one flow, are then left to compare.
func (t *Table) sortEndings() {
	if len(t.ended) < radixFrom {
		slices.SortFunc(t.ended, t.compare)
		return
	}
	t.radixSort()
	for i := 0; i < len(t.ended); {
		j := i + 1
		for j < len(t.ended) && t.ended[j].end == t.ended[i].end && t.ended[j].order == t.ended[i].order {
			j++
		}
		if j-i > 1 {
			slices.SortFunc(t.ended[i:j], t.compare)
		}
		i = j
	}
}

// radixFrom is how many endings are worth the tables of a radix sort.
const radixFrom = 256

// radixSort sorts by end, then order. Octets that all endings share are
// passed over: ends lie close together, or are all the same.
func (t *Table) radixSort() {
	from, to := t.ended, t.scratch(len(t.ended))
	var differ ending
	for i := range from {
		differ.end |= from[i].end ^ from[0].end
		differ.order |= from[i].order ^ from[0].order
	}
	for shift := 0; shift < 128; shift += 8 {
		if digit(&differ, shift) == 0 {
			continue
		}
		var at [256]int32
		for i := range from {
			at[digit(&from[i], shift)]++
		}
		sum := int32(0)
		for d := range at {
			at[d], sum = sum, sum+at[d]
		}
		for i := range from {
			d := digit(&from[i], shift)
			to[at[d]] = from[i]
			at[d]++
		}
		from, to = to, from
	}
	t.ended, t.other = from, to[:0]
}

// digit returns an octet of the 128-bit number that an ending is sorted by.
// Ends are after 1970, so their sign does not matter.
func digit(e *ending, shift int) uint8 {
	if shift < 64 {
		return uint8(e.order >> shift)
	}
	return uint8(uint64(e.end) >> (shift - 64))
}

// scratch returns room for n endings.
func (t *Table) scratch(n int) []ending {
	t.other = slices.Grow(t.other[:0], n)
	return t.other[:n]
}
